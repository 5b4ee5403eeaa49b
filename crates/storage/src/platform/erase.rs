//! Erasing a tenant: in small transactions that can be interrupted anywhere and begun again.

use chrono::{DateTime, Utc};
use domain::{Change, JobKind, TenantId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait,
    IntoActiveModel, QuerySelect, Statement,
};

use super::{Platform, tenants_admin::set_erasing};
use crate::convert::{from_json, micros, optional_time, parsed, time, to_json};
use crate::rows::erasures;
use crate::session::Session;
use crate::tenant::audit::{Event, record};
use crate::{Result, StorageError};

/// Every table with rows of tenants, those that refer to others first. `tenants` is the last.
// What was consumed by day stays, as totals: `usage_days` holds ids and numbers, no content.
const TABLES: [&str; 35] = [
    "usage_records",
    "usage_hours",
    "budgets",
    "tenant_values",
    "model_scores",
    "precomputed_answers",
    "corrections",
    "classifications",
    "tasks",
    "requests",
    "routing_policies",
    "training_signals",
    "training_inputs",
    "trials",
    "feedback",
    "answers",
    "embeddings",
    "index_state",
    "tenant_spaces",
    "space_comparisons",
    "model_aliases",
    "model_events",
    "models",
    "datasets",
    "rejections",
    "item_revisions",
    "merge_traces",
    "expert_merges",
    "experts",
    "jobs",
    "job_turns",
    "api_keys",
    "audit_events",
    "tenant_counters",
    "tenants",
];

/// Rows of one transaction: others can write between two of them.
const ROWS_PER_TRANSACTION: u64 = 2_000;

/// How many rows of each table were deleted, in the order they went; tables without are left out.
pub type ErasureCounts = Vec<(String, u64)>;

/// What is left of an erased tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureCertificate {
    /// The id, which is never used again.
    pub tenant: TenantId,
    /// How many rows of each table were deleted.
    pub counts: ErasureCounts,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the last row was gone.
    pub finished_at: DateTime<Utc>,
}

impl Platform {
    /// Erases a tenant: every row of it in every table, but for the jobs that erase it, which hold
    /// nothing but ids and are asked how it went.
    ///
    /// From its first step nothing can be written for the tenant any more. It may be interrupted
    /// anywhere and called again: it goes on where it stopped, and the counts are those of all
    /// calls together. Once it is done, calling it again returns the counts.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there never was such a tenant; the database fails.
    #[tracing::instrument(level = "debug", name = "platform.erase_tenant", skip_all)]
    pub async fn erase_tenant(&self, id: &TenantId, now: DateTime<Utc>) -> Result<ErasureCounts> {
        if let Some(certificate) = self.certificate(id).await? {
            return Ok(certificate.counts);
        }
        self.begin_erasure(id, now).await?;
        for table in TABLES {
            while self.erase_some(id, table).await? {}
        }
        self.finish_erasure(id, now).await?;
        match self.certificate(id).await? {
            Some(certificate) => Ok(certificate.counts),
            None => Err(StorageError::corrupt(
                "erasures",
                "the certificate is missing",
            )),
        }
    }

