//! Jobs that make a version again from its lineage, and say whether the bytes are the same.

use domain::{ModelName, ModelOwner, ModelVersion, TaskId, TenantContext};
use jobs::specs::Reproduced;
use jobs::{JobFailure, JobWork};
use learning::RankerRecipe;
use learning::classification::ClassifierParameters;
use registry::dataset::Pinned;
use registry::inputs::Inputs;
use registry::reproduce::{
    Remade, Reproduction, ReproductionBlocker, compare, corrections, inputs, pinned,
};
use storage::Purpose;

use crate::task_trainer::{HeadPlan, TaskSources};
use crate::tiers::TierTrainer;
use crate::trainer::{Plan, Trainer};

impl Trainer {
    /// Trains a tenant's version again and compares. Keeps nothing and moves nothing.
    pub(crate) async fn reproduce(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        name: &ModelName,
    ) -> Result<Reproduced, JobFailure> {
        if name.owner != ModelOwner::Tenant(ctx.tenant().clone()) {
            return Err(JobFailure::fail("the job is of another tenant"));
        }
        work.progress(0.02, "reading the lineage");
        let tx = self.store.begin(ctx).await?;
        let found = tx.models().get(&name.task, name.version).await?;
        drop(tx);
        let model = present(name, found)?;
        let remade = self.remake(ctx, work, &model).await?;
        Ok(self.compared(work, model, &remade).await)
    }

    /// The same for a version of a tier.
    pub(crate) async fn reproduce_tier(
        &self,
        work: &JobWork,
        name: &ModelName,
    ) -> Result<Reproduced, JobFailure> {
        work.progress(0.02, "reading the lineage");
        let tiers = self.store.maintenance(Purpose::Training).tiers();
        let model = present(name, tiers.get(name).await?)?;
        let remade = self.tier_trainer().remake(work, &model).await?;
        Ok(self.compared(work, model, &remade).await)
    }

    async fn compared(&self, work: &JobWork, model: ModelVersion, remade: &Remade) -> Reproduced {
        work.progress(0.95, "comparing");
        let compared = compare(&self.artifacts, &model, remade, self.code_version).await;
        outcome(model, compared, self.code_version)
    }

    fn tier_trainer(&self) -> TierTrainer {
        TierTrainer {
            store: self.store.clone(),
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            space: self.encoder.name().to_owned(),
            code_version: self.code_version,
        }
    }

    /// The bytes of a tenant's version, trained again.
    async fn remake(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        model: &ModelVersion,
    ) -> Result<Remade, JobFailure> {
        let lineage = &model.lineage;
        if lineage.space != self.encoder.name() {
            return Ok(Err(ReproductionBlocker::SpaceChanged));
        }
        let pinned = match pinned(&self.store, ctx, model).await? {
            Ok(pinned) => pinned,
            Err(blocker) => return Ok(Err(blocker)),
        };
        let inputs = inputs(&self.store, ctx, model).await?;
        let Some(inputs) = inputs else {
            return Ok(Err(ReproductionBlocker::InputsMissing));
        };
        if model.name.task != TaskId::experts() {
            return self.remake_head(ctx, work, model, &pinned, inputs).await;
        }
        let recipe = RankerRecipe::from_parameters(&lineage.parameters);
        let (Some((experts, incumbent)), Some(recipe)) = (inputs.ranker(), recipe) else {
            return Ok(Err(ReproductionBlocker::LineageUnreadable));
        };
        let plan = Plan {
            seed: lineage.seed,
            recipe,
            search: None,
        };
        let made = self
            .train(ctx, work, &pinned.items, &experts, (incumbent, None), plan)
            .await?;
        Ok(Ok(made.to_bytes()))
    }

    async fn remake_head(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        model: &ModelVersion,
        pinned: &Pinned,
        inputs: Inputs,
    ) -> Result<Remade, JobFailure> {
        let Inputs::Task(definition) = inputs else {
            return Ok(Err(ReproductionBlocker::LineageUnreadable));
        };
        let corrections = match corrections(&self.store, ctx, model).await? {
            Ok(corrections) => corrections,
            Err(blocker) => return Ok(Err(blocker)),
        };
        let plan = HeadPlan {
            seed: model.lineage.seed,
            parameters: ClassifierParameters::from_parameters(&model.lineage.parameters),
            search: None,
        };
        let sources = TaskSources {
            definition,
            corrections,
        };
        let made = self
            .train_head(ctx, work, &pinned.items, &sources, plan)
            .await?;
        Ok(Ok(made.classifier.to_bytes()))
    }
}

fn present(name: &ModelName, found: Option<ModelVersion>) -> Result<ModelVersion, JobFailure> {
    found.ok_or_else(|| JobFailure::fail(format!("{name} is not there any more")))
}

fn outcome(model: ModelVersion, compared: Reproduction, code: &str) -> Reproduced {
    let blocker = compared.blocker;
    let same_or_why_not = blocker.map_or("SAME_BYTES", ReproductionBlocker::code);
    Reproduced {
        model: model.name.to_string(),
        reproduced: blocker.is_none(),
        reason: same_or_why_not.to_owned(),
        explanation: compared.explanation,
        stored_checksum: model.checksum,
        made_checksum: compared.made_checksum,
        stored_code_version: model.lineage.code_version,
        code_version: code.to_owned(),
    }
}
