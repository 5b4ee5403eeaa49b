//! Trainings in the embedding space of their tenant.

use async_trait::async_trait;
use domain::{ErrorKind, JobKind, TenantContext};
use embedding::Embedders;
use storage::{JobFailure, JobRunner, JobWork, Outcome};

use crate::trainer::{Trainer, retry};

/// Trains each tenant's models on the vectors of its active space, which their lineage names. A model
/// that is ready only after the tenant has switched does not serve: the switch has a training of its
/// own enqueued.
pub struct TenantTrainer {
    /// What trains; its embedder is that of the default space.
    pub trainer: Trainer,
    /// The embedding models.
    pub embedders: Embedders,
}

#[async_trait]
impl JobRunner for TenantTrainer {
    fn kinds(&self) -> &'static [JobKind] {
        self.trainer.kinds()
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let ctx = TenantContext::for_background_work(work.tenant()?, "trainer");
        let tx = self.trainer.store.begin(&ctx).await.map_err(retry)?;
        let active = tx.spaces().active().await.map_err(retry)?;
        drop(tx);
        let embedder = self.embedders.get(&active).await;
        let embedder = embedder.map_err(|error| match error.kind() {
            ErrorKind::FailedPrecondition => JobFailure::Fail(error.to_string()),
            _ => retry(error),
        })?;
        let trainer = Trainer {
            embedder,
            ..self.trainer.clone()
        };
        trainer.run(work).await
    }
}
