//! Model versions, and the aliases that say which of them serve.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Alias, AliasMoveCause, Change, Lineage, ModelVersion, TaskId, Verdict};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::prune::PRUNED;
use super::{TenantTx, all, audit, counters};
use crate::convert::{count, int, micros, storable, to_json};
use crate::rows::{model_aliases, model_events, models, tenant_counters};
use crate::{Result, StorageError};

/// The tenant's models.
#[derive(Debug, Clone, Copy)]
pub struct Models<'a> {
    pub(super) tx: &'a TenantTx,
}

/// A model version to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// What it predicts.
    pub task: TaskId,
    /// From [`Models::next_version`].
    pub version: u64,
    /// Where the artifact lies in the artifact store.
    pub artifact_path: String,
    /// SHA-256 of the artifact, in hex.
    pub checksum: String,
    /// Bytes of the artifact.
    pub size: u64,
    /// Where it comes from.
    pub lineage: Lineage,
    /// What the gate decided.
    pub verdict: Verdict,
    /// The evaluation report, serialized.
    pub report: String,
}

/// Why an alias is moved, by whom and when.
#[derive(Debug, Clone, Copy)]
pub struct AliasMove<'a> {
    /// Why.
    pub cause: AliasMoveCause,
    /// Why, in words.
    pub reason: &'a str,
    /// Who.
    pub actor: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

impl AliasMove<'_> {
    /// The action of the audit trail: an administrator's as they meant it, whichever of the versions
    /// is newer; the system's by whether a version takes the place or leaves it.
    pub(crate) fn action(&self, to: Option<u64>) -> &'static str {
        match self.cause {
            AliasMoveCause::PromotedByAdmin => "models.promote",
            AliasMoveCause::RolledBackByAdmin => "models.rollback",
            AliasMoveCause::GatePassed
            | AliasMoveCause::GateRejected
            | AliasMoveCause::SteppedBack
            | AliasMoveCause::TaskDeleted => match to {
                Some(_) => "models.promote",
                None => "models.rollback",
            },
        }
    }
}

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasEvent {
    /// When it was moved.
    pub at: DateTime<Utc>,
    /// The alias.
    pub alias: Alias,
    /// The version it pointed at before, if any.
    pub from: Option<u64>,
    /// The version it points at since, if any.
    pub to: Option<u64>,
    /// Why.
    pub cause: AliasMoveCause,
    /// Why, in words.
    pub reason: String,
    /// Who moved it.
    pub actor: String,
}

