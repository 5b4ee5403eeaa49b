//! The models that may answer a tenant's requests: its own, its vertical's, the global one.

use std::time::Duration;

use artifacts::{ArtifactError, ArtifactStore};
use chrono::{DateTime, Utc};
use domain::cost::ValueVerdict;
use domain::{
    Alias, AliasMoveCause, Ask, Candidate, ErrorKind, Fault as _, ModelName, ModelOwner,
    ModelVersion, Route, RouteReason, RoutingMode, RoutingPolicy, Standing, TaskId, TenantContext,
    Tier, Unproven, Verdict, VerticalId, choose_worthy_route,
};
use learning::{Ranker, global_ranker};
use server::ServiceError;
use storage::{Store, TenantTx, TierModels};

use crate::considered::{Looked, considered};

/// Model versions looked at to tell whether the tenant was ever judged.
const VERSIONS: u32 = 20;

/// What of a tenant's chain is resident.
pub(crate) struct Chain {
    policy: RoutingPolicy,
    unproven: Unproven,
    /// Whether the tenant's own model is worth what it costs.
    worth: Option<ValueVerdict>,
    models: Vec<ChainModel>,
    /// No artifact was out of reach when it was read.
    whole: bool,
}

/// What tells a chain that is up to date from one that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainStamp {
    policy: Option<DateTime<Utc>>,
    champion: Option<u64>,
    challenger: Option<u64>,
    newest: Option<u64>,
    worth: Option<ValueVerdict>,
    tiers: TierChampions,
    /// What the store has is whole; a chain that could not be read whole is never up to date.
    whole: bool,
}

/// Why there is no model in an artifact.
pub(crate) struct Unusable {
    /// The artifact store did not answer: the next look may find it.
    pub passing: bool,
}

struct ChainModel {
    name: ModelName,
    standing: Standing,
    /// The space it was trained in, when that is one that the tenant has left.
    left_behind: Option<String>,
    /// None when the artifact is missing or damaged.
    ranker: Option<Ranker>,
}

/// The model of one request, ready to rank.
pub(crate) struct Chosen<'a> {
    pub route: Route,
    pub ranker: &'a Ranker,
    /// The challenger whose answer is kept beside it.
    pub shadow: Option<(&'a ModelName, &'a Ranker)>,
}

/// The versions that serve in the tiers above a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TierChampions {
    owners: [ModelOwner; 2],
    champions: [Option<u64>; 2],
}

/// The tenant's own part of a chain, as the store has it.
pub(crate) struct OwnChain {
    policy: RoutingPolicy,
    unproven: Unproven,
    worth: Option<ValueVerdict>,
    models: Vec<(ModelVersion, Standing)>,
}

impl TierChampions {
    /// What the store has now.
    pub(crate) async fn read(
        tiers: &TierModels,
        vertical: &VerticalId,
    ) -> Result<Self, ServiceError> {
        let task = TaskId::experts();
        let owners = [ModelOwner::Vertical(vertical.clone()), ModelOwner::Global];
        Ok(Self {
            champions: [
                tiers.champion(&owners[0], &task).await?,
                tiers.champion(&owners[1], &task).await?,
            ],
            owners,
        })
    }
}

impl OwnChain {
    /// Reads the policy and the versions it may want.
    pub(crate) async fn read(tx: &TenantTx) -> Result<Self, ServiceError> {
        let task = TaskId::experts();
        let kept = tx.routing().get(&task).await?;
        let policy = kept.map(|kept| kept.policy).unwrap_or_default();
        let versions = tx.models().list(Some(&task), None, VERSIONS).await?;
        Ok(Self {
            models: own(tx, &task, &versions, &policy).await?,
            unproven: unproven(tx, &task, &versions).await?,
            worth: worth(tx).await?,
            policy,
        })
    }
}

impl ChainStamp {
    /// What the store has now.
    pub(crate) async fn read(
        tx: &TenantTx,
        champions: &TierChampions,
    ) -> Result<Self, ServiceError> {
        let task = TaskId::experts();
        let models = tx.models();
        let newest = models.list(Some(&task), None, 1).await?;
        Ok(Self {
            policy: tx.routing().get(&task).await?.map(|kept| kept.updated_at),
            champion: models.alias(&task, Alias::Champion).await?,
            challenger: models.alias(&task, Alias::Challenger).await?,
            newest: newest.first().map(|model| model.name.version),
            worth: worth(tx).await?,
            tiers: champions.clone(),
            whole: true,
        })
    }

    /// Says of the chain that was read whether it is whole.
    pub(crate) fn note(&mut self, chain: &Chain) {
        self.whole = chain.whole;
    }
}