    /// The certificate of a finished erasure.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.certificate", skip_all)]
    pub async fn certificate(&self, id: &TenantId) -> Result<Option<ErasureCertificate>> {
        let session = self.session();
        let row = erasures::Entity::find_by_id(id.as_str())
            .one(session.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(finished_at) = optional_time("erasures.finished_at", row.finished_at)? else {
            return Ok(None);
        };
        Ok(Some(ErasureCertificate {
            tenant: parsed("erasures.tenant_id", || TenantId::parse(row.tenant_id))?,
            counts: from_json("erasures.counts", row.counts)?,
            started_at: time("erasures.started_at", row.started_at)?,
            finished_at,
        }))
    }

    /// Closes the tenant to writers and puts up its tombstone.
    async fn begin_erasure(&self, id: &TenantId, now: DateTime<Utc>) -> Result<()> {
        let session = self.session();
        let db = session.write().await?;
        let created = set_erasing(db, id, now).await?;
        let tombstone = erasures::Model {
            tenant_id: id.to_string(),
            counts: to_json("erasures.counts", &ErasureCounts::new())?,
            started_at: micros(now),
            tenant_created_at: created.unwrap_or_default(),
            finished_at: None,
        };
        if created.is_some() {
            erasures::Entity::insert(tombstone.into_active_model())
                .on_conflict(
                    OnConflict::column(erasures::Column::TenantId)
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(db)
                .await?;
            session.note(Change::Tenant(id.clone()));
        } else if erasures::Entity::find_by_id(id.as_str())
            .one(db)
            .await?
            .is_none()
        {
            return Err(StorageError::not_found(format!("tenants/{id}")));
        }
        session.commit().await
    }

    /// Deletes some of the tenant's rows in `table` and counts them, in one transaction. Returns
    /// whether there may be more.
    async fn erase_some(&self, id: &TenantId, table: &str) -> Result<bool> {
        let session = self.session();
        let db = session.write().await?;
        let deleted = db
            .execute_raw(deletion(db.get_database_backend(), id, table))
            .await?;
        let deleted = deleted.rows_affected();
        if deleted == 0 {
            return Ok(false);
        }
        let mut row = locked(db, id).await?;
        let mut counts: ErasureCounts = from_json("erasures.counts", row.counts)?;
        match counts.iter_mut().find(|(name, _)| name == table) {
            Some((_, count)) => *count += deleted,
            None => counts.push((table.to_owned(), deleted)),
        }
        row.counts = to_json("erasures.counts", &counts)?;
        save(&session, row).await?;
        session.commit().await?;
        Ok(deleted == ROWS_PER_TRANSACTION)
    }

    async fn finish_erasure(&self, id: &TenantId, now: DateTime<Utc>) -> Result<()> {
        let session = self.session();
        let db = session.write().await?;
        let mut row = locked(db, id).await?;
        if row.finished_at.is_none() {
            row.finished_at = Some(micros(now));
            save(&session, row).await?;
            let event = Event {
                tenant: None,
                actor: "system:erasure",
                action: "tenants.erase",
                resource: &format!("tenants/{id}"),
                detail: "all rows are deleted; the certificate has the counts",
            };
            record(db, event, now).await?;
            session.note(Change::Tenant(id.clone()));
        }
        session.commit().await
    }
}

async fn locked(db: &DatabaseTransaction, id: &TenantId) -> Result<erasures::Model> {
    let row = erasures::Entity::find_by_id(id.as_str())
        .lock_exclusive()
        .one(db)
        .await?;
    row.ok_or_else(|| StorageError::corrupt("erasures", "the tombstone is missing"))
}

async fn save(session: &Session, row: erasures::Model) -> Result<()> {
    let changed = row.into_active_model().reset_all();
    erasures::Entity::update(changed)
        .exec(session.write().await?)
        .await?;
    Ok(())
}

/// A DELETE with a bound, which neither database has: by the rows' physical places.
fn deletion(backend: DbBackend, id: &TenantId, table: &str) -> Statement {
    let place = if backend == DbBackend::Postgres {
        "ctid"
    } else {
        "rowid"
    };
    let owner = if table == "tenants" {
        "id"
    } else {
        "tenant_id"
    };
    let kept = match table {
        "jobs" => format!(" AND kind <> '{}'", JobKind::EraseTenant.as_str()),
        _ => String::new(),
    };
    let sql = format!(
        "DELETE FROM {table} WHERE {place} IN (SELECT {place} FROM {table} \
         WHERE {owner} = $1{kept} LIMIT {ROWS_PER_TRANSACTION})"
    );
    Statement::from_sql_and_values(backend, sql, [id.as_str().into()])
}
