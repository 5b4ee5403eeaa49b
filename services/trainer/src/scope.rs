//! Whose jobs and models a call is about: a tenant's, or the platform's.

use domain::{
    ErrorKind, Job, JobId, JobKind, JobState, ModelName, ModelOwner, ModelVersion, OperatorContext,
    ResourceName, TaskId, TenantContext, TenantId,
};
use server::{Caller, ServiceError, operator};

use crate::Training;

/// Whose jobs are meant.
#[derive(Debug, Clone)]
pub(crate) enum JobScope {
    Tenant(TenantContext),
    Platform(OperatorContext),
}

/// Whose models are meant.
#[derive(Debug, Clone)]
pub(crate) enum ModelScope {
    Tenant(TenantContext),
    /// The global tier or a vertical's.
    Tier {
        owner: ModelOwner,
        operator: OperatorContext,
    },
}

impl JobScope {
    /// The tenant; none for the platform.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(ctx) => Some(ctx.tenant()),
            Self::Platform(_) => None,
        }
    }
}

impl Training {
    /// The scope of a parent: `tenants/{tenant}`, or empty for the platform.
    pub(crate) async fn job_scope(
        &self,
        extensions: &http::Extensions,
        parent: &str,
    ) -> Result<JobScope, ServiceError> {
        if parent.is_empty() {
            return Ok(JobScope::Platform(operator(extensions)?));
        }
        let ctx = self.gate.enter(extensions, parent).await?;
        Ok(JobScope::Tenant(ctx))
    }

    /// The scope and the id of a job's name.
    pub(crate) fn enter_job(
        &self,
        extensions: &http::Extensions,
        name: &str,
    ) -> Result<(JobScope, JobId), ServiceError> {
        let caller = Caller::of(extensions)?;
        let (tenant, id) =
            ResourceName::job(name).map_err(|error| ServiceError::name("name", &error))?;
        let Some(tenant) = tenant else {
            return Ok((JobScope::Platform(operator(extensions)?), id));
        };
        // A tenant that is being erased still has the job that erases it to look at.
        let ctx = self.gate.enter_any_state(caller, &tenant)?;
        Ok((JobScope::Tenant(ctx), id))
    }

    /// The scope of a parent: `tenants/{tenant}`, `verticals/{vertical}` or `global`. The models of
    /// the tiers speak of all their tenants, so they are for operators alone.
    pub(crate) async fn model_scope(
        &self,
        extensions: &http::Extensions,
        owner: &ModelOwner,
    ) -> Result<ModelScope, ServiceError> {
        let caller = Caller::of(extensions)?;
        if let ModelOwner::Tenant(tenant) = owner {
            let ctx = self.gate.enter_tenant(caller, tenant).await?;
            return Ok(ModelScope::Tenant(ctx));
        }
        Ok(ModelScope::Tier {
            owner: owner.clone(),
            operator: operator(extensions)?,
        })
    }

    pub(crate) async fn job(&self, scope: &JobScope, id: &JobId) -> Result<Job, ServiceError> {
        let (found, tenant) = match scope {
            JobScope::Tenant(ctx) => {
                let found = self.begin(ctx).await?.jobs().get(id).await?;
                (found, Some(ctx.tenant().clone()))
            }
            JobScope::Platform(operator) => (self.store.platform(operator).job(id).await?, None),
        };
        found.ok_or_else(|| ServiceError::not_found(ResourceName::Job(tenant, id.clone())))
    }

    pub(crate) async fn jobs(
        &self,
        scope: &JobScope,
        before: Option<JobId>,
        limit: u32,
        (kind, state): (Option<JobKind>, Option<JobState>),
    ) -> Result<Vec<Job>, ServiceError> {
        Ok(match scope {
            JobScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                tx.jobs().list(before, limit, kind, state).await?
            }
            JobScope::Platform(operator) => {
                let platform = self.store.platform(operator);
                platform.list_jobs(before, limit, kind, state).await?
            }
        })
    }

    /// Asks a job to stop, and answers with it as it is then.
    pub(crate) async fn cancel(
        &self,
        scope: &JobScope,
        id: &JobId,
    ) -> Result<Option<Job>, ServiceError> {
        let now = self.clock.now();
        Ok(match scope {
            JobScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                let job = tx.jobs().request_cancel(id, now).await?;
                tx.commit().await?;
                job
            }
            JobScope::Platform(operator) => {
                self.store
                    .platform(operator)
                    .request_cancel(id, now)
                    .await?
            }
        })
    }

    pub(crate) async fn model(
        &self,
        scope: &ModelScope,
        name: &ModelName,
    ) -> Result<ModelVersion, ServiceError> {
        let found = match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                tx.models().get(&name.task, name.version).await?
            }
            ModelScope::Tier { operator, .. } => {
                self.store.platform(operator).tiers().get(name).await?
            }
        };
        match found {
            Some(model) => Ok(model),
            None => Err(self.gone(scope, name).await?),
        }
    }

    /// What is said of a version that is not there: it may have been pruned.
    async fn gone(
        &self,
        scope: &ModelScope,
        name: &ModelName,
    ) -> Result<ServiceError, ServiceError> {
        let pruned = match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                tx.models().pruned(&name.task, name.version).await?
            }
            ModelScope::Tier { operator, .. } => {
                self.store.platform(operator).tiers().pruned(name).await?
            }
        };
        let Some((at, reason)) = pruned else {
            return Ok(ServiceError::not_found(name));
        };
        let day = at.format("%Y-%m-%d");
        let message = format!("{name} was pruned on {day}: {reason}");
        Ok(ServiceError::new(
            ErrorKind::NotFound,
            "MODEL_PRUNED",
            message,
        ))
    }

    pub(crate) async fn models(
        &self,
        scope: &ModelScope,
        task: Option<&TaskId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ModelVersion>, ServiceError> {
        Ok(match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                tx.models().list(task, before, limit).await?
            }
            ModelScope::Tier { owner, operator } => {
                let task = task.cloned().unwrap_or_else(TaskId::experts);
                let tiers = self.store.platform(operator).tiers();
                tiers.list(owner, &task, before, limit).await?
            }
        })
    }
}
