//! Whose jobs and models a call is about: a tenant's, or the platform's.

use domain::{AccessScope, Job, JobId, JobKind, JobState, ModelOwner, ResourceName};
use registry::Owner;
use server::{Caller, ServiceError, operator};

use crate::Training;

impl Training {
    /// The scope of a parent: `tenants/{tenant}`, or empty for the platform.
    pub(crate) async fn job_scope(
        &self,
        extensions: &http::Extensions,
        parent: &str,
    ) -> Result<AccessScope, ServiceError> {
        if parent.is_empty() {
            return Ok(AccessScope::Platform(operator(extensions)?));
        }
        let ctx = self.gate.enter(extensions, parent).await?;
        Ok(AccessScope::Tenant(ctx))
    }

    /// The scope and the id of a job's name.
    pub(crate) fn enter_job(
        &self,
        extensions: &http::Extensions,
        name: &str,
    ) -> Result<(AccessScope, JobId), ServiceError> {
        let caller = Caller::of(extensions)?;
        let (tenant, id) =
            ResourceName::job(name).map_err(|error| ServiceError::name("name", &error))?;
        let Some(tenant) = tenant else {
            return Ok((AccessScope::Platform(operator(extensions)?), id));
        };
        // A tenant that is being erased still has the job that erases it to look at.
        let ctx = self.gate.enter_any_state(caller, &tenant)?;
        Ok((AccessScope::Tenant(ctx), id))
    }

    /// The scope of a parent: `tenants/{tenant}`, `verticals/{vertical}` or `global`. The models of
    /// the tiers speak of all their tenants, so they are for operators alone.
    pub(crate) async fn model_scope(
        &self,
        extensions: &http::Extensions,
        owner: &ModelOwner,
    ) -> Result<Owner, ServiceError> {
        let caller = Caller::of(extensions)?;
        if let ModelOwner::Tenant(tenant) = owner {
            let ctx = self.gate.enter_tenant(caller, tenant).await?;
            return Ok(Owner::Tenant(ctx));
        }
        let operator = operator(extensions)?;
        Ok(Owner::Tier {
            owner: owner.clone(),
            actor: operator.actor().to_owned(),
            platform: self.store.platform(&operator),
        })
    }

    pub(crate) async fn job(&self, scope: &AccessScope, id: &JobId) -> Result<Job, ServiceError> {
        let (found, tenant) = match scope {
            AccessScope::Tenant(ctx) => {
                let found = self.begin(ctx).await?.jobs().get(id).await?;
                (found, Some(ctx.tenant().clone()))
            }
            AccessScope::Platform(operator) => (self.store.platform(operator).job(id).await?, None),
        };
        found.ok_or_else(|| ServiceError::not_found(ResourceName::Job(tenant, id.clone())))
    }

    pub(crate) async fn jobs(
        &self,
        scope: &AccessScope,
        before: Option<JobId>,
        limit: u32,
        (kind, state): (Option<JobKind>, Option<JobState>),
    ) -> Result<Vec<Job>, ServiceError> {
        Ok(match scope {
            AccessScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                tx.jobs().list(before, limit, kind, state).await?
            }
            AccessScope::Platform(operator) => {
                let platform = self.store.platform(operator);
                platform.list_jobs(before, limit, kind, state).await?
            }
        })
    }

    /// Asks a job to stop, and answers with it as it is then.
    pub(crate) async fn cancel(
        &self,
        scope: &AccessScope,
        id: &JobId,
    ) -> Result<Option<Job>, ServiceError> {
        let now = self.clock.now();
        Ok(match scope {
            AccessScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                let job = tx.jobs().request_cancel(id, now).await?;
                tx.commit().await?;
                job
            }
            AccessScope::Platform(operator) => {
                self.store
                    .platform(operator)
                    .request_cancel(id, now)
                    .await?
            }
        })
    }
}
