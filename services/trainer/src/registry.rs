//! The registry's side of the service: reading versions, promoting, rolling back.

use api::v1;
use domain::{Alias, ErrorKind, ModelName, ModelOwner, ModelVersion, ROLLED_BACK, TaskId};
use learning::EvaluationReport;
use learning::classify::TaskReport;
use server::ServiceError;
use storage::{AliasEvent, TierMove};

use crate::scope::ModelScope;
use crate::{Training, task_report};

/// Moves of an alias that a roll-back looks back over.
const EVENTS: u32 = 50;

impl Training {
    pub(crate) async fn promote(
        &self,
        scope: &ModelScope,
        name: &ModelName,
        alias: Alias,
        reason: &str,
    ) -> Result<ModelVersion, ServiceError> {
        self.model(scope, name).await?;
        let reason = format!("promoted: {reason}");
        self.point(scope, &name.task, alias, Some(name.version), &reason)
            .await?;
        self.model(scope, name).await
    }

    /// Makes what the champion's place held before its last move serve again.
    pub(crate) async fn roll_back(
        &self,
        scope: &ModelScope,
        task: &TaskId,
        reason: &str,
    ) -> Result<Option<ModelVersion>, ServiceError> {
        let (events, current) = self.history(scope, task).await?;
        let Some(target) = before(&events, current) else {
            let message = "there is nothing to roll back: no version was ever promoted";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NOTHING_TO_ROLL_BACK",
                message,
            ));
        };
        let reason = format!("{ROLLED_BACK}: {reason}");
        self.point(scope, task, Alias::Champion, target, &reason)
            .await?;
        let Some(version) = target else {
            return Ok(None);
        };
        let owner = match scope {
            ModelScope::Tenant(ctx) => ModelOwner::Tenant(ctx.tenant().clone()),
            ModelScope::Tier { owner, .. } => owner.clone(),
        };
        let name = ModelName {
            owner,
            task: task.clone(),
            version,
        };
        self.model(scope, &name).await.map(Some)
    }

    /// Moves of the champion, newest first, and where it is.
    async fn history(
        &self,
        scope: &ModelScope,
        task: &TaskId,
    ) -> Result<(Vec<AliasEvent>, Option<u64>), ServiceError> {
        Ok(match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                let events = tx.models().events(task, EVENTS).await?;
                let current = tx.models().alias(task, Alias::Champion).await?;
                let of_champion = events.into_iter().filter(|e| e.alias == Alias::Champion);
                (of_champion.collect(), current)
            }
            ModelScope::Tier { owner, .. } => {
                let tiers = self.store.platform().tiers();
                let events = tiers.events(owner, task, EVENTS).await?;
                (events, tiers.champion(owner, task).await?)
            }
        })
    }

    async fn point(
        &self,
        scope: &ModelScope,
        task: &TaskId,
        alias: Alias,
        version: Option<u64>,
        reason: &str,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                let models = tx.models();
                models
                    .set_alias(task, alias, version, reason, ctx.actor(), now)
                    .await?;
                tx.commit().await?;
            }
            ModelScope::Tier { .. } if alias == Alias::Challenger => {
                let message = "a tier has no challenger; tenants try versions by their own policy";
                return Err(ServiceError::invalid("alias", message));
            }
            ModelScope::Tier { owner, actor } => {
                let by = TierMove { reason, actor, now };
                let tiers = self.store.platform().tiers();
                tiers.set_champion(owner, task, version, by).await?;
            }
        }
        Ok(())
    }
}

/// What the champion's place held before its last move; none when it was never moved.
fn before(events: &[AliasEvent], current: Option<u64>) -> Option<Option<u64>> {
    // The newest move that led here and that is not a roll-back itself: two roll-backs in a row
    // go two steps back, not to and fro.
    let mut standing = current;
    for event in events {
        if event.to == standing && !event.reason.starts_with(ROLLED_BACK) {
            return Some(event.from);
        }
        if event.reason.starts_with(ROLLED_BACK) {
            standing = event.to;
        }
    }
    None
}

/// A version as callers see it; with the evaluation when `whole`.
pub(crate) fn to_wire(model: &ModelVersion, whole: bool) -> v1::Model {
    let mut made = v1::Model::from(model);
    if model.name.task != TaskId::experts() {
        if let Some(report) = TaskReport::from_json(&model.report) {
            made.verdict_reason.clone_from(&report.reason);
            made.classification = whole.then(|| task_report::to_wire(report));
        }
        return made;
    }
    let Some(report) = EvaluationReport::from_json(&model.report) else {
        return made;
    };
    made.verdict_reason.clone_from(&report.reason);
    if whole {
        made.evaluation = Some(evaluation(report));
    }
    made
}

fn evaluation(report: EvaluationReport) -> v1::EvaluationReport {
    let methods = report.methods.into_iter().map(|method| v1::MethodResult {
        method: method.method,
        role: method.role,
        metrics: Some(method.metrics.into()),
    });
    let slices = report.slices.into_iter().map(|slice| v1::SliceResult {
        kind: slice.kind,
        name: slice.name,
        queries: slice.queries,
        candidate_mrr: slice.candidate_mrr,
        incumbent_mrr: slice.incumbent_mrr,
    });
    v1::EvaluationReport {
        queries: report.queries,
        history: report.history,
        methods: methods.collect(),
        gain: report.evidence.mean_gain,
        gain_low: report.evidence.low,
        gain_high: report.evidence.high,
        calibration_error: report.calibration_error,
        weights: report.weights.into_iter().collect(),
        windows: report.windows,
        slices: slices.collect(),
        own_share: report.own_share,
    }
}
