//! Erasure: vectors, models and rows of one tenant, leaving a certificate of counts.

use std::sync::Arc;

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{Clock, Fault};
use jobs::specs::Erased;
use jobs::{EraseTenant, JobFailure, JobHandler, JobWork};
use storage::{Purpose, Store};
use vectors::{Space, VectorError, VectorStore};

/// Erases tenants, derived parts first: while rows are left, the job can still be found and run
/// again, so a crash in the middle leaves nothing behind.
pub struct Eraser {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// Spaces that may hold the tenant's vectors.
    pub spaces: Vec<Space>,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobHandler<EraseTenant> for Eraser {
    async fn run(&self, work: &JobWork, _: EraseTenant) -> Result<Erased, JobFailure> {
        let tenant = work.tenant()?;
        work.progress(0.1, "erasing vectors");
        let mut erased = 0;
        for space in &self.spaces {
            erased += match self.vectors.delete_tenant(space, tenant).await {
                Ok(points) => points,
                // No tenant ever was in it.
                Err(VectorError::UnknownSpace { .. }) => continue,
                Err(error) => return Err(again("vectors", &error)),
            };
            self.vectors
                .flush(space)
                .await
                .map_err(|error| again("vectors", &error))?;
        }
        work.progress(0.4, "erasing models");
        let files = self
            .artifacts
            .delete_all(&format!("tenants/{tenant}"))
            .await
            .map_err(|error| again("model files", &error))?;
        work.progress(0.6, "erasing rows");
        let counts = self
            .store
            .maintenance(Purpose::Erasure)
            .erase_tenant(tenant, self.clock.now())
            .await
            .map_err(|error| again("rows", &error))?;
        Ok(Erased {
            vectors: erased,
            model_files: files,
            rows: counts.into_iter().collect(),
        })
    }
}

/// An erasure has to come to its end, so every failure of it may pass.
fn again(what: &str, error: &impl Fault) -> JobFailure {
    JobFailure::retry(format!("{what} could not be erased yet"), error)
}
