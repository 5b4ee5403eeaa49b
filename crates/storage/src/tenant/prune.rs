//! Pruning of model versions: what there is, what goes, and the record of it.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use domain::{Change, INPUTS, Lineage, TaskId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, JsonValue, QueryFilter, QuerySelect};

use super::{Models, audit, counters};
use crate::Result;
use crate::convert::{count, from_json, int, micros, parsed, storable, time};
use crate::rows::{
    TenantRows, model_aliases, model_events, model_scores, models, tenant_counters,
    training_inputs, trials,
};

/// What stands for an alias in the event of a version that was pruned.
pub(crate) const PRUNED: &str = "pruned";

/// What pruning looks at in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    /// What it predicts.
    pub task: TaskId,
    /// Its number.
    pub version: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Where its artifact lies.
    pub artifact_path: String,
    /// Bytes of the artifact.
    pub size: u64,
}

/// Why versions go, who says so, and when.
#[derive(Debug, Clone, Copy)]
pub struct PruneNote<'a> {
    /// Why, in words.
    pub reason: &'a str,
    /// Who.
    pub actor: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

impl Models<'_> {
    /// All versions of all tasks, by task and number.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.summaries", skip_all)]
    pub async fn summaries(&self) -> Result<Vec<VersionSummary>> {
        use models::Column;
        type Row = (String, i64, i64, String, i64);
        let db = self.tx.session().read().await?;
        let rows: Vec<Row> = self
            .tx
            .find::<models::Entity>()
            .select_only()
            .columns([
                Column::Task,
                Column::Version,
                Column::CreatedAt,
                Column::ArtifactPath,
                Column::Size,
            ])
            .into_tuple()
            .all(db)
            .await?;
        let mut summaries = rows
            .into_iter()
            .map(|(task, version, made, artifact_path, size)| {
                Ok(VersionSummary {
                    task: parsed("models.task", || TaskId::parse(task))?,
                    version: count(version),
                    created_at: time("models.created_at", made)?,
                    artifact_path,
                    size: count(size),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        summaries.sort_unstable_by(|a, b| (&a.task, a.version).cmp(&(&b.task, b.version)));
        Ok(summaries)
    }

    /// Deletes versions with their trials, and the inputs that no version names any more; records it
    /// in the task's events and in the audit trail. A version that an alias points at stays, whatever
    /// the caller says. Returns the versions that went. Their files are the caller's.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "models.prune", skip_all)]
    pub async fn prune(
        &self,
        task: &TaskId,
        versions: &[u64],
        note: PruneNote<'_>,
    ) -> Result<Vec<u64>> {
        // Aliases move under the same lock, and inputs come under it.
        counters::lock(self.tx, tenant_counters::Column::ModelEvent).await?;
        let db = self.tx.session().write_data().await?;
        let pointed_at: Vec<i64> = self
            .tx
            .find::<model_aliases::Entity>()
            .select_only()
            .column(model_aliases::Column::Version)
            .filter(model_aliases::Column::Task.eq(task.as_str()))
            .into_tuple()
            .all(db)
            .await?;
        let mut gone = Vec::new();
        for &version in versions {
            if pointed_at.contains(&int(version)) {
                continue;
            }
            let deleted = models::Entity::delete_many()
                .filter(models::Entity::TENANT.eq(self.tx.id()))
                .filter(models::Column::Task.eq(task.as_str()))
                .filter(models::Column::Version.eq(int(version)))
                .exec(db)
                .await?;
            if deleted.rows_affected > 0 {
                gone.push(version);
            }
        }
        if gone.is_empty() {
            return Ok(gone);
        }
        trials::Entity::delete_many()
            .filter(trials::Entity::TENANT.eq(self.tx.id()))
            .filter(trials::Column::Task.eq(task.as_str()))
            .filter(trials::Column::Version.is_in(gone.iter().map(|version| int(*version))))
            .exec(db)
            .await?;
        model_scores::Entity::delete_many()
            .filter(model_scores::Entity::TENANT.eq(self.tx.id()))
            .filter(model_scores::Column::Task.eq(task.as_str()))
            .filter(model_scores::Column::Version.is_in(gone.iter().map(|version| int(*version))))
            .exec(db)
            .await?;
        self.drop_unnamed_inputs().await?;
        self.record_pruned(task, &gone, note).await?;
        self.tx.note(Change::Models);
        Ok(gone)
    }

    /// When this version was pruned, and why; none when it was not.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "models.pruned", skip_all)]
    pub async fn pruned(
        &self,
        task: &TaskId,
        version: u64,
    ) -> Result<Option<(DateTime<Utc>, String)>> {
        use model_events::Column;
        let db = self.tx.session().read().await?;
        let event = self
            .tx
            .find::<model_events::Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .filter(Column::Alias.eq(PRUNED))
            .filter(Column::FromVersion.eq(int(version)))
            .one(db)
            .await?;
        event
            .map(|event| Ok((time("model_events.at", event.at)?, event.reason)))
            .transpose()
    }

    async fn drop_unnamed_inputs(&self) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let lineages: Vec<JsonValue> = self
            .tx
            .find::<models::Entity>()
            .select_only()
            .column(models::Column::Lineage)
            .into_tuple()
            .all(db)
            .await?;
        let mut named = HashSet::new();
        for lineage in lineages {
            let lineage: Lineage = from_json("models.lineage", lineage)?;
            named.extend(lineage.parameter(INPUTS).map(str::to_owned));
        }
        let kept: Vec<String> = self
            .tx
            .find::<training_inputs::Entity>()
            .select_only()
            .column(training_inputs::Column::Hash)
            .into_tuple()
            .all(db)
            .await?;
        let unnamed: BTreeSet<String> = kept
            .into_iter()
            .filter(|hash| !named.contains(hash))
            .collect();
        if !unnamed.is_empty() {
            training_inputs::Entity::delete_many()
                .filter(training_inputs::Entity::TENANT.eq(self.tx.id()))
                .filter(training_inputs::Column::Hash.is_in(unnamed))
                .exec(db)
                .await?;
        }
        Ok(())
    }

    async fn record_pruned(&self, task: &TaskId, gone: &[u64], note: PruneNote<'_>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let first =
            counters::take(self.tx, tenant_counters::Column::ModelEvent, gone.len()).await?;
        for (sequence, version) in (first..).zip(gone) {
            let event = model_events::Model {
                tenant_id: self.tx.id().to_owned(),
                sequence,
                task: task.to_string(),
                alias: PRUNED.to_owned(),
                from_version: Some(int(*version)),
                to_version: None,
                cause: None,
                reason: storable(note.reason),
                actor: note.actor.to_owned(),
                at: micros(note.now),
            };
            model_events::Entity::insert(event.into_active_model())
                .exec_without_returning(db)
                .await?;
        }
        let event = audit::Event {
            tenant: Some(self.tx.id()),
            actor: note.actor,
            action: "models.prune",
            resource: &format!("tenants/{}/models/{task}", self.tx.tenant()),
            detail: &prune_detail(gone, note.reason),
        };
        audit::record(db, event, note.now).await
    }
}

/// Which versions went, for the audit trail.
pub(crate) fn prune_detail(gone: &[u64], reason: &str) -> String {
    let shown: Vec<String> = gone.iter().map(u64::to_string).collect();
    format!("versions {}: {reason}", shown.join(", "))
}