impl Chain {
    /// Adds the models of the tiers above to the tenant's own, and makes all of them resident. `space`
    /// is the tenant's active one: what the tenant's own were trained in, or they do not serve.
    pub(crate) async fn load(
        own: OwnChain,
        above: &TierChampions,
        tiers: &TierModels,
        artifacts: &ArtifactStore,
        space: &str,
    ) -> Result<Self, ServiceError> {
        let OwnChain {
            policy,
            unproven,
            worth,
            models: mut wanted,
        } = own;
        for (owner, champion) in above.owners.iter().zip(above.champions) {
            wanted.extend(of_tier(tiers, owner, champion, &policy).await?);
        }
        let mut models = Vec::with_capacity(wanted.len());
        let mut whole = true;
        for (model, standing) in wanted {
            let own = model.name.tier() == Tier::Tenant;
            let elsewhere = own && model.lineage.space != space;
            let loaded = load_ranker(artifacts, &model.artifact_path, &model.checksum).await;
            whole &= !matches!(loaded, Err(Unusable { passing: true }));
            models.push(ChainModel {
                left_behind: elsewhere.then_some(model.lineage.space),
                ranker: loaded.ok(),
                name: model.name,
                standing,
            });
        }
        Ok(Self {
            policy,
            unproven,
            worth,
            models,
            whole,
        })
    }

    /// Whether everything goes to the built-in model.
    pub(crate) fn is_killed(&self) -> bool {
        self.policy.kill_switch
    }

    /// The model for one request, and why.
    pub(crate) fn choose(&self, ask: Ask) -> Chosen<'_> {
        let candidates: Vec<Candidate> = self
            .models
            .iter()
            .map(|model| Candidate {
                model: model.name.clone(),
                standing: model.standing,
                healthy: model.ranker.is_some() && model.left_behind.is_none(),
                // All of them need the question's embedding: when that is late, so are they.
                expected: Duration::from_nanos(1),
            })
            .collect();
        let built_in = built_in(&TaskId::experts());
        let (policy, unproven) = (&self.policy, self.unproven);
        let route = choose_worthy_route(policy, ask, &candidates, unproven, &built_in, self.worth)
            .explaining(|name| {
                self.is_left_behind(name)
                    .then_some(RouteReason::SpaceChanged)
            });
        let ranker = match self.ranker(&route.model) {
            Some((_, ranker)) => ranker,
            None => global_ranker(),
        };
        let shadow = route.shadow.as_ref().and_then(|name| self.ranker(name));
        Chosen {
            ranker,
            shadow,
            route,
        }
    }

    fn is_left_behind(&self, name: &ModelName) -> bool {
        let left = |model: &ChainModel| model.name == *name && model.left_behind.is_some();
        self.models.iter().any(left)
    }

    fn ranker(&self, name: &ModelName) -> Option<(&ModelName, &Ranker)> {
        let found = self.models.iter().find(|model| model.name == *name)?;
        Some((&found.name, found.ranker.as_ref()?))
    }

    /// What routing looks at, in words.
    pub(crate) fn considered(&self) -> Vec<String> {
        let models = self.models.iter().map(|model| Looked {
            name: &model.name,
            standing: model.standing,
            left_behind: model.left_behind.as_deref(),
            changed: false,
            usable: model.ranker.is_some(),
        });
        let built_in = built_in(&TaskId::experts());
        considered(&self.policy, models, self.worth, self.unproven, &built_in)
    }
}

/// The versions of the tenant's own that the policy may want.
pub(crate) async fn own(
    tx: &TenantTx,
    task: &TaskId,
    versions: &[ModelVersion],
    policy: &RoutingPolicy,
) -> Result<Vec<(ModelVersion, Standing)>, ServiceError> {
    let models = tx.models();
    let champion = models.alias(task, Alias::Champion).await?;
    let challenger = models.alias(task, Alias::Challenger).await?;
    let pinned = match &policy.mode {
        RoutingMode::PinnedVersion(name) if name.tier() == Tier::Tenant => Some(name.version),
        RoutingMode::PinnedTier(Tier::Tenant) => versions.first().map(|m| m.name.version),
        _ => None,
    };
    let mut wanted: Vec<(ModelVersion, Standing)> = Vec::new();
    for (version, standing) in [
        (champion, Standing::Champion),
        (challenger, Standing::Challenger),
        (pinned, Standing::Kept),
    ] {
        let Some(version) = version else { continue };
        if wanted
            .iter()
            .any(|(model, _)| model.name.version == version)
        {
            continue;
        }
        if let Some(model) = models.get(task, version).await? {
            wanted.push((model, standing));
        }
    }
    Ok(wanted)
}

