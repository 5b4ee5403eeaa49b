//! Pruning of the versions of tiers.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Change, Lineage, ModelName, ModelOwner, RoutingMode, RoutingPolicy, TaskId};
use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseTransaction, EntityTrait, JsonValue, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::Tiers;
use crate::convert::{count, from_json, int, micros, parsed, storable, time};
use crate::rows::{routing_policies, tier_champions, tier_events, tier_models};
use crate::tenant::audit::{Event, record};
use crate::tenant::prune::{PRUNED, prune_detail};
use crate::{PruneNote, Result, VersionSummary};

impl Tiers {
    /// All versions of all tiers, by owner, task and number.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.summaries", skip_all)]
    pub async fn summaries(&self) -> Result<BTreeMap<ModelOwner, Vec<VersionSummary>>> {
        use tier_models::Column;
        type Row = (String, String, i64, i64, String, i64);
        let session = self.platform.session();
        let rows: Vec<Row> = tier_models::Entity::find()
            .select_only()
            .columns([
                Column::Owner,
                Column::Task,
                Column::Version,
                Column::CreatedAt,
                Column::ArtifactPath,
                Column::Size,
            ])
            .order_by_asc(Column::Version)
            .into_tuple()
            .all(session.read().await?)
            .await?;
        let mut summaries: BTreeMap<ModelOwner, Vec<VersionSummary>> = BTreeMap::new();
        for (owner, task, version, made, artifact_path, size) in rows {
            let owner = parsed("tier_models.owner", || ModelOwner::parse(&owner))?;
            summaries.entry(owner).or_default().push(VersionSummary {
                task: parsed("tier_models.task", || TaskId::parse(task))?,
                version: count(version),
                created_at: time("tier_models.created_at", made)?,
                artifact_path,
                size: count(size),
            });
        }
        Ok(summaries)
    }

    /// The versions of tiers that something outside of their tier needs: those that tenants' policies
    /// pin, and those that other versions of tiers were made from.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.needed", skip_all)]
    pub async fn needed(&self) -> Result<BTreeSet<ModelName>> {
        let session = self.platform.session();
        let db = session.read().await?;
        let mut needed = BTreeSet::new();
        let policies: Vec<JsonValue> = routing_policies::Entity::find()
            .select_only()
            .column(routing_policies::Column::Policy)
            .into_tuple()
            .all(db)
            .await?;
        for policy in policies {
            let policy: RoutingPolicy = from_json("routing_policies.policy", policy)?;
            if let RoutingMode::PinnedVersion(name) = policy.mode {
                needed.insert(name);
            }
        }
        let lineages: Vec<JsonValue> = tier_models::Entity::find()
            .select_only()
            .column(tier_models::Column::Lineage)
            .into_tuple()
            .all(db)
            .await?;
        for lineage in lineages {
            let lineage: Lineage = from_json("tier_models.lineage", lineage)?;
            needed.extend(lineage.parent.and_then(|parent| parent.parse().ok()));
        }
        Ok(needed)
    }

    /// Deletes versions of a tier and records it, in the tier's events and in the audit trail. The
    /// champion stays, whatever the caller says. Returns the versions that went. Their files are the
    /// caller's.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.prune", skip_all)]
    pub async fn prune(
        &self,
        owner: &ModelOwner,
        task: &TaskId,
        versions: &[u64],
        note: PruneNote<'_>,
    ) -> Result<Vec<u64>> {
        let session = self.platform.session();
        let db = session.write().await?;
        let key = (owner.to_string(), task.to_string());
        let champion = tier_champions::Entity::find_by_id(key).one(db).await?;
        let champion = champion.map(|row| count(row.version));
        let mut gone = Vec::new();
        for &version in versions {
            if champion == Some(version) {
                continue;
            }
            let key = (owner.to_string(), task.to_string(), int(version));
            let deleted = tier_models::Entity::delete_by_id(key).exec(db).await?;
            if deleted.rows_affected > 0 {
                gone.push(version);
            }
        }
        if gone.is_empty() {
            return Ok(gone);
        }
        record_pruned(db, (owner, task), &gone, note).await?;
        session.note(Change::Tiers);
        session.commit().await?;
        Ok(gone)
    }

    /// When this version was pruned, and why; none when it was not.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tiers.pruned", skip_all)]
    pub async fn pruned(
        &self,
        name: &ModelName,
    ) -> Result<Option<(chrono::DateTime<chrono::Utc>, String)>> {
        use tier_events::Column;
        let session = self.platform.session();
        let event = tier_events::Entity::find()
            .filter(Column::Owner.eq(name.owner.to_string()))
            .filter(Column::Task.eq(name.task.as_str()))
            .filter(Column::Alias.eq(PRUNED))
            .filter(Column::FromVersion.eq(int(name.version)))
            .one(session.read().await?)
            .await?;
        event
            .map(|event| Ok((time("tier_events.at", event.at)?, event.reason)))
            .transpose()
    }
}

async fn record_pruned(
    db: &DatabaseTransaction,
    (owner, task): (&ModelOwner, &TaskId),
    gone: &[u64],
    note: PruneNote<'_>,
) -> Result<()> {
    for version in gone {
        let event = tier_events::ActiveModel {
            sequence: ActiveValue::NotSet,
            owner: ActiveValue::Set(owner.to_string()),
            task: ActiveValue::Set(task.to_string()),
            from_version: ActiveValue::Set(Some(int(*version))),
            to_version: ActiveValue::Set(None),
            cause: ActiveValue::Set(None),
            reason: ActiveValue::Set(storable(note.reason)),
            actor: ActiveValue::Set(note.actor.to_owned()),
            at: ActiveValue::Set(micros(note.now)),
            alias: ActiveValue::Set(PRUNED.to_owned()),
        };
        tier_events::Entity::insert(event)
            .exec_without_returning(db)
            .await?;
    }
    let event = Event {
        tenant: None,
        actor: note.actor,
        action: "models.prune",
        resource: &format!("{owner}/models/{task}"),
        detail: &prune_detail(gone, note.reason),
    };
    record(db, event, note.now).await
}
