//! Jobs that prune models, and forget what only grows.

use std::time::Duration;

use artifacts::ArtifactStore;
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{Clock, JobKind, ModelOwner, ModelRetention, TenantContext};
use registry::prune::{PrunePayload, Pruned, Retention, prune_job};
use server::config::RetentionSection;
use storage::{JobFailure, JobRunner, JobWork, Outcome, Purpose, Store};
use tokio_util::sync::CancellationToken;

use crate::trainer::retry;

/// Who prunes.
const ACTOR: &str = "trainer";
/// Versions named in a job's outcome.
const NAMED: usize = 50;

/// Prunes models, and forgets what only grows.
pub struct Pruner {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The clock.
    pub clock: Clock,
    /// What is kept.
    pub retention: RetentionSection,
}

#[async_trait]
impl JobRunner for Pruner {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::PruneModels]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let unreadable = || JobFailure::Fail("the job cannot be read; start it again".to_owned());
        let payload: PrunePayload =
            serde_json::from_value(work.payload.clone()).map_err(|_| unreadable())?;
        work.progress(0.1, "looking at versions");
        let pruner = self.pruner();
        if let Some(tenant) = &work.job.tenant {
            let ctx = TenantContext::for_background_work(tenant, ACTOR);
            let pruned = pruner.tenant(&ctx, &payload).await.map_err(retry)?;
            return Ok(outcome(&pruned, payload.dry_run));
        }
        let owner = payload.owner.as_deref().map(ModelOwner::parse);
        let owner = owner.transpose().map_err(|_| unreadable())?;
        let pruned = pruner.tiers(owner.as_ref(), &payload).await;
        let mut outcome = outcome(&pruned.map_err(retry)?, payload.dry_run);
        if owner.is_none() && !payload.dry_run {
            work.progress(0.5, "forgetting old answers and jobs");
            let forgotten = pruner.forget().await.map_err(retry)?;
            outcome.extend(
                [
                    ("forgotten_answers", forgotten.answers),
                    ("forgotten_jobs", forgotten.jobs),
                    ("forgotten_requests", forgotten.requests),
                ]
                .map(|(name, count)| (name.to_owned(), count.to_string())),
            );
        }
        Ok(outcome)
    }
}

impl Pruner {
    fn pruner(&self) -> registry::prune::Pruner {
        let days = |days: u32| TimeDelta::days(i64::from(days));
        let kept = &self.retention;
        registry::prune::Pruner {
            store: self.store.clone(),
            artifacts: self.artifacts.clone(),
            retention: Retention {
                models: ModelRetention {
                    newest: kept.models_newest,
                    younger: days(kept.models_days),
                },
                answers: days(kept.answers_days),
                jobs: days(kept.jobs_days),
                requests: days(kept.requests_days),
            },
            now: self.clock.now(),
        }
    }
}

fn outcome(pruned: &Pruned, dry_run: bool) -> Outcome {
    let versions = &pruned.versions;
    let mut named = versions[..versions.len().min(NAMED)].join(" ");
    if versions.len() > NAMED {
        named.push_str(&format!(" and {} more", versions.len() - NAMED));
    }
    let outcome = [
        ("dry_run", dry_run.to_string()),
        ("pruned", versions.len().to_string()),
        ("versions", named),
        ("kept", pruned.kept.to_string()),
        ("bytes", pruned.bytes.to_string()),
        ("files", pruned.files.to_string()),
    ];
    outcome.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Looks for what of the platform may go, now and after each `every`, until it is told to stop. On
/// several replicas a look too many is made at times, which does no harm.
pub async fn run_retention(store: Store, clock: Clock, every: Duration, stop: CancellationToken) {
    let platform = store.maintenance(Purpose::Retention);
    loop {
        let job = prune_job(&PrunePayload::default());
        if let Err(error) = platform.enqueue(job, clock.now()).await {
            tracing::warn!(%error, "old rows could not be looked for");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
