//! Erasure: vectors, models and rows of one tenant, leaving a certificate of counts.

use std::sync::Arc;

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{Clock, JobKind};
use storage::{JobFailure, JobRunner, JobWork, Outcome, Purpose, Store};
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
impl JobRunner for Eraser {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::EraseTenant]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let tenant = work.tenant()?;
        let retry = |what: &str, error: &dyn std::fmt::Display| {
            tracing::warn!(%error, what, "erasure will be tried again");
            JobFailure::Retry(format!("{what} could not be erased yet"))
        };
        work.progress(0.1, "erasing vectors");
        let mut erased = 0;
        for space in &self.spaces {
            erased += match self.vectors.delete_tenant(space, tenant).await {
                Ok(points) => points,
                // No tenant ever was in it.
                Err(VectorError::UnknownSpace { .. }) => continue,
                Err(error) => return Err(retry("vectors", &error)),
            };
            self.vectors
                .flush(space)
                .await
                .map_err(|error| retry("vectors", &error))?;
        }
        work.progress(0.4, "erasing models");
        let files = self
            .artifacts
            .delete_all(&format!("tenants/{tenant}"))
            .await
            .map_err(|error| retry("model files", &error))?;
        work.progress(0.6, "erasing rows");
        let counts = self
            .store
            .maintenance(Purpose::Erasure)
            .erase_tenant(tenant, self.clock.now())
            .await
            .map_err(|error| retry("rows", &error))?;
        let mut outcome: Outcome = vec![
            ("vectors".into(), erased.to_string()),
            ("model_files".into(), files.to_string()),
        ];
        outcome.extend(
            counts
                .into_iter()
                .map(|(table, rows)| (table, rows.to_string())),
        );
        Ok(outcome)
    }
}
