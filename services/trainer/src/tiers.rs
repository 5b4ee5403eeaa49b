//! Training of the tiers above the tenants: from the signals of those that agree.

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{Clock, Lineage, ModelOwner, ModelVersion, TaskId, TenantId};
use jobs::specs::Trained;
use jobs::{JobFailure, JobHandler, JobWork, TrainTier};
use learning::{Ranker, SharedTrainingSample, TierKind, train_tier};
use metering::usage;
use registry::Owner;
use registry::inputs::PARENT_CHECKSUM;
use registry::publish::{Candidate, publish};
use registry::reproduce::{Remade, ReproductionBlocker};
use registry::resolve::ParentRanker;
use storage::{Purpose, SharedSignal, Store};

use crate::low_priority::run_low_priority;
use crate::trainer::{seed_of, trained};

/// Questions of all tenants together: what keeps memory bounded, however many tenants there are.
const QUESTIONS: usize = 60_000;
/// Fewer questions of a tenant say nothing.
const LEAST_QUESTIONS: usize = 20;
/// Who moves the champion when a tier's gate says so.
const ACTOR: &str = "trainer";

/// Trains the global ranker and those of verticals.
pub struct TierTrainer {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The clock.
    pub clock: Clock,
    /// The embedding space of the features.
    pub space: String,
    /// The build that trains, for the lineage.
    pub code_version: &'static str,
}

#[async_trait]
impl JobHandler<TrainTier> for TierTrainer {
    async fn run(&self, work: &JobWork, job: TrainTier) -> Result<Trained, JobFailure> {
        let TrainTier { owner, task, seed } = job;
        let of_tenant = || JobFailure::fail("a tenant's own models are trained by a retrain");
        let kind = kind_of(&owner).ok_or_else(of_tenant)?;
        let SharedSignals { tenants, hash } = self.collect(work, &owner, &task).await?;
        if tenants.len() < kind.least_tenants() {
            return Err(JobFailure::fail(format!(
                "{} tenants have a trained model and share what it learned; {} are needed",
                tenants.len(),
                kind.least_tenants()
            )));
        }
        // A vertical's ranker takes the place of the global one; a global one of the one before it.
        let platform = self.store.maintenance(Purpose::Training);
        let incumbent = ParentRanker::read(&platform.tiers(), &self.artifacts, None).await?;
        work.progress(0.5, "fitting and judging on left-out tenants");
        let seed = seed_of(seed);
        let ranker = incumbent.stored.ranker.clone();
        let counts = (tenants.len(), questions(&tenants));
        share_costs(&owner, &tenants);
        let fit = move || train_tier(kind, &tenants, &ranker, seed);
        let model = run_low_priority(fit).await?;
        work.proceed()?;
        work.progress(0.95, "storing the model");
        let candidate = Candidate {
            task,
            artifact: bytes_of(&model.ranker)?,
            extension: "json",
            lineage: self.lineage(seed, counts, hash, &incumbent),
            verdict: model.report.verdict,
            report: model.report.to_json(),
            reason: model.report.reason,
            held_by: None,
            inputs: None,
            trials: Vec::new(),
            signal: None,
        };
        let owner = Owner::Tier {
            owner,
            actor: ACTOR.to_owned(),
            platform,
        };
        let of = (&owner, &work.job.id);
        let now = self.clock.now();
        let published = publish(&self.store, &self.artifacts, of, candidate, now).await?;
        Ok(trained(published))
    }
}

/// What tenants share for a training.
struct SharedSignals {
    /// By tenant.
    tenants: Vec<(String, SharedTrainingSample)>,
    /// Over the checksums of the signals.
    hash: String,
}

/// What the training costs is the tenants' by how much each of them gives. It is marked as the tier's:
/// it says nothing about what a tenant's own model costs.
fn share_costs(owner: &ModelOwner, tenants: &[(String, SharedTrainingSample)]) {
    let Some(work) = usage::current() else { return };
    usage::served_by("", owner.tier());
    let shares = tenants.iter().filter_map(|(tenant, signal)| {
        let questions = signal.queries().len() as u64;
        Some((TenantId::parse(tenant.as_str()).ok()?, questions))
    });
    work.split_between(shares.collect());
}

/// A tier's ranker as it is stored.
fn bytes_of(ranker: &Ranker) -> Result<Vec<u8>, JobFailure> {
    serde_json::to_vec(ranker)
        .map_err(|_| JobFailure::fail("the ranker has no form to be stored in"))
}

fn kind_of(owner: &ModelOwner) -> Option<TierKind> {
    match owner {
        ModelOwner::Global => Some(TierKind::Global),
        ModelOwner::Vertical(_) => Some(TierKind::Vertical),
        ModelOwner::Tenant(_) => None,
    }
}

