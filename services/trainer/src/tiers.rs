//! Training of the tiers above the tenants: from the signals of those that agree.

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{JobKind, Lineage, ModelOwner, Verdict};
use learning::{Signal, TierKind, TierModel, train_tier};
use server::Clock;
use storage::{JobFailure, JobRunner, JobWork, NewModel, Outcome, SharedSignal, Store, TierMove};

use crate::above::{Above, above};
use crate::commands::TierPayload;
use crate::trainer::{DEFAULT_SEED, retry};
use crate::yielding::yielding;

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
    pub space: &'static str,
}

#[async_trait]
impl JobRunner for TierTrainer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::TrainTier]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let unreadable = || JobFailure::Fail("the job cannot be read; start it again".to_owned());
        let payload: TierPayload =
            serde_json::from_value(work.payload.clone()).map_err(|_| unreadable())?;
        let owner = ModelOwner::parse(&payload.owner).map_err(|_| unreadable())?;
        let (kind, vertical) = match &owner {
            ModelOwner::Global => (TierKind::Global, None),
            ModelOwner::Vertical(vertical) => (TierKind::Vertical, Some(vertical)),
            ModelOwner::Tenant(_) => return Err(unreadable()),
        };
        work.progress(0.05, "collecting what tenants give");
        let tiers = self.store.platform().tiers();
        let shared = tiers.shared_signals(&payload.task, vertical).await;
        let tenants = self.read(work, &shared.map_err(retry)?).await?;
        if tenants.len() < kind.least_tenants() {
            return Err(JobFailure::Fail(format!(
                "{} tenants have a trained model and share what it learned; {} are needed",
                tenants.len(),
                kind.least_tenants()
            )));
        }
        // A vertical's ranker takes the place of the global one; a global one of the one before it.
        let incumbent = above(&self.store, &self.artifacts, None)
            .await
            .map_err(retry)?;
        work.progress(0.5, "fitting and judging on left-out tenants");
        let seed = match payload.seed {
            0 => DEFAULT_SEED,
            seed => seed,
        };
        let ranker = incumbent.ranker.clone();
        let counts = (tenants.len(), questions(&tenants));
        let fit = move || train_tier(kind, &tenants, &ranker, seed);
        let model = yielding(fit).await.map_err(retry)?;
        work.progress(0.95, "storing the model");
        let lineage = self.lineage(seed, counts, &incumbent);
        self.register(&owner, &payload, model, lineage).await
    }
}

fn questions(tenants: &[(String, Signal)]) -> usize {
    tenants
        .iter()
        .map(|(_, signal)| signal.queries().len())
        .sum()
}

impl TierTrainer {
    /// The signals, thinned so that all together are bounded. One that cannot be read is left out.
    async fn read(
        &self,
        work: &JobWork,
        shared: &[SharedSignal],
    ) -> Result<Vec<(String, Signal)>, JobFailure> {
        let most_tenants = QUESTIONS / LEAST_QUESTIONS;
        let step = shared.len().div_ceil(most_tenants).max(1);
        let chosen: Vec<_> = shared.iter().step_by(step).collect();
        let each = (QUESTIONS / chosen.len().max(1)).max(LEAST_QUESTIONS);
        let mut tenants = Vec::with_capacity(chosen.len());
        for one in chosen {
            if work.should_stop() {
                return Err(JobFailure::Cancelled);
            }
            let found = &one.signal;
            let bytes = self
                .artifacts
                .get(&found.artifact_path, &found.checksum)
                .await;
            let signal = bytes.ok().and_then(|bytes| Signal::from_bytes(&bytes).ok());
            match signal {
                Some(signal) if signal.queries().len() >= LEAST_QUESTIONS => {
                    tenants.push((one.tenant.to_string(), signal.thinned(each)));
                }
                Some(_) => {}
                None => {
                    tracing::warn!(tenant = %one.tenant, "a signal cannot be used; retrain the tenant");
                }
            }
        }
        Ok(tenants)
    }

    fn lineage(&self, seed: u64, (tenants, questions): (usize, usize), parent: &Above) -> Lineage {
        Lineage {
            dataset: 0,
            dataset_hash: String::new(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            space: self.space.to_owned(),
            parameters: vec![
                ("tenants".to_owned(), tenants.to_string()),
                ("questions".to_owned(), questions.to_string()),
            ],
            parent: Some(parent.name.to_string()),
        }
    }

    async fn register(
        &self,
        owner: &ModelOwner,
        payload: &TierPayload,
        model: TierModel,
        lineage: Lineage,
    ) -> Result<Outcome, JobFailure> {
        let bytes = serde_json::to_vec(&model.ranker).map_err(retry)?;
        let digest = blake3::hash(&bytes).to_hex();
        let path = format!("{owner}/models/{}-{}.json", payload.task, &digest[..16]);
        let stored = self
            .artifacts
            .put(&path, bytes.into())
            .await
            .map_err(retry)?;
        let verdict = model.report.verdict;
        let new = NewModel {
            task: payload.task.clone(),
            version: 0,
            artifact_path: path,
            checksum: stored.checksum,
            size: stored.size,
            lineage,
            verdict,
            report: model.report.to_json(),
        };
        let by = TierMove {
            reason: &model.report.reason,
            actor: ACTOR,
            now: self.clock.now(),
        };
        let promote = verdict == Verdict::Promote;
        let tiers = self.store.platform().tiers();
        let kept = tiers
            .register(owner, new, promote, by)
            .await
            .map_err(retry)?;
        tracing::info!(model = %kept.name, verdict = verdict.as_str(), "trained a tier");
        Ok(vec![
            ("model".to_owned(), kept.name.to_string()),
            ("verdict".to_owned(), verdict.as_str().to_owned()),
            ("reason".to_owned(), model.report.reason.clone()),
            ("serves".to_owned(), promote.to_string()),
        ])
    }
}
