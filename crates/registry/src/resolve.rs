//! Resolving: which versions may serve a tenant's task, from its own to the built-in model.

use artifacts::ArtifactStore;
use chrono::{DateTime, Utc};
use domain::{
    Alias, AliasMoveCause, ErrorKind, Fault as _, ModelName, ModelOwner, ModelRole, ModelVersion,
    NoChampionReason, RoutingMode, RoutingPolicy, TaskId, TenantContext, Tier, Verdict, VerticalId,
};
use learning::classification::LinearClassifier;
use learning::{GLOBAL_RANKER, Ranker, global_ranker};
use storage::{Store, TenantTx, TierModels};

use crate::load::{StoredRanker, Unusable, load_head, load_ranker};
use crate::{RegistryError, Result};

/// Versions looked at to tell whether the tenant was ever judged.
const VERSIONS: u32 = 20;

/// The name of the model that ships with the code: for `experts` the global ranker, for other tasks
/// the baselines, which need no training.
#[must_use]
pub fn builtin_model(task: &TaskId) -> ModelName {
    ModelName {
        owner: ModelOwner::Global,
        task: task.clone(),
        version: 0,
    }
}

/// The tiers above a tenant, the nearest first, each with the version that serves in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierChampions {
    task: TaskId,
    tiers: Vec<(ModelOwner, Option<u64>)>,
}

impl TierChampions {
    /// What the store has now, above a tenant of `vertical`; without one, what all tenants share.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(
        tiers: &TierModels,
        vertical: Option<&VerticalId>,
        task: &TaskId,
    ) -> Result<Self> {
        let vertical = vertical.cloned().map(ModelOwner::Vertical);
        let owners: Vec<ModelOwner> = vertical.into_iter().chain([ModelOwner::Global]).collect();
        let champions = tiers.champions(&owners, task).await?;
        Ok(Self {
            task: task.clone(),
            tiers: owners.into_iter().zip(champions).collect(),
        })
    }

    /// The models that serve, the nearest first; without the built-in one.
    pub fn names(&self) -> impl Iterator<Item = ModelName> {
        let serving = self.tiers.iter();
        serving.filter_map(|(owner, champion)| Some(self.name(owner, (*champion)?)))
    }

    /// The versions that a policy may want, the nearest tier's first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn models(
        &self,
        tiers: &TierModels,
        policy: &RoutingPolicy,
    ) -> Result<Vec<(ModelVersion, ModelRole)>> {
        let mut models = Vec::new();
        for (owner, champion) in &self.tiers {
            let champion = champion.map(|version| self.name(owner, version));
            let pinned = match &policy.mode {
                RoutingMode::PinnedVersion(pinned) if pinned.owner == *owner => {
                    Some(pinned.clone())
                }
                // Proven or not, as at a tenant's own.
                RoutingMode::PinnedTier(tier) if *tier == owner.tier() && champion.is_none() => {
                    let newest = tiers.list(owner, &self.task, None, 1).await?;
                    newest.into_iter().next().map(|model| model.name)
                }
                _ => None,
            };
            let pinned = pinned.filter(|pinned| champion.as_ref() != Some(pinned));
            for (name, role) in [
                (champion, ModelRole::Champion),
                (pinned, ModelRole::Unaliased),
            ] {
                let Some(name) = name else { continue };
                if let Some(model) = tiers.get(&name).await? {
                    models.push((model, role));
                }
            }
        }
        Ok(models)
    }

    fn name(&self, owner: &ModelOwner, version: u64) -> ModelName {
        ModelName {
            owner: owner.clone(),
            task: self.task.clone(),
            version,
        }
    }
}

/// The tenant's own part of the chain of models that may serve a task.
#[derive(Debug, Clone)]
pub struct OwnModels {
    /// How the tenant's requests are routed.
    pub policy: RoutingPolicy,
    /// The versions that the policy may want.
    pub models: Vec<(ModelVersion, ModelRole)>,
    /// Why there is no champion, where there is none.
    pub no_champion: NoChampionReason,
    /// The newest versions, newest first, whether something wants them or not.
    pub newest: Vec<ModelVersion>,
}

impl OwnModels {
    /// What the store has now.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(tx: &TenantTx, task: &TaskId) -> Result<Self> {
        let kept = tx.routing().get(task).await?;
        let policy = kept.map(|kept| kept.policy).unwrap_or_default();
        let newest = tx.models().list(Some(task), None, VERSIONS).await?;
        Ok(Self {
            models: wanted(tx, task, &newest, &policy).await?,
            no_champion: no_champion(tx, task, &newest).await?,
            policy,
            newest,
        })
    }
}

