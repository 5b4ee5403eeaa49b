//! The RPCs of `TrainingService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::training_service_server::TrainingService;
use domain::{ErrorKind, JobId, JobKind, Permission, ResourceName, TaskId, TenantContext};
use prost::Message as _;
use server::{Caller, Reply, ServiceError, next_page, parse_page_token};
use storage::NewJob;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Training;
use crate::commands::{Retrain, reason, task, tenant_model};
use crate::registry::to_wire;
use crate::tasks;

/// A trainer that dies this often with the same job has a problem with the job.
const MAX_ATTEMPTS: u32 = 5;

#[tonic::async_trait]
impl TrainingService for Training {
    type WatchJobStream = ReceiverStream<Result<v1::WatchJobResponse, Status>>;

    async fn retrain(&self, request: Request<v1::RetrainRequest>) -> Reply<v1::RetrainResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::Administer)
            .await?;
        let job = self.start_retrain(&ctx, &request).await?;
        Ok(Response::new(v1::RetrainResponse {
            job: Some(job.into()),
        }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let caller = Caller::of(request.extensions())?;
        let name = &request.get_ref().name;
        let (ctx, id) = self
            .enter_job(caller, name, Permission::ReadContent)
            .await?;
        let job = self.job(&ctx, &id).await?;
        Ok(Response::new(v1::GetJobResponse {
            job: Some(job.into()),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::ReadContent)
            .await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<JobId>(&request.page_token)?;
        let (kind, state) = (request.kind().filter(), request.state().filter());
        let jobs = self
            .begin(&ctx)
            .await?
            .jobs()
            .list(before, limit, kind, state)
            .await;
        let jobs = jobs.map_err(ServiceError::from)?;
        let last = jobs.last().map(|job| job.id.to_string());
        Ok(Response::new(v1::ListJobsResponse {
            next_page_token: next_page(jobs.len(), limit, last),
            jobs: jobs.into_iter().map(Into::into).collect(),
        }))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Reply<v1::CancelJobResponse> {
        let caller = Caller::of(request.extensions())?;
        let name = &request.get_ref().name;
        let (ctx, id) = self.enter_job(caller, name, Permission::Administer).await?;
        let before = self.job(&ctx, &id).await?;
        if before.state.is_final() && before.state != domain::JobState::Cancelled {
            let message = format!("{name} has ended as {}", before.state.as_str());
            return Err(
                ServiceError::new(ErrorKind::FailedPrecondition, "JOB_ENDED", message).into(),
            );
        }
        if before.kind == JobKind::EraseTenant {
            let message = "an erasure cannot be cancelled";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NOT_CANCELLABLE",
                message,
            )
            .into());
        }
        let tx = self.begin(&ctx).await?;
        let job = tx.jobs().request_cancel(&id, self.clock.now()).await;
        let job = job.map_err(ServiceError::from)?.unwrap_or(before);
        tx.commit().await.map_err(ServiceError::from)?;
        Ok(Response::new(v1::CancelJobResponse {
            job: Some(job.into()),
        }))
    }

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Reply<Self::WatchJobStream> {
        let caller = Caller::of(request.extensions())?;
        let name = &request.get_ref().name;
        let (ctx, id) = self
            .enter_job(caller, name, Permission::ReadContent)
            .await?;
        let first = self.job(&ctx, &id).await?;
        Ok(Response::new(self.clone().watch(ctx, first)))
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Reply<v1::ListModelsResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::ReadContent)
            .await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<u64>(&request.page_token)?;
        let wanted = match request.task.as_str() {
            "" => None,
            name => Some(task(name)?),
        };
        let models = self
            .begin(&ctx)
            .await?
            .models()
            .list(wanted.as_ref(), before, limit)
            .await;
        let models = models.map_err(ServiceError::from)?;
        let last = models.last().map(|model| model.name.version.to_string());
        Ok(Response::new(v1::ListModelsResponse {
            next_page_token: next_page(models.len(), limit, last),
            models: models.iter().map(|model| to_wire(model, false)).collect(),
        }))
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Reply<v1::GetModelResponse> {
        let caller = Caller::of(request.extensions())?;
        let (tenant, name) = tenant_model(&request.get_ref().name)?;
        let ctx = self
            .gate
            .enter_tenant(caller, &tenant, Permission::ReadContent)
            .await?;
        let model = self.model(&ctx, &name).await?;
        Ok(Response::new(v1::GetModelResponse {
            model: Some(to_wire(&model, true)),
        }))
    }

    async fn promote_model(
        &self,
        request: Request<v1::PromoteModelRequest>,
    ) -> Reply<v1::PromoteModelResponse> {
        let caller = Caller::of(request.extensions())?;
        let (tenant, name) = tenant_model(&request.get_ref().name)?;
        let ctx = self
            .gate
            .enter_tenant(caller, &tenant, Permission::Administer)
            .await?;
        let reason = reason(&request.get_ref().reason)?;
        let model = self.promote(&ctx, &name, &reason).await?;
        Ok(Response::new(v1::PromoteModelResponse {
            model: Some(to_wire(&model, false)),
        }))
    }

    async fn rollback_model(
        &self,
        request: Request<v1::RollbackModelRequest>,
    ) -> Reply<v1::RollbackModelResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::Administer)
            .await?;
        let (task, reason) = (task(&request.task)?, reason(&request.reason)?);
        let champion = self.roll_back(&ctx, &task, &reason).await?;
        let champion = champion.map(|model| to_wire(&model, false));
        Ok(Response::new(v1::RollbackModelResponse { champion }))
    }

    async fn create_task(
        &self,
        request: Request<v1::CreateTaskRequest>,
    ) -> Reply<v1::CreateTaskResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::Administer)
            .await?;
        let definition = tasks::definition(&request.task_id, request.task)?;
        let task = Training::create_task(self, &ctx, &definition).await?;
        let task = Some(v1::Task::of(ctx.tenant(), task));
        Ok(Response::new(v1::CreateTaskResponse { task }))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Reply<v1::GetTaskResponse> {
        let caller = Caller::of(request.extensions())?;
        let (ctx, id) = self
            .enter_task(caller, &request.get_ref().name, Permission::ReadContent)
            .await?;
        let task = Some(v1::Task::of(ctx.tenant(), self.task(&ctx, &id).await?));
        Ok(Response::new(v1::GetTaskResponse { task }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Reply<v1::ListTasksResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .gate
            .enter(&extensions, &request.parent, Permission::ReadContent)
            .await?;
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<TaskId>(&request.page_token)?;
        let tx = self.begin(&ctx).await?;
        let tasks = tx.tasks().list(after.as_ref(), limit).await;
        let tasks = tasks.map_err(ServiceError::from)?;
        let last = tasks.last().map(|task| task.definition.id.to_string());
        let wire = |task| v1::Task::of(ctx.tenant(), task);
        Ok(Response::new(v1::ListTasksResponse {
            next_page_token: next_page(tasks.len(), limit, last),
            tasks: tasks.into_iter().map(wire).collect(),
        }))
    }

    async fn update_task(
        &self,
        request: Request<v1::UpdateTaskRequest>,
    ) -> Reply<v1::UpdateTaskResponse> {
        let (_, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions)?;
        let wanted = request.task.unwrap_or_default();
        let (ctx, id) = self
            .enter_task(caller, &wanted.name, Permission::Administer)
            .await?;
        let mask = request.update_mask.unwrap_or_default().paths;
        let task = Training::update_task(self, &ctx, &id, wanted, &mask).await?;
        let task = Some(v1::Task::of(ctx.tenant(), task));
        Ok(Response::new(v1::UpdateTaskResponse { task }))
    }

    async fn delete_task(
        &self,
        request: Request<v1::DeleteTaskRequest>,
    ) -> Reply<v1::DeleteTaskResponse> {
        let caller = Caller::of(request.extensions())?;
        let (ctx, id) = self
            .enter_task(caller, &request.get_ref().name, Permission::Administer)
            .await?;
        Training::delete_task(self, &ctx, &id).await?;
        Ok(Response::new(v1::DeleteTaskResponse {}))
    }
}

impl Training {
    async fn enter_task(
        &self,
        caller: &Caller,
        name: &str,
        permission: Permission,
    ) -> Result<(TenantContext, TaskId), ServiceError> {
        let (tenant, id) =
            ResourceName::task(name).map_err(|error| ServiceError::name("name", &error))?;
        let ctx = self.gate.enter_tenant(caller, &tenant, permission).await?;
        Ok((ctx, id))
    }

    async fn enter_job(
        &self,
        caller: &Caller,
        name: &str,
        permission: Permission,
    ) -> Result<(TenantContext, JobId), ServiceError> {
        let (tenant, id) =
            ResourceName::job(name).map_err(|error| ServiceError::name("name", &error))?;
        // A tenant that is being erased still has the job that erases it to look at.
        let ctx = self.gate.enter_any_state(caller, &tenant, permission)?;
        Ok((ctx, id))
    }

    async fn start_retrain(
        &self,
        ctx: &TenantContext,
        request: &v1::RetrainRequest,
    ) -> Result<domain::Job, ServiceError> {
        const METHOD: &str = "Retrain";
        let command = Retrain::parse(ctx.tenant(), request)?;
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
            drop(tx);
            return self.job(ctx, &id).await;
        }
        if let Some(number) = command.payload.dataset
            && tx.datasets().get(number).await?.is_none()
        {
            return Err(ServiceError::not_found(&request.dataset));
        }
        let task = &command.payload.task;
        if *task != TaskId::experts() && tx.tasks().get(task).await?.is_none() {
            let name = ResourceName::Task(ctx.tenant().clone(), task.clone());
            return Err(ServiceError::not_found(name));
        }
        let payload = serde_json::to_value(&command.payload).map_err(ServiceError::internal)?;
        let job = NewJob {
            kind: JobKind::Retrain,
            dedup_key: Some(format!("retrain:{payload}")),
            payload,
            max_attempts: MAX_ATTEMPTS,
        };
        let job = tx.jobs().enqueue(job, now).await?;
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
}

/// Pages of this service: 50 entries unless asked otherwise, 500 at the most.
fn page_limit(page_size: i32) -> Result<u32, ServiceError> {
    api::page_limit(page_size, 50, 500).map_err(|error| ServiceError::violations(vec![error]))
}
