//! Trainings in the embedding space of their tenant.

use async_trait::async_trait;
use domain::{TaskId, TenantContext};
use embedding::Embedders;
use encoding::Encoder;
use jobs::specs::{Checked, Reproduced, Trained};
use jobs::{CheckChampion, JobFailure, JobHandler, JobWork, ReproduceModel, Retrain};

use crate::trainer::Trainer;

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
impl JobHandler<Retrain> for TenantTrainer {
    async fn run(&self, work: &JobWork, job: Retrain) -> Result<Trained, JobFailure> {
        let ctx = work.context("trainer")?;
        let space = self.active(&ctx).await?;
        let trained = self.within(&space).await?.retrain(&ctx, work, &job).await?;
        if job.task == TaskId::experts()
            && let Err(error) = self.compare_if_grown(&ctx).await
        {
            // What was trained is there; the next retrain looks again.
            tracing::warn!(tenant = %ctx.tenant(), %error, "no comparison of spaces was enqueued");
        }
        Ok(trained)
    }
}

#[async_trait]
impl JobHandler<CheckChampion> for TenantTrainer {
    async fn run(&self, work: &JobWork, _: CheckChampion) -> Result<Checked, JobFailure> {
        let ctx = work.context("champion check")?;
        let space = self.active(&ctx).await?;
        self.within(&space).await?.check_champion(&ctx, work).await
    }
}

#[async_trait]
impl JobHandler<ReproduceModel> for TenantTrainer {
    async fn run(&self, work: &JobWork, job: ReproduceModel) -> Result<Reproduced, JobFailure> {
        // Tiers have no texts: making one of theirs again needs no tenant and no vectors.
        if work.job.tenant.is_none() {
            return self.trainer.reproduce_tier(work, &job.model).await;
        }
        let ctx = work.context("trainer")?;
        let space = self.space_of(&ctx, &job).await?;
        let trainer = self.within(&space).await?;
        trainer.reproduce(&ctx, work, &job.model).await
    }
}

impl TenantTrainer {
    /// The trainer on the vectors of a space. A model that is not installed fails the job.
    pub(crate) async fn within(&self, space: &str) -> Result<Trainer, JobFailure> {
        let embedder = self.embedders.get(space).await?;
        Ok(Trainer {
            encoder: Encoder::new(self.trainer.store.clone(), embedder),
            ..self.trainer.clone()
        })
    }

    async fn active(&self, ctx: &TenantContext) -> storage::Result<String> {
        self.trainer.store.begin(ctx).await?.spaces().active().await
    }

    /// The space that the version was trained in. One that this server has no model of gives way to
    /// the active one: the outcome says so.
    async fn space_of(&self, ctx: &TenantContext, job: &ReproduceModel) -> storage::Result<String> {
        let tx = self.trainer.store.begin(ctx).await?;
        let found = tx.models().get(&job.model.task, job.model.version).await?;
        let trained_in = found.map(|model| model.lineage.space);
        match trained_in.filter(|space| Embedders::dimensions(space).is_some()) {
            Some(space) => Ok(space),
            None => tx.spaces().active().await,
        }
    }
}