/// The versions of the tenant's own that the policy may want.
async fn wanted(
    tx: &TenantTx,
    task: &TaskId,
    newest: &[ModelVersion],
    policy: &RoutingPolicy,
) -> Result<Vec<(ModelVersion, ModelRole)>> {
    let models = tx.models();
    let pinned = match &policy.mode {
        RoutingMode::PinnedVersion(name) if name.tier() == Tier::Tenant => Some(name.version),
        RoutingMode::PinnedTier(Tier::Tenant) => newest.first().map(|model| model.name.version),
        _ => None,
    };
    let mut wanted: Vec<(ModelVersion, ModelRole)> = Vec::new();
    for (version, role) in [
        (
            models.alias(task, Alias::Champion).await?,
            ModelRole::Champion,
        ),
        (
            models.alias(task, Alias::Challenger).await?,
            ModelRole::Challenger,
        ),
        (pinned, ModelRole::Unaliased),
    ] {
        let Some(version) = version else { continue };
        let known = |(model, _): &(ModelVersion, ModelRole)| model.name.version == version;
        if !wanted.iter().any(known)
            && let Some(model) = models.get(task, version).await?
        {
            wanted.push((model, role));
        }
    }
    Ok(wanted)
}

/// Why the tenant has no champion, if it has none.
async fn no_champion(
    tx: &TenantTx,
    task: &TaskId,
    newest: &[ModelVersion],
) -> Result<NoChampionReason> {
    let events = tx.models().events(task, Some(Alias::Champion), 1).await?;
    let made = newest.first().map(|model| model.created_at);
    // A version that was weighed after the champion went is what counts.
    let gone = events
        .first()
        .filter(|event| event.to.is_none() && made.is_none_or(|made| made <= event.at));
    if let Some(event) = gone {
        match event.cause {
            AliasMoveCause::RolledBackByAdmin => return Ok(NoChampionReason::RolledBack),
            AliasMoveCause::SteppedBack => return Ok(NoChampionReason::SteppedBack),
            _ => {}
        }
    }
    let judged = |model: &ModelVersion| model.verdict != Verdict::InsufficientData;
    Ok(match newest.iter().any(judged) {
        true => NoChampionReason::NotProven,
        false => NoChampionReason::NotEnoughData,
    })
}

/// A version of the tenant's own chain, by its name. Those of other tenants and verticals are not
/// found.
///
/// # Errors
/// [`RegistryError::NotFound`]; the store fails.
pub async fn model_of_chain(
    store: &Store,
    ctx: &TenantContext,
    name: &ModelName,
) -> Result<ModelVersion> {
    let found = match &name.owner {
        ModelOwner::Tenant(tenant) if tenant == ctx.tenant() => {
            let tx = store.begin(ctx).await?;
            tx.models().get(&name.task, name.version).await?
        }
        ModelOwner::Tenant(_) => None,
        ModelOwner::Global | ModelOwner::Vertical(_) => {
            store.shared_with(ctx).await?.tiers().get(name).await?
        }
    };
    found.ok_or_else(|| RegistryError::NotFound(name.clone()))
}

/// The ranker of a model of the tenant's own chain, by its name; the built-in one is of every chain.
///
/// # Errors
/// [`RegistryError::NotFound`]; [`RegistryError::Unusable`]; the store fails.
pub async fn ranker_of_chain(
    store: &Store,
    artifacts: &ArtifactStore,
    ctx: &TenantContext,
    name: &ModelName,
) -> Result<Ranker> {
    if *name == builtin_model(&TaskId::experts()) {
        return Ok(global_ranker().clone());
    }
    let model = model_of_chain(store, ctx, name).await?;
    let loaded = load_ranker(artifacts, &model).await;
    Ok(loaded.map_err(|why| unusable(name, why))?.ranker)
}

/// The head of a version of the tenant's own for a task, by its name, and the space that it was
/// trained in.
///
/// # Errors
/// [`RegistryError::NotFound`]; [`RegistryError::Unusable`]; the store fails.
pub async fn head_of_chain(
    store: &Store,
    artifacts: &ArtifactStore,
    ctx: &TenantContext,
    (task, name): (&TaskId, &ModelName),
) -> Result<(LinearClassifier, String)> {
    if name.tier() != Tier::Tenant || name.task != *task {
        return Err(RegistryError::NotFound(name.clone()));
    }
    let model = model_of_chain(store, ctx, name).await?;
    let loaded = load_head(artifacts, &model).await;
    let head = loaded.map_err(|why| unusable(name, why))?;
    Ok((head, model.lineage.space))
}

