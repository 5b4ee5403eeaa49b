//! Models that no single tenant owns: the global one, and those of verticals.

use domain::{
    Alias, Change, ModelName, ModelOwner, ModelVersion, TaskId, TenantId, TenantState, VerticalId,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::Platform;
use crate::convert::{count, from_json, int, micros, parsed, storable, to_json};
use crate::rows::{tenants, tier_champions, tier_events, tier_models, training_signals};
use crate::tenant::audit::{Event, record};
use crate::{AliasEvent, AliasMove, NewModel, Result, SharedSignal, Signal, StorageError};

/// Tenants read in one go when signals are collected.
const PAGE: u64 = 500;

/// The models of the tiers above the tenants, to read. Each method is a transaction of its own.
#[derive(Debug, Clone)]
pub struct TierModels {
    pub(super) platform: Platform,
    /// The one vertical whose models may be read; none: all.
    pub(super) vertical: Option<VerticalId>,
}

/// The registry of the tiers above the tenants. Each method is a transaction of its own.
#[derive(Debug, Clone)]
pub struct Tiers {
    models: TierModels,
}

impl std::ops::Deref for Tiers {
    type Target = TierModels;

    fn deref(&self) -> &TierModels {
        &self.models
    }
}

impl Platform {
    /// The registry of the tiers above the tenants.
    #[must_use]
    pub fn tiers(&self) -> Tiers {
        Tiers {
            models: TierModels {
                platform: self.clone(),
                vertical: None,
            },
        }
    }
}

impl Tiers {
    /// Keeps a new version of a tier's model, under the next number (that of `new` is not looked at);
    /// with `promote` it serves from the same moment on.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.register", skip_all)]
    pub async fn register(
        &self,
        owner: &ModelOwner,
        new: NewModel,
        promote: bool,
        by: AliasMove<'_>,
    ) -> Result<ModelVersion> {
        let session = self.platform.session();
        let db = session.write().await?;
        let newest: Option<i64> = tier_models::Entity::find()
            .select_only()
            .column(tier_models::Column::Version)
            .filter(tier_models::Column::Owner.eq(owner.to_string()))
            .filter(tier_models::Column::Task.eq(new.task.as_str()))
            .order_by_desc(tier_models::Column::Version)
            .into_tuple()
            .one(db)
            .await?;
        let row = tier_models::Model {
            owner: owner.to_string(),
            task: new.task.to_string(),
            version: newest.unwrap_or(0) + 1,
            artifact_path: new.artifact_path,
            checksum: new.checksum,
            size: int(new.size),
            lineage: to_json("tier_models.lineage", &new.lineage)?,
            verdict: new.verdict.as_str().to_owned(),
            report: new.report,
            created_at: micros(by.now),
        };
        // Two trainings of one tier do not run at the same time; if they did, the second insert fails
        // here and its job is tried again.
        tier_models::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(db)
            .await?;
        let version = row.version;
        if promote {
            move_champion(db, owner, &new.task, Some(version), by).await?;
        }
        session.note(Change::Tiers);
        session.commit().await?;
        row.version(promote.then_some(version))
    }
}

impl TierModels {
    /// Whether the models of `owner` may be read.
    fn sees(&self, owner: &ModelOwner) -> bool {
        match (owner, &self.vertical) {
            (ModelOwner::Global, _) | (_, None) => true,
            (ModelOwner::Vertical(vertical), Some(own)) => vertical == own,
            (ModelOwner::Tenant(_), Some(_)) => false,
        }
    }

    /// The model version.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.get", skip_all)]
    pub async fn get(&self, name: &ModelName) -> Result<Option<ModelVersion>> {
        if !self.sees(&name.owner) {
            return Ok(None);
        }
        let session = self.platform.session();
        let db = session.read().await?;
        let key = (
            name.owner.to_string(),
            name.task.to_string(),
            int(name.version),
        );
        let row = tier_models::Entity::find_by_id(key).one(db).await?;
        let champion = champion(db, &name.owner, &name.task).await?;
        row.map(|row| row.version(champion)).transpose()
    }

    /// At most `limit` versions, newest first, those before the version `before`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.list", skip_all)]
    pub async fn list(
        &self,
        owner: &ModelOwner,
        task: &TaskId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ModelVersion>> {
        if !self.sees(owner) {
            return Ok(Vec::new());
        }
        let session = self.platform.session();
        let db = session.read().await?;
        let mut query = tier_models::Entity::find()
            .filter(tier_models::Column::Owner.eq(owner.to_string()))
            .filter(tier_models::Column::Task.eq(task.as_str()));
        if let Some(before) = before {
            query = query.filter(tier_models::Column::Version.lt(int(before)));
        }
        let rows = query
            .order_by_desc(tier_models::Column::Version)
            .limit(u64::from(limit))
            .all(db)
            .await?;
        let champion = champion(db, owner, task).await?;
        rows.into_iter().map(|row| row.version(champion)).collect()
    }

    /// The versions of tiers that serve, in the order of `owners`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.champions", skip_all)]
    pub async fn champions(
        &self,
        owners: &[ModelOwner],
        task: &TaskId,
    ) -> Result<Vec<Option<u64>>> {
        let seen = owners.iter().filter(|owner| self.sees(owner));
        let session = self.platform.session();
        let rows = tier_champions::Entity::find()
            .filter(tier_champions::Column::Task.eq(task.as_str()))
            .filter(tier_champions::Column::Owner.is_in(seen.map(ToString::to_string)))
            .all(&session.read_once().await?)
            .await?;
        let serving = |owner: &ModelOwner| {
            let owner = owner.to_string();
            let row = rows.iter().find(|row| row.owner == owner)?;
            Some(count(row.version))
        };
        Ok(owners.iter().map(serving).collect())
    }

    /// The version of the tier that serves.
    ///
    /// # Errors
    /// The database fails.
    pub async fn champion(&self, owner: &ModelOwner, task: &TaskId) -> Result<Option<u64>> {
        let found = self.champions(std::slice::from_ref(owner), task).await?;
        Ok(found.into_iter().next().flatten())
    }
}

impl Tiers {
    /// Makes a version serve, or none, and records the move. What serves already is not moved.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is no such version; the database fails.
    #[tracing::instrument(level = "debug", name = "tiers.set_champion", skip_all)]
    pub async fn set_champion(
        &self,
        owner: &ModelOwner,
        task: &TaskId,
        version: Option<u64>,
        by: AliasMove<'_>,
    ) -> Result<()> {
        let session = self.platform.session();
        let db = session.write().await?;
        if let Some(version) = version {
            let key = (owner.to_string(), task.to_string(), int(version));
            if tier_models::Entity::find_by_id(key)
                .one(db)
                .await?
                .is_none()
            {
                let name = format!("{owner}/models/{task}/versions/{version}");
                return Err(StorageError::not_found(name));
            }
        }
        move_champion(db, owner, task, version.map(int), by).await?;
        session.note(Change::Tiers);
        session.commit().await
    }

    /// At most `limit` moves of the champion, newest first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.events", skip_all)]
    pub async fn events(
        &self,
        owner: &ModelOwner,
        task: &TaskId,
        limit: u32,
    ) -> Result<Vec<AliasEvent>> {
        let session = self.platform.session();
        let rows = tier_events::Entity::find()
            .filter(tier_events::Column::Owner.eq(owner.to_string()))
            .filter(tier_events::Column::Task.eq(task.as_str()))
            .filter(tier_events::Column::Alias.eq(Alias::Champion.as_str()))
            .order_by_desc(tier_events::Column::Sequence)
            .limit(u64::from(limit))
            .all(session.read().await?)
            .await?;
        rows.into_iter().map(AliasEvent::try_from).collect()
    }

    /// The signals of the active tenants that agree to their use for others, by tenant; of one
    /// vertical or of all.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.shared_signals", skip_all)]
    pub async fn shared_signals(
        &self,
        task: &TaskId,
        vertical: Option<&VerticalId>,
    ) -> Result<Vec<SharedSignal>> {
        let session = self.platform.session();
        let db = session.read().await?;
        let mut shared = Vec::new();
        let mut after = String::new();
        loop {
            let mut query = training_signals::Entity::find()
                .filter(training_signals::Column::Task.eq(task.as_str()))
                .filter(training_signals::Column::TenantId.gt(after.as_str()))
                .order_by_asc(training_signals::Column::TenantId);
            query = query.limit(PAGE);
            let page = query.all(db).await?;
            let Some(last) = page.last() else {
                return Ok(shared);
            };
            after.clone_from(&last.tenant_id);
            let ids = page.iter().map(|row| row.tenant_id.as_str());
            let willing: Vec<String> = tenants::Entity::find()
                .filter(tenants::Column::Id.is_in(ids))
                .filter(tenants::Column::State.eq(TenantState::Active.as_str()))
                .all(db)
                .await?
                .into_iter()
                .filter_map(|row| agrees(row, vertical).transpose())
                .collect::<Result<_>>()?;
            for row in page
                .into_iter()
                .filter(|row| willing.contains(&row.tenant_id))
            {
                shared.push(shared_signal(row)?);
            }
        }
    }
}

/// The tenant's id, when it is of the vertical and agrees.
fn agrees(row: tenants::Model, vertical: Option<&VerticalId>) -> Result<Option<String>> {
    let settings: domain::TenantSettings = from_json("tenants.settings", row.settings)?;
    let here = vertical.is_none_or(|vertical| row.vertical == vertical.as_str());
    Ok((settings.share_for_training && here).then_some(row.id))
}

fn shared_signal(row: training_signals::Model) -> Result<SharedSignal> {
    Ok(SharedSignal {
        tenant: parsed("training_signals.tenant_id", || {
            TenantId::parse(row.tenant_id)
        })?,
        signal: Signal {
            artifact_path: row.artifact_path,
            checksum: row.checksum,
            size: count(row.size),
            queries: count(row.queries),
            dataset: count(row.dataset),
        },
    })
}

async fn champion(
    db: &DatabaseTransaction,
    owner: &ModelOwner,
    task: &TaskId,
) -> Result<Option<i64>> {
    let key = (owner.to_string(), task.to_string());
    let row = tier_champions::Entity::find_by_id(key).one(db).await?;
    Ok(row.map(|row| row.version))
}

async fn move_champion(
    db: &DatabaseTransaction,
    owner: &ModelOwner,
    task: &TaskId,
    to: Option<i64>,
    by: AliasMove<'_>,
) -> Result<()> {
    let from = champion(db, owner, task).await?;
    if from == to {
        return Ok(());
    }
    let key = (owner.to_string(), task.to_string());
    match to {
        Some(version) => {
            let row = tier_champions::Model {
                owner: key.0,
                task: key.1,
                version,
            };
            tier_champions::Entity::insert(row.into_active_model())
                .on_conflict(
                    OnConflict::columns([
                        tier_champions::Column::Owner,
                        tier_champions::Column::Task,
                    ])
                    .update_column(tier_champions::Column::Version)
                    .to_owned(),
                )
                .exec_without_returning(db)
                .await?;
        }
        None => {
            tier_champions::Entity::delete_by_id(key).exec(db).await?;
        }
    }
    let event = tier_events::ActiveModel {
        sequence: ActiveValue::NotSet,
        owner: ActiveValue::Set(owner.to_string()),
        task: ActiveValue::Set(task.to_string()),
        from_version: ActiveValue::Set(from),
        to_version: ActiveValue::Set(to),
        cause: ActiveValue::Set(Some(by.cause.as_str().to_owned())),
        reason: ActiveValue::Set(storable(by.reason)),
        actor: ActiveValue::Set(by.actor.to_owned()),
        at: ActiveValue::Set(micros(by.now)),
        alias: ActiveValue::Set(Alias::Champion.as_str().to_owned()),
    };
    tier_events::Entity::insert(event)
        .exec_without_returning(db)
        .await?;
    audit_move(db, owner, task, (from, to), by).await
}

async fn audit_move(
    db: &DatabaseTransaction,
    owner: &ModelOwner,
    task: &TaskId,
    (from, to): (Option<i64>, Option<i64>),
    by: AliasMove<'_>,
) -> Result<()> {
    let shown = |version: Option<i64>| version.map_or("none".to_owned(), |v| v.to_string());
    let event = Event {
        tenant: None,
        actor: by.actor,
        action: by.action(to.map(count)),
        resource: &format!("{owner}/models/{task}"),
        detail: &format!("champion: {} -> {}; {}", shown(from), shown(to), by.reason),
    };
    record(db, event, by.now).await
}
