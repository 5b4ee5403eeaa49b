//! What a search for a tenant's model has tried.

use api::{timestamp, v1};
use domain::{ModelName, ModelOwner, TaskId, TenantContext};
use server::ServiceError;
use storage::StoredTrial;

use crate::Training;
use crate::commands::TrialsQuery;

impl Training {
    /// The trials of searches for a tenant's models.
    pub(crate) async fn trials(
        &self,
        ctx: &TenantContext,
        query: &TrialsQuery,
    ) -> Result<Vec<StoredTrial>, ServiceError> {
        let tx = self.begin(ctx).await?;
        let after = query.after.map(|key| (key.version, key.number));
        let trials = tx.trials();
        let found = trials.list(&query.task, query.version, after, query.limit);
        Ok(found.await?)
    }
}

/// A trial as callers see it.
pub(crate) fn trial_to_wire(ctx: &TenantContext, task: &TaskId, stored: StoredTrial) -> v1::Trial {
    let name = ModelName {
        owner: ModelOwner::Tenant(ctx.tenant().clone()),
        task: task.clone(),
        version: stored.version,
    };
    let trial = stored.trial;
    v1::Trial {
        model: name.to_string(),
        number: trial.number,
        parameters: trial.parameters.into_iter().collect(),
        seed: trial.seed,
        metrics: trial.metrics.into_iter().collect(),
        seconds: trial.seconds,
        chosen: trial.chosen,
        create_time: Some(timestamp(stored.created_at)),
    }
}
