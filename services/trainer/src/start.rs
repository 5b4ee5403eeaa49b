//! Jobs that are asked for: retrains, the making again of versions, pruning.

use api::v1;
use domain::{ErrorKind, Job, JobId, ModelName, ResourceName, TaskId, TaskKind, TenantContext};
use jobs::{JobSpec, PruneModels, ReproduceModel};
use prost::Message as _;
use registry::Owner;
use server::ServiceError;
use storage::TenantTx;

use crate::Training;
use crate::commands::StartRetrain;

impl Training {
    /// Enqueues a retrain; a repeat with the same request id gets the first job.
    pub(crate) async fn start_retrain(
        &self,
        ctx: &TenantContext,
        request: &v1::RetrainRequest,
    ) -> Result<Job, ServiceError> {
        const METHOD: &str = "Retrain";
        let command = StartRetrain::parse(ctx.tenant(), request)?;
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        let fingerprint = v1::RetrainRequest {
            request_id: String::new(),
            ..request.clone()
        }
        .encode_to_vec();
        if let Some(request_id) = &command.request_id
            && let Some(first) = tx.requests().find(METHOD, request_id, &fingerprint).await?
        {
            let id = String::from_utf8(first).map_err(ServiceError::internal)?;
            let id = JobId::parse(id).map_err(ServiceError::internal)?;
            let name = || ResourceName::Job(Some(ctx.tenant().clone()), id.clone());
            let first = tx.jobs().get(&id).await?;
            return first.ok_or_else(|| ServiceError::not_found(name()));
        }
        if let Some(number) = command.job.dataset
            && tx.datasets().get(number).await?.is_none()
        {
            return Err(ServiceError::not_found(&request.dataset));
        }
        check_trainable(ctx, &tx, &command.job.task, command.job.search > 0).await?;
        let job = tx.jobs().enqueue(command.job.new_job(), now).await?;
        tx.audit()
            .record("models.retrain", job.id.as_ref(), "", now)
            .await?;
        if let Some(request_id) = &command.request_id {
            let response = job.id.to_string().into_bytes();
            tx.requests()
                .save(METHOD, request_id, &fingerprint, response, now)
                .await?;
        }
        tx.commit().await?;
        Ok(job)
    }

    /// Enqueues the making again of a version.
    pub(crate) async fn start_reproduction(
        &self,
        scope: &Owner,
        name: ModelName,
    ) -> Result<Job, ServiceError> {
        scope.model(&self.store, &name.task, name.version).await?;
        let job = ReproduceModel { model: name }.new_job();
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
        let owner = match scope {
            Owner::Tenant(_) => None,
            Owner::Tier { owner, .. } => Some(owner.clone()),
        };
        let job = PruneModels {
            owner,
            keep: (keep > 0).then_some(keep),
            dry_run,
        };
        let now = self.clock.now();
        Ok(scope.enqueue(&self.store, job.new_job(), now).await?)
    }
}

/// Makes sure that a task can be trained, with a search or without.
async fn check_trainable(
    ctx: &TenantContext,
    tx: &TenantTx,
    task: &TaskId,
    search: bool,
) -> Result<(), ServiceError> {
    if *task == TaskId::experts() {
        return Ok(());
    }
    let Some(found) = tx.tasks().get(task).await? else {
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
