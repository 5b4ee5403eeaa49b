//! Making, finding and changing tenants.

use chrono::{DateTime, Utc};
use domain::{
    Change, DEFAULT_EMBEDDING_MODEL, SpaceState, Tenant, TenantId, TenantSettings, TenantState,
    VerticalId,
};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::Platform;
use crate::convert::{micros, storable, to_json};
use crate::rows::{erasures, space_comparisons, tenant_counters, tenant_spaces, tenants};
use crate::session::Session;
use crate::tenant::audit::{Event, record};
use crate::{Jobs, NewJob, Result, StorageError};

/// A tenant to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Its id, for good.
    pub id: TenantId,
    /// Name for people.
    pub display_name: String,
    /// The industry group it belongs to.
    pub vertical: VerticalId,
    /// What it has chosen.
    pub settings: TenantSettings,
}

/// What is enqueued when a tenant changes what it says of its embedding space.
#[derive(Debug, Clone)]
pub struct SpaceJobs {
    /// Brings it into the space that it names.
    pub switch: NewJob,
    /// Finds the space that it is to be in, where it names none.
    pub compare: NewJob,
}

impl Platform {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when the id is taken, or was before an erasure; the database
    /// fails.
    #[tracing::instrument(level = "debug", name = "platform.create_tenant", skip_all)]
    pub async fn create_tenant(
        &self,
        new: NewTenant,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Tenant> {
        let session = self.session();
        let db = session.write().await?;
        let name = format!("tenants/{}", new.id);
        if erasures::Entity::find_by_id(new.id.as_str())
            .one(db)
            .await?
            .is_some()
        {
            return Err(StorageError::already_exists(name));
        }
        let row = tenants::Model {
            id: new.id.to_string(),
            display_name: storable(&new.display_name),
            vertical: new.vertical.to_string(),
            state: TenantState::Active.as_str().to_owned(),
            settings: to_json("tenants.settings", &new.settings)?,
            created_at: micros(now),
            updated_at: micros(now),
        };
        let inserted = tenants::Entity::insert(row.clone().into_active_model())
            .on_conflict(
                OnConflict::column(tenants::Column::Id)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        if inserted == 0 {
            return Err(StorageError::already_exists(name));
        }
        let counters = tenant_counters::ActiveModel {
            tenant_id: ActiveValue::Set(new.id.to_string()),
            ..Default::default()
        };
        tenant_counters::Entity::insert(counters)
            .exec_without_returning(db)
            .await?;
        // Where the platform is to choose, it begins in the default one: there is no evidence yet.
        let begins_in = new
            .settings
            .named_model()
            .unwrap_or(DEFAULT_EMBEDDING_MODEL);
        if begins_in != DEFAULT_EMBEDDING_MODEL {
            // There is nothing to make again yet: it begins in the space that it wants.
            let space = tenant_spaces::Model {
                tenant_id: new.id.to_string(),
                space: begins_in.to_owned(),
                state: SpaceState::Active.as_str().to_owned(),
                drop_after: None,
            };
            tenant_spaces::Entity::insert(space.into_active_model())
                .exec_without_returning(db)
                .await?;
        }
        let detail = format!("vertical {}", new.vertical);
        audited(db, &new.id, actor, "tenants.create", &detail, now).await?;
        session.note(Change::Tenant(new.id));
        session.commit().await?;
        Tenant::try_from(row)
    }

    /// The tenant, in whatever state. None once it is erased.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.get_tenant", skip_all)]
    pub async fn get_tenant(&self, id: &TenantId) -> Result<Option<Tenant>> {
        let session = self.session();
        let row = tenants::Entity::find_by_id(id.as_str())
            .one(&session.read_once().await?)
            .await?;
        row.map(Tenant::try_from).transpose()
    }

    /// At most `limit` tenants by id, those after `after`; of one vertical or of all.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.list_tenants", skip_all)]
    pub async fn list_tenants(
        &self,
        after: Option<TenantId>,
        limit: u32,
        vertical: Option<VerticalId>,
    ) -> Result<Vec<Tenant>> {
        let session = self.session();
        let mut query = tenants::Entity::find().order_by_asc(tenants::Column::Id);
        if let Some(after) = after {
            query = query.filter(tenants::Column::Id.gt(after.as_str()));
        }
        if let Some(vertical) = vertical {
            query = query.filter(tenants::Column::Vertical.eq(vertical.as_str()));
        }
        let rows = query
            .limit(u64::from(limit))
            .all(session.read().await?)
            .await?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// Changes the tenant's name, vertical, state and settings to those of `tenant`. When it wants
    /// another embedding space than its active one, the switch is enqueued with it; when it leaves that to the
    /// platform from now on, or no comparison was made yet, the comparison.
    ///
    /// Waits for transactions that write the tenant's data, so that after setting it `ERASING` none
    /// is under way.
    ///
    /// # Errors
    /// [`StorageError::NotFound`]; [`StorageError::Erasing`] when it is being erased, which cannot
    /// be taken back; the database fails.
    #[tracing::instrument(level = "debug", name = "platform.update_tenant", skip_all)]
    pub async fn update_tenant(
        &self,
        tenant: &Tenant,
        jobs: SpaceJobs,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Tenant> {
        let session = self.session();
        let db = session.write().await?;
        let row = tenants::Entity::find_by_id(tenant.id.as_str())
            .lock_exclusive()
            .one(db)
            .await?;
        let before = row
            .map(Tenant::try_from)
            .transpose()?
            .ok_or_else(|| StorageError::not_found(format!("tenants/{}", tenant.id)))?;
        if before.state == TenantState::Erasing && tenant.state != TenantState::Erasing {
            return Err(StorageError::Erasing {
                tenant: tenant.id.to_string(),
            });
        }
        let row = tenants::Model {
            id: tenant.id.to_string(),
            display_name: storable(&tenant.display_name),
            vertical: tenant.vertical.to_string(),
            state: tenant.state.as_str().to_owned(),
            settings: to_json("tenants.settings", &tenant.settings)?,
            created_at: micros(before.created_at),
            updated_at: micros(now),
        };
        let changed = row.clone().into_active_model().reset_all();
        tenants::Entity::update(changed).exec(db).await?;
        let after = Tenant::try_from(row)?;
        let changed = before.settings.embedding_model() != after.settings.embedding_model();
        match after.settings.named_model() {
            Some(named) if changed || named != active_space(db, &tenant.id).await? => {
                enqueue(&session, &after, jobs.switch, now).await?;
            }
            None if changed => {
                // An older comparison says nothing of today: the tenant stays where it is until the next one.
                space_comparisons::Entity::delete_by_id(tenant.id.as_str())
                    .exec(db)
                    .await?;
                enqueue(&session, &after, jobs.compare, now).await?;
            }
            None => match chosen_space(db, &tenant.id).await? {
                None => enqueue(&session, &after, jobs.compare, now).await?,
                Some(chosen) if chosen != active_space(db, &tenant.id).await? => {
                    enqueue(&session, &after, jobs.switch, now).await?;
                }
                Some(_) => {}
            },
            _ => {}
        }
        audited(
            db,
            &tenant.id,
            actor,
            "tenants.update",
            &differences(&before, &after),
            now,
        )
        .await?;
        session.note(Change::Tenant(tenant.id.clone()));
        session.commit().await?;
        Ok(after)
    }
}

/// The space that the tenant's questions are asked in.
async fn active_space(db: &DatabaseTransaction, id: &TenantId) -> Result<String> {
    let row = tenant_spaces::Entity::find()
        .filter(tenant_spaces::Column::TenantId.eq(id.as_str()))
        .filter(tenant_spaces::Column::State.eq(SpaceState::Active.as_str()))
        .one(db)
        .await?;
    Ok(row.map_or_else(|| DEFAULT_EMBEDDING_MODEL.to_owned(), |row| row.space))
}

/// The space that the newest comparison has chosen.
async fn chosen_space(db: &DatabaseTransaction, id: &TenantId) -> Result<Option<String>> {
    let made = space_comparisons::Entity::find_by_id(id.as_str());
    Ok(made.one(db).await?.map(|made| made.chosen))
}

async fn enqueue(
    session: &Session,
    tenant: &Tenant,
    job: NewJob,
    now: DateTime<Utc>,
) -> Result<()> {
    if tenant.state == TenantState::Erasing {
        return Ok(());
    }
    let jobs = Jobs {
        session,
        owner: Some(&tenant.id),
    };
    jobs.enqueue(job, now).await.map(drop)
}

/// Sets the state alone. Used by the erasure.
pub(super) async fn set_erasing(
    db: &DatabaseTransaction,
    id: &TenantId,
    now: DateTime<Utc>,
) -> Result<Option<i64>> {
    tenants::Entity::update_many()
        .filter(tenants::Column::Id.eq(id.as_str()))
        .col_expr(
            tenants::Column::State,
            Expr::value(TenantState::Erasing.as_str()),
        )
        .col_expr(tenants::Column::UpdatedAt, Expr::value(micros(now)))
        .exec(db)
        .await?;
    let known = tenants::Entity::find_by_id(id.as_str()).one(db).await?;
    Ok(known.map(|known| known.created_at))
}

async fn audited(
    db: &DatabaseTransaction,
    id: &TenantId,
    actor: &str,
    action: &str,
    detail: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let resource = format!("tenants/{id}");
    let event = Event {
        tenant: Some(id.as_str()),
        actor,
        action,
        resource: &resource,
        detail,
    };
    record(db, event, now).await
}

/// What an update has changed, for the audit trail.
fn differences(before: &Tenant, after: &Tenant) -> String {
    let mut changed = Vec::new();
    if before.state != after.state {
        changed.push(format!(
            "state {} -> {}",
            before.state.as_str(),
            after.state.as_str()
        ));
    }
    if before.vertical != after.vertical {
        changed.push(format!(
            "vertical {} -> {}",
            before.vertical, after.vertical
        ));
    }
    if before.settings.share_for_training != after.settings.share_for_training {
        changed.push(format!(
            "share_for_training {}",
            after.settings.share_for_training
        ));
    }
    if before.settings.embedding_model() != after.settings.embedding_model() {
        changed.push(format!(
            "embedding_model {} -> {}",
            before.settings.embedding_model(),
            after.settings.embedding_model()
        ));
    }
    if before.settings.value_per_accepted != after.settings.value_per_accepted {
        let value = |tenant: &Tenant| {
            let value = tenant.settings.value_per_accepted;
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        };
        changed.push(format!(
            "value_per_accepted {} -> {}",
            value(before),
            value(after)
        ));
    }
    if before.display_name != after.display_name {
        changed.push("display_name".to_owned());
    }
    match changed.is_empty() {
        true => "nothing changed".to_owned(),
        false => changed.join(", "),
    }
}