impl Models<'_> {
    /// The number that the next version of this task gets. It is free until somebody inserts it.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.next_version", skip_all)]
    pub async fn next_version(&self, task: &TaskId) -> Result<u64> {
        let db = self.tx.session().read().await?;
        let newest: Option<i64> = self
            .tx
            .find::<models::Entity>()
            .select_only()
            .column(models::Column::Version)
            .filter(models::Column::Task.eq(task.as_str()))
            .order_by_desc(models::Column::Version)
            .into_tuple()
            .one(db)
            .await?;
        Ok(newest.map_or(1, |version| count(version) + 1))
    }

    /// Keeps a model version.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when the version is taken; the tenant does not exist or is
    /// being erased; the database fails.
    #[tracing::instrument(level = "debug", name = "models.insert", skip_all)]
    pub async fn insert(&self, new: NewModel, now: DateTime<Utc>) -> Result<ModelVersion> {
        let db = self.tx.session().write_data().await?;
        let name = self.name(&new.task, new.version);
        let row = models::Model {
            tenant_id: self.tx.id().to_owned(),
            task: new.task.into(),
            version: int(new.version),
            artifact_path: new.artifact_path,
            checksum: new.checksum,
            size: int(new.size),
            lineage: to_json("models.lineage", &new.lineage)?,
            verdict: new.verdict.as_str().to_owned(),
            report: new.report,
            created_at: micros(now),
        };
        let inserted = models::Entity::insert(row.clone().into_active_model())
            .on_conflict(
                OnConflict::columns([
                    models::Column::TenantId,
                    models::Column::Task,
                    models::Column::Version,
                ])
                .do_nothing()
                .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        if inserted == 0 {
            return Err(StorageError::already_exists(name));
        }
        // Even where no alias points at it: that there is a version is part of why another one serves.
        self.tx.note(Change::Models);
        row.with_aliases(Vec::new())
    }

    /// The model version.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.get", skip_all)]
    pub async fn get(&self, task: &TaskId, version: u64) -> Result<Option<ModelVersion>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<models::Entity>()
            .filter(models::Column::Task.eq(task.as_str()))
            .filter(models::Column::Version.eq(int(version)))
            .one(db)
            .await?;
        Ok(self.with_aliases(row.into_iter().collect()).await?.pop())
    }

    /// At most `limit` versions, newest first, those before the version `before`; of one task or of
    /// all. (Pages are cut by version, so name a task to read more than one page.)
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.list", skip_all)]
    pub async fn list(
        &self,
        task: Option<&TaskId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ModelVersion>> {
        let db = self.tx.session().read().await?;
        let mut query = self.tx.find::<models::Entity>();
        if let Some(task) = task {
            query = query.filter(models::Column::Task.eq(task.as_str()));
        }
        if let Some(before) = before {
            query = query.filter(models::Column::Version.lt(int(before)));
        }
        let rows = query
            .order_by_desc(models::Column::Version)
            .order_by_asc(models::Column::Task)
            .limit(u64::from(limit))
            .all(db)
            .await?;
        self.with_aliases(rows).await
    }

    /// The version that the alias points at.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.alias", skip_all)]
    pub async fn alias(&self, task: &TaskId, alias: Alias) -> Result<Option<u64>> {
        Ok(self
            .alias_row(task, alias)
            .await?
            .map(|row| count(row.version)))
    }

    /// Points the alias at a version, or at none, and records the move: in the task's events and in
    /// the audit trail. An alias that is there already is not moved.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is no such version; the tenant does not exist or is
    /// being erased; the database fails.
    #[tracing::instrument(level = "debug", name = "models.set_alias", skip_all)]
    pub async fn set_alias(
        &self,
        task: &TaskId,
        alias: Alias,
        version: Option<u64>,
        by: AliasMove<'_>,
    ) -> Result<()> {
        // Taken before the alias is read, so that each event says rightly what was before it.
        counters::lock(self.tx, tenant_counters::Column::ModelEvent).await?;
        let db = self.tx.session().write_data().await?;
        if let Some(version) = version
            && self.get(task, version).await?.is_none()
        {
            return Err(StorageError::not_found(self.name(task, version)));
        }
        let before = self.alias_row(task, alias).await?;
        let from = before.as_ref().map(|row| count(row.version));
        if from == version {
            return Ok(());
        }
        match (version, before) {
            (Some(version), _) => self.point(task, alias, version).await?,
            (None, Some(row)) => {
                row.delete(db).await?;
            }
            (None, None) => {}
        }
        let event = model_events::Model {
            tenant_id: self.tx.id().to_owned(),
            sequence: counters::take(self.tx, tenant_counters::Column::ModelEvent, 1).await?,
            task: task.to_string(),
            alias: alias.as_str().to_owned(),
            from_version: from.map(int),
            to_version: version.map(int),
            cause: Some(by.cause.as_str().to_owned()),
            reason: storable(by.reason),
            actor: by.actor.to_owned(),
            at: micros(by.now),
        };
        model_events::Entity::insert(event.into_active_model())
            .exec_without_returning(db)
            .await?;
        self.audit_move(task, alias, (from, version), by).await?;
        self.tx.note(Change::Models);
        Ok(())
    }

    /// At most `limit` moves of one alias of the task, newest first; of all of them where none is named.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.events", skip_all)]
    pub async fn events(
        &self,
        task: &TaskId,
        alias: Option<Alias>,
        limit: u32,
    ) -> Result<Vec<AliasEvent>> {
        let db = self.tx.session().read().await?;
        let moved = match alias {
            Some(alias) => model_events::Column::Alias.eq(alias.as_str()),
            None => model_events::Column::Alias.ne(PRUNED),
        };
        let query = self
            .tx
            .find::<model_events::Entity>()
            .filter(model_events::Column::Task.eq(task.as_str()))
            .filter(moved)
            .order_by_desc(model_events::Column::Sequence)
            .limit(u64::from(limit));
        all(query.all(db).await?)
    }

    async fn point(&self, task: &TaskId, alias: Alias, version: u64) -> Result<()> {
        use model_aliases::{Column, Entity, Model};
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task: task.to_string(),
            alias: alias.as_str().to_owned(),
            version: int(version),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Task, Column::Alias])
                    .update_column(Column::Version)
                    .to_owned(),
            )
            .exec_without_returning(self.tx.session().write_data().await?)
            .await?;
        Ok(())
    }

    async fn audit_move(
        &self,
        task: &TaskId,
        alias: Alias,
        (from, to): (Option<u64>, Option<u64>),
        by: AliasMove<'_>,
    ) -> Result<()> {
        let shown = |version: Option<u64>| version.map_or("none".to_owned(), |v| v.to_string());
        let event = audit::Event {
            tenant: Some(self.tx.id()),
            actor: by.actor,
            action: by.action(to),
            resource: &format!("tenants/{}/models/{task}", self.tx.tenant()),
            detail: &format!(
                "{}: {} -> {}; {}",
                alias.as_str(),
                shown(from),
                shown(to),
                by.reason
            ),
        };
        audit::record(self.tx.session().write_data().await?, event, by.now).await
    }

    async fn alias_row(&self, task: &TaskId, alias: Alias) -> Result<Option<model_aliases::Model>> {
        let db = self.tx.session().read().await?;
        Ok(self
            .tx
            .find::<model_aliases::Entity>()
            .filter(model_aliases::Column::Task.eq(task.as_str()))
            .filter(model_aliases::Column::Alias.eq(alias.as_str()))
            .one(db)
            .await?)
    }

    async fn with_aliases(&self, rows: Vec<models::Model>) -> Result<Vec<ModelVersion>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let db = self.tx.session().read().await?;
        let mut aliases: HashMap<(String, i64), Vec<Alias>> = HashMap::new();
        // By name, so that the order is always the same.
        let query = self.tx.find::<model_aliases::Entity>();
        for row in query
            .order_by_asc(model_aliases::Column::Alias)
            .all(db)
            .await?
        {
            let alias = model_aliases::alias("model_aliases.alias", &row.alias)?;
            aliases
                .entry((row.task, row.version))
                .or_default()
                .push(alias);
        }
        rows.into_iter()
            .map(|row| {
                let here = aliases.remove(&(row.task.clone(), row.version));
                row.with_aliases(here.unwrap_or_default())
            })
            .collect()
    }

    fn name(&self, task: &TaskId, version: u64) -> String {
        format!(
            "tenants/{}/models/{task}/versions/{version}",
            self.tx.tenant()
        )
    }
}