/// The versions of a tier above that the policy may want.
async fn of_tier(
    tiers: &TierModels,
    owner: &ModelOwner,
    champion: Option<u64>,
    policy: &RoutingPolicy,
) -> Result<Vec<(ModelVersion, Standing)>, ServiceError> {
    let name = |version| ModelName {
        owner: owner.clone(),
        task: TaskId::experts(),
        version,
    };
    let champion = champion.map(name);
    let pinned = match &policy.mode {
        RoutingMode::PinnedVersion(pinned) if pinned.owner == *owner => Some(pinned.clone()),
        // Proven or not, as at a tenant's own.
        RoutingMode::PinnedTier(tier) if *tier == owner.tier() && champion.is_none() => {
            let newest = tiers.list(owner, &TaskId::experts(), None, 1).await?;
            newest.into_iter().next().map(|model| model.name)
        }
        _ => None,
    };
    let mut wanted = Vec::new();
    for (name, standing) in [(champion, Standing::Champion), (pinned, Standing::Kept)] {
        let Some(name) = name else { continue };
        let known = |(model, _): &(ModelVersion, Standing)| model.name == name;
        if !wanted.iter().any(known)
            && let Some(model) = tiers.get(&name).await?
        {
            wanted.push((model, standing));
        }
    }
    Ok(wanted)
}

/// The newest verdict on what the tenant's own model earns and costs.
async fn worth(tx: &TenantTx) -> Result<Option<ValueVerdict>, ServiceError> {
    let kept = tx.values().newest().await?;
    Ok(kept.map(|kept| kept.verdict))
}

/// Why the tenant has no champion, if it has none.
pub(crate) async fn unproven(
    tx: &TenantTx,
    task: &TaskId,
    versions: &[ModelVersion],
) -> Result<Unproven, ServiceError> {
    let events = tx.models().events(task, Some(Alias::Champion), 1).await?;
    let newest = versions.first().map(|model| model.created_at);
    let last = events.first();
    // A version that was weighed after the champion went is what counts.
    let gone =
        last.filter(|event| event.to.is_none() && newest.is_none_or(|made| made <= event.at));
    if let Some(event) = gone {
        match event.cause {
            AliasMoveCause::RolledBackByAdmin => return Ok(Unproven::RolledBack),
            AliasMoveCause::SteppedBack => return Ok(Unproven::SteppedBack),
            _ => {}
        }
    }
    let judged = |model: &ModelVersion| model.verdict != Verdict::InsufficientData;
    Ok(match versions.iter().any(judged) {
        true => Unproven::NotProven,
        false => Unproven::NotEnoughData,
    })
}

/// What ships with the code: for `experts` the global ranker, for other tasks the methods without training.
pub(crate) fn built_in(task: &TaskId) -> ModelName {
    ModelName {
        owner: ModelOwner::Global,
        task: task.clone(),
        version: 0,
    }
}

/// The ranker of a model that is asked for by name: of the tenant's own chain, or it is not found.
pub(crate) async fn ranker_of(
    store: &Store,
    artifacts: &ArtifactStore,
    ctx: &TenantContext,
    name: &ModelName,
) -> Result<Ranker, ServiceError> {
    if *name == built_in(&TaskId::experts()) {
        return Ok(global_ranker().clone());
    }
    let found = find(store, ctx, name).await?;
    let model = found.ok_or_else(|| ServiceError::not_found(name))?;
    load_ranker(artifacts, &model.artifact_path, &model.checksum)
        .await
        .map_err(|_| {
            let message = format!("the artifact of {name} cannot be used");
            ServiceError::new(ErrorKind::FailedPrecondition, "ARTIFACT_UNUSABLE", message)
        })
}

/// A version of the tenant's own chain. Those of other tenants and verticals are not found.
pub(crate) async fn find(
    store: &Store,
    ctx: &TenantContext,
    name: &ModelName,
) -> Result<Option<ModelVersion>, ServiceError> {
    Ok(match &name.owner {
        ModelOwner::Tenant(tenant) if tenant == ctx.tenant() => {
            let tx = store.begin(ctx).await?;
            tx.models().get(&name.task, name.version).await?
        }
        ModelOwner::Tenant(_) => None,
        ModelOwner::Global | ModelOwner::Vertical(_) => {
            store.shared_with(ctx).await?.tiers().get(name).await?
        }
    })
}

/// The ranker in an artifact; one that cannot be used leaves a line in the log.
async fn load_ranker(
    artifacts: &ArtifactStore,
    path: &str,
    checksum: &str,
) -> Result<Ranker, Unusable> {
    let bytes = artifacts.get(path, checksum).await.map_err(|error| {
        tracing::error!(%error, path, "a model cannot be used; the tier above serves");
        Unusable::of(&error)
    })?;
    let ranker = serde_json::from_slice::<Ranker>(&bytes)
        .ok()
        .filter(Ranker::is_sound);
    if ranker.is_none() {
        tracing::error!(
            path,
            "a model was made for other features; the tier above serves"
        );
    }
    ranker.ok_or(Unusable { passing: false })
}

impl Unusable {
    /// Why an artifact could not be read.
    pub(crate) fn of(error: &ArtifactError) -> Self {
        Self {
            passing: error.kind() == ErrorKind::Unavailable,
        }
    }
}
