//! The RPCs of `TrainingService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::training_service_server::TrainingService;
use domain::{ErrorKind, JobId, JobKind, ResourceName, TaskId, TenantContext};
use jobs::JobSpec;
use registry::Owner;
use registry::alias::{promote, roll_back};
use server::{Authorized, Caller, Reply, ServiceError, page, parse_page_token};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Training;
use crate::commands::{TrialKey, TrialsQuery, alias, model_name, owner, reason, task, train_tier};
use crate::compare::Compare;
use crate::convert::{comparison_to_wire, to_wire};
use crate::tasks;
use crate::trials::trial_to_wire;

#[tonic::async_trait]
impl TrainingService for Training {
    type WatchJobStream = ReceiverStream<Result<v1::WatchJobResponse, Status>>;

    async fn retrain(&self, request: Request<v1::RetrainRequest>) -> Reply<v1::RetrainResponse> {
        let (_, extensions, request) = request.into_parts();
        let owner = owner("parent", &request.parent)?;
        let scope = self.model_scope(&extensions, &owner).await?;
        let job = match scope {
            Owner::Tenant(ctx) => self.start_retrain(&ctx, &request).await?,
            Owner::Tier {
                owner, platform, ..
            } => {
                let job = train_tier(owner, &request)?.new_job();
                let enqueued = platform.enqueue(job, self.clock.now()).await;
                enqueued.map_err(ServiceError::from)?
            }
        };
        Ok(Response::new(v1::RetrainResponse {
            job: Some(job.into()),
        }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let name = &request.get_ref().name;
        let (scope, id) = self.enter_job(request.extensions(), name)?;
        let job = self.job(&scope, &id).await?;
        Ok(Response::new(v1::GetJobResponse {
            job: Some(job.into()),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        let (_, extensions, request) = request.into_parts();
        let scope = self.job_scope(&extensions, &request.parent).await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<JobId>(&request.page_token)?;
        let filters = (request.kind().filter(), request.state().filter());
        let jobs = self.jobs(&scope, before, limit, filters).await?;
        let page = page(jobs, limit, |job| (job.id.to_string(), job.into()));
        Ok(Response::new(v1::ListJobsResponse {
            jobs: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Reply<v1::CancelJobResponse> {
        let name = &request.get_ref().name;
        let (scope, id) = self.enter_job(request.extensions(), name)?;
        let before = self.job(&scope, &id).await?;
        if before.state.is_final() && before.state != domain::JobState::Cancelled {
            let message = format!("{name} has ended as {}", before.state.as_str());
            return Err(refused("JOB_ENDED", message).into());
        }
        if before.kind == JobKind::EraseTenant {
            return Err(refused("NOT_CANCELLABLE", "an erasure cannot be cancelled").into());
        }
        let job = self.cancel(&scope, &id).await?.unwrap_or(before);
        Ok(Response::new(v1::CancelJobResponse {
            job: Some(job.into()),
        }))
    }

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Reply<Self::WatchJobStream> {
        let name = &request.get_ref().name;
        let (scope, id) = self.enter_job(request.extensions(), name)?;
        let first = self.job(&scope, &id).await?;
        Ok(Response::new(self.clone().watch(scope, first)))
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Reply<v1::ListModelsResponse> {
        let (_, extensions, request) = request.into_parts();
        let owner = owner("parent", &request.parent)?;
        let scope = self.model_scope(&extensions, &owner).await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<u64>(&request.page_token)?;
        let wanted = match request.task.as_str() {
            "" => None,
            name => Some(task(name)?),
        };
        let models = scope.models(&self.store, wanted.as_ref(), before, limit);
        let models = models.await.map_err(ServiceError::from)?;
        let page = page(&models, limit, |model| {
            (model.name.version.to_string(), to_wire(model, false))
        });
        Ok(Response::new(v1::ListModelsResponse {
            models: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Reply<v1::GetModelResponse> {
        let name = model_name("name", &request.get_ref().name)?;
        let scope = self.model_scope(request.extensions(), &name.owner).await?;
        let model = scope.model(&self.store, &name.task, name.version).await;
        let model = model.map_err(ServiceError::from)?;
        let online_evaluation = match &scope {
            Owner::Tenant(ctx) => {
                let score = self.online_evaluation(ctx, &name).await?;
                score.as_ref().map(v1::OnlineEvaluation::from)
            }
            Owner::Tier { .. } => None,
        };
        Ok(Response::new(v1::GetModelResponse {
            model: Some(v1::Model {
                online_evaluation,
                ..to_wire(&model, true)
            }),
        }))
    }

    async fn compare_models(
        &self,
        request: Request<v1::CompareModelsRequest>,
    ) -> Reply<v1::CompareModelsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let compared = self.compare(&ctx, Compare::try_from(&request)?).await?;
        Ok(Response::new(comparison_to_wire(&compared)))
    }

    async fn promote_model(
        &self,
        request: Request<v1::PromoteModelRequest>,
    ) -> Reply<v1::PromoteModelResponse> {
        let name = model_name("name", &request.get_ref().name)?;
        let scope = self.model_scope(request.extensions(), &name.owner).await?;
        let reason = reason(&request.get_ref().reason)?;
        let alias = alias(request.get_ref().alias());
        let named = (&name, alias);
        let model = promote(&self.store, &scope, named, &reason, self.clock.now()).await;
        let model = model.map_err(ServiceError::from)?;
        Ok(Response::new(v1::PromoteModelResponse {
            model: Some(to_wire(&model, false)),
        }))
    }

    async fn rollback_model(
        &self,
        request: Request<v1::RollbackModelRequest>,
    ) -> Reply<v1::RollbackModelResponse> {
        let (_, extensions, request) = request.into_parts();
        let owner = owner("parent", &request.parent)?;
        let scope = self.model_scope(&extensions, &owner).await?;
        let (task, reason) = (task(&request.task)?, reason(&request.reason)?);
        let champion = roll_back(&self.store, &scope, &task, &reason, self.clock.now()).await;
        let champion = champion.map_err(ServiceError::from)?;
        let champion = champion.map(|model| to_wire(&model, false));
        Ok(Response::new(v1::RollbackModelResponse { champion }))
    }

    async fn reproduce_model(
        &self,
        request: Request<v1::ReproduceModelRequest>,
    ) -> Reply<v1::ReproduceModelResponse> {
        let name = model_name("name", &request.get_ref().name)?;
        let scope = self.model_scope(request.extensions(), &name.owner).await?;
        let job = Some(self.start_reproduction(&scope, name).await?.into());
        Ok(Response::new(v1::ReproduceModelResponse { job }))
    }

    async fn prune_models(
        &self,
        request: Request<v1::PruneModelsRequest>,
    ) -> Reply<v1::PruneModelsResponse> {
        let (_, extensions, request) = request.into_parts();
        let owner = owner("parent", &request.parent)?;
        let scope = self.model_scope(&extensions, &owner).await?;
        let started = self.start_pruning(&scope, request.keep, request.dry_run);
        let job = Some(started.await?.into());
        Ok(Response::new(v1::PruneModelsResponse { job }))
    }

    async fn list_trials(
        &self,
        request: Request<v1::ListTrialsRequest>,
    ) -> Reply<v1::ListTrialsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let query = TrialsQuery {
            task: task(&request.task)?,
            version: (request.version > 0).then_some(request.version),
            after: parse_page_token(&request.page_token)?,
            limit: page_limit(request.page_size)?,
        };
        let found = self.trials(&ctx, &query).await?;
        let page = page(found, query.limit, |kept| {
            let key = TrialKey {
                version: kept.version,
                number: kept.trial.number,
            };
            (key.to_string(), trial_to_wire(&ctx, &query.task, kept))
        });
        Ok(Response::new(v1::ListTrialsResponse {
            trials: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn create_task(
        &self,
        request: Request<v1::CreateTaskRequest>,
    ) -> Reply<v1::CreateTaskResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let definition = tasks::definition(&request.task_id, request.task)?;
        let task = Training::create_task(self, &ctx, &definition).await?;
        let task = Some(v1::Task::of(ctx.tenant(), task));
        Ok(Response::new(v1::CreateTaskResponse { task }))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Reply<v1::GetTaskResponse> {
        let caller = Caller::of(request.extensions())?;
        let (ctx, id) = self.enter_task(caller, &request.get_ref().name).await?;
        let task = Some(v1::Task::of(ctx.tenant(), self.task(&ctx, &id).await?));
        Ok(Response::new(v1::GetTaskResponse { task }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Reply<v1::ListTasksResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<TaskId>(&request.page_token)?;
        let tx = self.begin(&ctx).await?;
        let tasks = tx.tasks().list(after.as_ref(), limit).await;
        let tasks = tasks.map_err(ServiceError::from)?;
        let page = page(tasks, limit, |task| {
            let id = task.definition.id.to_string();
            (id, v1::Task::of(ctx.tenant(), task))
        });
        Ok(Response::new(v1::ListTasksResponse {
            tasks: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_task(
        &self,
        request: Request<v1::UpdateTaskRequest>,
    ) -> Reply<v1::UpdateTaskResponse> {
        let (_, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions)?;
        let wanted = request.task.unwrap_or_default();
        let (ctx, id) = self.enter_task(caller, &wanted.name).await?;
        let mask = request.update_mask.unwrap_or_default().paths;
        let task = Training::update_task(self, &ctx, &id, &wanted, &mask).await?;
        let task = Some(v1::Task::of(ctx.tenant(), task));
        Ok(Response::new(v1::UpdateTaskResponse { task }))
    }

    async fn delete_task(
        &self,
        request: Request<v1::DeleteTaskRequest>,
    ) -> Reply<v1::DeleteTaskResponse> {
        let caller = Caller::of(request.extensions())?;
        let (ctx, id) = self.enter_task(caller, &request.get_ref().name).await?;
        Training::delete_task(self, &ctx, &id).await?;
        Ok(Response::new(v1::DeleteTaskResponse {}))
    }
}

fn refused(reason: &'static str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorKind::FailedPrecondition, reason, message)
}

impl Training {
    async fn enter_task(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(TenantContext, TaskId), ServiceError> {
        let (tenant, id) =
            ResourceName::task(name).map_err(|error| ServiceError::name("name", &error))?;
        let ctx = self.gate.enter_tenant(caller, &tenant).await?;
        Ok((ctx, id))
    }
}

/// Pages of this service: 50 entries unless asked otherwise, 500 at the most.
fn page_limit(page_size: i32) -> Result<u32, ServiceError> {
    api::page_limit(page_size, 50, 500).map_err(|error| ServiceError::violations(vec![error]))
}
