//! Embedding spaces of tenants: which models may be chosen, and where a switch stands.

use api::v1;
use domain::{
    AUTO_EMBEDDING_MODEL, ErrorKind, JobKind, JobState, ResourceName, SpaceState, TenantContext,
};
use embedding::Embedders;
use server::ServiceError;
use vectors::Space;

use crate::Tenants;

impl Tenants {
    /// Refuses a base model that this server cannot make vectors with.
    pub(crate) async fn check_model(&self, name: &str) -> Result<(), ServiceError> {
        let installed = self.embedders.installed().await;
        if installed.contains(&name) {
            return Ok(());
        }
        let message = format!(
            "there is no embedding model {name:?} on this server; it has: {}, and {AUTO_EMBEDDING_MODEL} to have \
             it chosen",
            installed.join(", ")
        );
        let reason = "EMBEDDING_MODEL_UNKNOWN";
        Err(ServiceError::new(
            ErrorKind::InvalidArgument,
            reason,
            message,
        ))
    }

    /// Makes the space of a base model where it is missing: a tenant may begin in it at once.
    pub(crate) async fn make_space(&self, name: &str) -> Result<(), ServiceError> {
        let Some(dimensions) = Embedders::dimensions(name) else {
            return Ok(());
        };
        let space = Space {
            name: name.to_owned(),
            dimensions,
        };
        Ok(self.vectors.ensure_space(&space).await?)
    }

    /// The tenant with where its vectors are.
    pub(crate) async fn with_space(
        &self,
        ctx: &TenantContext,
        tenant: domain::Tenant,
    ) -> Result<v1::Tenant, ServiceError> {
        let tx = self.store.begin(ctx).await?;
        let wanted = tx.spaces().wanted().await?;
        let spaces = tx.spaces().list().await?;
        let jobs = tx.jobs();
        let mut newest = jobs.list(None, 1, Some(JobKind::SwitchSpace), None).await?;
        newest.extend(
            jobs.list(None, 1, Some(JobKind::CompareSpaces), None)
                .await?,
        );
        newest.sort_by_key(|job| std::cmp::Reverse(job.created_at));
        let mut status = v1::EmbeddingSpace {
            comparison: tx.spaces().comparison().await?.map(Into::into),
            ..Default::default()
        };
        for space in spaces {
            match space.state {
                SpaceState::Active => status.active = space.name,
                SpaceState::Retired if space.name != wanted => status.leaving.push(space.name),
                SpaceState::Preparing | SpaceState::Retired => {}
            }
        }
        if status.active != wanted {
            let done = tx.index().watermark(&wanted).await?;
            let all = tx.items().watermark().await?.max(1);
            status.progress = (done as f32 / all as f32).min(1.0);
            status.preparing = wanted;
        }
        if let Some(job) = newest.into_iter().next() {
            status.job = ResourceName::Job(job.tenant, job.id).to_string();
            let failed = job.state == JobState::Failed;
            status.error = job.error.filter(|_| failed).unwrap_or_default();
        }
        Ok(v1::Tenant {
            embedding_space: Some(status),
            ..tenant.into()
        })
    }
}
