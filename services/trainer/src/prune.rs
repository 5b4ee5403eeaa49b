//! Jobs that prune models, and forget what only grows.

use std::time::Duration;

use artifacts::ArtifactStore;
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{Clock, ModelRetention};
use jobs::specs::Pruned;
use jobs::{JobFailure, JobHandler, JobSpec, JobWork, PruneModels};
use registry::prune::Retention;
use server::config::RetentionSection;
use storage::{Purpose, Store};
use tokio_util::sync::CancellationToken;

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
impl JobHandler<PruneModels> for Pruner {
    async fn run(&self, work: &JobWork, job: PruneModels) -> Result<Pruned, JobFailure> {
        work.progress(0.1, "looking at versions");
        let pruner = self.pruner();
        if work.job.tenant.is_some() {
            let pruned = pruner.tenant(&work.context(ACTOR)?, &job).await?;
            return Ok(outcome(&pruned, job.dry_run));
        }
        let pruned = pruner.tiers(job.owner.as_ref(), &job).await?;
        let mut outcome = outcome(&pruned, job.dry_run);
        if job.owner.is_none() && !job.dry_run {
            work.progress(0.5, "forgetting old answers and jobs");
            let forgotten = pruner.forget().await?;
            outcome.forgotten_answers = Some(forgotten.answers);
            outcome.forgotten_jobs = Some(forgotten.jobs);
            outcome.forgotten_requests = Some(forgotten.requests);
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

fn outcome(pruned: &registry::prune::Pruned, dry_run: bool) -> Pruned {
    let versions = &pruned.versions;
    let mut named = versions[..versions.len().min(NAMED)].join(" ");
    if versions.len() > NAMED {
        named.push_str(&format!(" and {} more", versions.len() - NAMED));
    }
    Pruned {
        dry_run,
        pruned: versions.len(),
        versions: named,
        kept: pruned.kept,
        bytes: pruned.bytes,
        files: pruned.files,
        forgotten_answers: None,
        forgotten_jobs: None,
        forgotten_requests: None,
    }
}

/// Looks for what of the platform may go, now and after each `every`, until it is told to stop. On
/// several replicas a look too many is made at times, which does no harm.
pub async fn run_retention(store: Store, clock: Clock, every: Duration, stop: CancellationToken) {
    let platform = store.maintenance(Purpose::Retention);
    loop {
        let job = PruneModels::default().new_job();
        if let Err(error) = platform.enqueue(job, clock.now()).await {
            tracing::warn!(%error, "old rows could not be looked for");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