fn questions(tenants: &[(String, SharedTrainingSample)]) -> usize {
    tenants
        .iter()
        .map(|(_, signal)| signal.queries().len())
        .sum()
}

impl TierTrainer {
    /// The bytes of a tier's version, trained again from what its tenants give, as long as that is
    /// still the same.
    pub(crate) async fn remake(
        &self,
        work: &JobWork,
        model: &ModelVersion,
    ) -> Result<Remade, JobFailure> {
        let ModelVersion { name, lineage, .. } = model;
        if lineage.space != self.space {
            return Ok(Err(ReproductionBlocker::SpaceChanged));
        }
        let parent = lineage.parent.as_deref().and_then(|name| name.parse().ok());
        let (Some(kind), Some(parent)) = (kind_of(&name.owner), parent) else {
            return Ok(Err(ReproductionBlocker::LineageUnreadable));
        };
        if lineage.dataset_hash.is_empty() {
            return Ok(Err(ReproductionBlocker::LineageUnreadable));
        }
        let checksum = lineage.parameter(PARENT_CHECKSUM).unwrap_or_default();
        let tiers = self.store.maintenance(Purpose::Training).tiers();
        let found = ParentRanker::of_lineage(&tiers, &self.artifacts, &parent, checksum).await?;
        let Some(parent) = found else {
            return Ok(Err(ReproductionBlocker::ParentMissing));
        };
        let SharedSignals { tenants, hash } = self.collect(work, &name.owner, &name.task).await?;
        if hash != lineage.dataset_hash {
            return Ok(Err(ReproductionBlocker::SignalsChanged));
        }
        work.progress(0.5, "fitting");
        let seed = lineage.seed;
        let fit = move || train_tier(kind, &tenants, &parent.stored.ranker, seed);
        let made = run_low_priority(fit).await?;
        Ok(Ok(bytes_of(&made.ranker)?))
    }

    /// What the tenants of a tier give now.
    async fn collect(
        &self,
        work: &JobWork,
        owner: &ModelOwner,
        task: &TaskId,
    ) -> Result<SharedSignals, JobFailure> {
        work.progress(0.05, "collecting what tenants give");
        let vertical = match owner {
            ModelOwner::Vertical(vertical) => Some(vertical),
            ModelOwner::Global | ModelOwner::Tenant(_) => None,
        };
        let tiers = self.store.maintenance(Purpose::Training).tiers();
        let mut shared = tiers.shared_signals(task, vertical).await?;
        // Sorted here, because the databases compare texts by rules of their own.
        shared.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
        self.read(work, &shared).await
    }

    /// The signals, thinned so that all together are bounded. One that cannot be read is left out.
    async fn read(
        &self,
        work: &JobWork,
        shared: &[SharedSignal],
    ) -> Result<SharedSignals, JobFailure> {
        let most_tenants = QUESTIONS / LEAST_QUESTIONS;
        let step = shared.len().div_ceil(most_tenants).max(1);
        let chosen: Vec<_> = shared.iter().step_by(step).collect();
        let each = (QUESTIONS / chosen.len().max(1)).max(LEAST_QUESTIONS);
        let mut tenants = Vec::with_capacity(chosen.len());
        let mut checksums = Vec::with_capacity(chosen.len());
        for one in chosen {
            work.proceed()?;
            let found = &one.signal;
            let bytes = self
                .artifacts
                .get(&found.artifact_path, &found.checksum)
                .await;
            let signal = bytes
                .ok()
                .and_then(|bytes| SharedTrainingSample::from_bytes(&bytes).ok());
            match signal {
                Some(signal) if signal.queries().len() >= LEAST_QUESTIONS => {
                    tenants.push((one.tenant.to_string(), signal.thinned(each)));
                    checksums.push(found.checksum.as_str());
                }
                Some(_) => {}
                None => {
                    tracing::warn!(tenant = %one.tenant, "a signal cannot be used; retrain the tenant");
                }
            }
        }
        checksums.sort_unstable();
        let hash = blake3::hash(checksums.join("\n").as_bytes());
        Ok(SharedSignals {
            tenants,
            hash: hash.to_hex().to_string(),
        })
    }

    fn lineage(
        &self,
        seed: u64,
        (tenants, questions): (usize, usize),
        dataset_hash: String,
        parent: &ParentRanker,
    ) -> Lineage {
        Lineage {
            dataset: 0,
            dataset_hash,
            code_version: self.code_version.to_owned(),
            seed,
            space: self.space.clone(),
            parameters: vec![
                ("tenants".to_owned(), tenants.to_string()),
                ("questions".to_owned(), questions.to_string()),
                (PARENT_CHECKSUM.to_owned(), parent.checksum()),
            ],
            parent: Some(parent.name.to_string()),
        }
    }
}