fn unusable(name: &ModelName, why: Unusable) -> RegistryError {
    RegistryError::Unusable {
        model: name.clone(),
        why,
    }
}

/// The ranker that serves above a tenant, by its name.
#[derive(Debug, Clone)]
pub struct ParentRanker {
    /// Its name.
    pub name: ModelName,
    /// The ranker with its artifact.
    pub stored: StoredRanker,
}

impl ParentRanker {
    /// The one that ships with the code.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            name: builtin_model(&TaskId::experts()),
            stored: StoredRanker {
                ranker: global_ranker().clone(),
                artifact: GLOBAL_RANKER.to_owned(),
            },
        }
    }

    /// The ranker that serves where the tenants of `vertical` (none: all tenants) have none of their
    /// own. A damaged artifact is passed over: the next tier's serves.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(
        tiers: &TierModels,
        artifacts: &ArtifactStore,
        vertical: Option<&VerticalId>,
    ) -> Result<Self> {
        let champions = TierChampions::read(tiers, vertical, &TaskId::experts()).await?;
        for name in champions.names() {
            if let Some(model) = tiers.get(&name).await?
                && let Ok(stored) = load_ranker(artifacts, &model).await
            {
                return Ok(Self { name, stored });
            }
        }
        Ok(Self::builtin())
    }

    /// The ranker that a version was trained towards, when its bytes still have this checksum.
    ///
    /// # Errors
    /// The store fails.
    pub async fn of_lineage(
        tiers: &TierModels,
        artifacts: &ArtifactStore,
        name: &ModelName,
        checksum: &str,
    ) -> Result<Option<Self>> {
        let builtin = Self::builtin();
        if *name == builtin.name {
            return Ok((builtin.checksum() == checksum).then_some(builtin));
        }
        let model = tiers.get(name).await?;
        let Some(model) = model.filter(|model| model.checksum == checksum) else {
            return Ok(None);
        };
        let loaded = load_ranker(artifacts, &model).await;
        Ok(loaded.ok().map(|stored| Self {
            name: model.name,
            stored,
        }))
    }

    /// The SHA-256 of its artifact, for the lineage of what is trained towards it.
    #[must_use]
    pub fn checksum(&self) -> String {
        artifacts::checksum(self.stored.artifact.as_bytes())
    }
}

/// The version that serves, with its ranker.
#[derive(Debug, Clone)]
pub struct ChampionRanker {
    /// Its name.
    pub name: ModelName,
    /// The ranker.
    pub ranker: Ranker,
    /// What was ingested later was not known to it.
    pub known_until: DateTime<Utc>,
}

impl ChampionRanker {
    /// The tenant's champion; none where no version serves, its artifact cannot be used, or it is of
    /// another space than `space`.
    ///
    /// # Errors
    /// The store fails, or the artifact store does not answer.
    pub async fn read(
        store: &Store,
        artifacts: &ArtifactStore,
        ctx: &TenantContext,
        space: &str,
    ) -> Result<Option<Self>> {
        let (task, tx) = (TaskId::experts(), store.begin(ctx).await?);
        let Some(version) = tx.models().alias(&task, Alias::Champion).await? else {
            return Ok(None);
        };
        let found = tx.models().get(&task, version).await?;
        let Some(model) = found.filter(|model| model.lineage.space == space) else {
            return Ok(None);
        };
        let known_until = trained_until(&tx, &model).await?;
        drop(tx);
        match load_ranker(artifacts, &model).await {
            Ok(stored) => Ok(Some(Self {
                name: model.name,
                ranker: stored.ranker,
                known_until,
            })),
            Err(Unusable::Artifact(error)) if error.kind() == ErrorKind::Unavailable => {
                Err(error.into())
            }
            Err(_) => Ok(None),
        }
    }
}

/// When the items that a version learned from were known: what is ingested or answered later is new to
/// it, whenever it happened.
///
/// # Errors
/// The store fails.
pub async fn trained_until(tx: &TenantTx, model: &ModelVersion) -> Result<DateTime<Utc>> {
    let dataset = tx.datasets().get(model.lineage.dataset).await?;
    Ok(dataset.map_or(model.created_at, |dataset| dataset.created_at))
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
