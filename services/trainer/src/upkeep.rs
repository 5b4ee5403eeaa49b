//! The upkeep of the registry: making versions again, pruning, looking at searches.

use api::{timestamp, v1};
use domain::{
    ErrorKind, Job, JobKind, ModelName, ModelOwner, ResourceName, TaskId, TaskKind, TenantContext,
};
use registry::Owner;
use registry::prune::{PrunePayload, prune_job};
use server::ServiceError;
use storage::{NewJob, StoredTrial};

use crate::Training;
use crate::commands::{ReproducePayload, TrialsQuery};

/// A trainer that dies this often with the same job has a problem with the job.
const MAX_ATTEMPTS: u32 = 3;

impl Training {
    /// Enqueues the making again of a version.
    pub(crate) async fn start_reproduction(
        &self,
        scope: &Owner,
        name: ModelName,
    ) -> Result<Job, ServiceError> {
        scope.model(&self.store, &name.task, name.version).await?;
        let payload = ReproducePayload { model: name };
        let dedup_key = Some(format!("reproduce:{}", payload.model));
        let payload = serde_json::to_value(&payload).map_err(ServiceError::internal)?;
        let job = NewJob {
            kind: JobKind::ReproduceModel,
            dedup_key,
            payload,
            max_attempts: MAX_ATTEMPTS,
        };
        let now = self.clock.now();
        let ctx = match scope {
            Owner::Tenant(ctx) => ctx,
            Owner::Tier { platform, .. } => return Ok(platform.enqueue(job, now).await?),
        };
        let tx = self.begin(ctx).await?;
        let job = tx.jobs().enqueue(job, now).await?;
        tx.audit()
            .record("models.reproduce", job.id.as_ref(), "", now)
            .await?;
        tx.commit().await?;
        Ok(job)
    }

    /// Enqueues a look for versions that may go.
    pub(crate) async fn start_pruning(
        &self,
        scope: &Owner,
        keep: u32,
        dry_run: bool,
    ) -> Result<Job, ServiceError> {
        let now = self.clock.now();
        let mut payload = PrunePayload {
            owner: None,
            keep: (keep > 0).then_some(keep),
            dry_run,
        };
        if let Owner::Tier { owner, .. } = scope {
            payload.owner = Some(owner.to_string());
        }
        let job = scope.enqueue(&self.store, prune_job(&payload), now).await?;
        Ok(job)
    }

    /// The trials of searches for a tenant's models.
    pub(crate) async fn trials(
        &self,
        ctx: &TenantContext,
        query: &TrialsQuery,
    ) -> Result<Vec<StoredTrial>, ServiceError> {
        let tx = self.begin(ctx).await?;
        let after = query.after.map(|key| (key.version, key.number));
        let trials = tx.trials();
        let found = trials.list(&query.task, query.version, after, query.limit);
        Ok(found.await?)
    }

    /// Makes sure that a task can be trained, with a search or without.
    pub(crate) async fn trainable(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        search: bool,
    ) -> Result<(), ServiceError> {
        if *task == TaskId::experts() {
            return Ok(());
        }
        let found = self.begin(ctx).await?.tasks().get(task).await?;
        let Some(found) = found else {
            let name = ResourceName::Task(ctx.tenant().clone(), task.clone());
            return Err(ServiceError::not_found(name));
        };
        if search && found.definition.kind == TaskKind::Regression {
            let message = "a task of numbers tries its few settings in every training; train it \
                           without a search";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NOTHING_TO_SEARCH",
                message,
            ));
        }
        Ok(())
    }
}

/// A trial as callers see it.
pub(crate) fn trial_to_wire(ctx: &TenantContext, task: &TaskId, kept: StoredTrial) -> v1::Trial {
    let name = ModelName {
        owner: ModelOwner::Tenant(ctx.tenant().clone()),
        task: task.clone(),
        version: kept.version,
    };
    let trial = kept.trial;
    v1::Trial {
        model: name.to_string(),
        number: trial.number,
        parameters: trial.parameters.into_iter().collect(),
        seed: trial.seed,
        metrics: trial.metrics.into_iter().collect(),
        seconds: trial.seconds,
        chosen: trial.chosen,
        create_time: Some(timestamp(kept.created_at)),
    }
}
