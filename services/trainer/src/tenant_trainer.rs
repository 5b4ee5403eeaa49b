//! Trainings in the embedding space of their tenant.

use async_trait::async_trait;
use domain::{ErrorKind, JobKind, TenantContext};
use embedding::Embedders;
use encoding::Encoder;
use storage::{JobFailure, JobRunner, JobWork, Outcome};

use crate::commands::ReproducePayload;
use crate::trainer::{Trainer, retry};

/// Trains each tenant's models on the vectors of its active space, which their lineage names. A model
/// that is ready only after the tenant has switched does not serve: the switch has a training of its
/// own enqueued.
pub struct TenantTrainer {
    /// What trains; its encoder is that of the default space.
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
        // Tiers have no texts: making one of theirs again needs no tenant and no vectors.
        let Some(tenant) = &work.job.tenant else {
            return self.trainer.run(work).await;
        };
        let ctx = TenantContext::for_background_work(tenant, "trainer");
        let space = self.space(&ctx, work).await?;
        let embedder = self.embedders.get(&space).await;
        let embedder = embedder.map_err(|error| match error.kind() {
            ErrorKind::FailedPrecondition => JobFailure::Fail(error.to_string()),
            _ => retry(error),
        })?;
        let trainer = Trainer {
            encoder: Encoder::new(self.trainer.store.clone(), embedder),
            ..self.trainer.clone()
        };
        trainer.run(work).await
    }
}

impl TenantTrainer {
    /// The space of a job: that of the version that is made again, else the tenant's active one.
    async fn space(&self, ctx: &TenantContext, work: &JobWork) -> Result<String, JobFailure> {
        let tx = self.trainer.store.begin(ctx).await.map_err(retry)?;
        let active = tx.spaces().active().await.map_err(retry)?;
        let payload = serde_json::from_value::<ReproducePayload>(work.payload.clone());
        let (JobKind::ReproduceModel, Ok(ReproducePayload { model })) = (work.job.kind, payload)
        else {
            return Ok(active);
        };
        let found = tx.models().get(&model.task, model.version).await;
        let trained_in = found.map_err(retry)?.map(|model| model.lineage.space);
        // One that this server has no model of stays with the active one: the outcome says so.
        let known = trained_in.filter(|space| Embedders::dimensions(space).is_some());
        Ok(known.unwrap_or(active))
    }
}
