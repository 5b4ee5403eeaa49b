//! The registry's side of the service: reading versions, promoting, rolling back.

use api::v1;
use domain::{Alias, ErrorKind, ModelName, ModelVersion, ROLLED_BACK, TaskId, TenantContext};
use learning::EvaluationReport;
use learning::classify::TaskReport;
use server::ServiceError;

use crate::{Training, task_report};

/// Moves of an alias that a roll-back looks back over.
const EVENTS: u32 = 50;

impl Training {
    pub(crate) async fn model(
        &self,
        ctx: &TenantContext,
        name: &ModelName,
    ) -> Result<ModelVersion, ServiceError> {
        let found = self
            .begin(ctx)
            .await?
            .models()
            .get(&name.task, name.version)
            .await?;
        found.ok_or_else(|| ServiceError::not_found(name))
    }

    pub(crate) async fn promote(
        &self,
        ctx: &TenantContext,
        name: &ModelName,
        reason: &str,
    ) -> Result<ModelVersion, ServiceError> {
        self.model(ctx, name).await?;
        let tx = self.begin(ctx).await?;
        let reason = format!("promoted: {reason}");
        let models = tx.models();
        let (task, now) = (&name.task, self.clock.now());
        models
            .set_alias(
                task,
                Alias::Champion,
                Some(name.version),
                &reason,
                ctx.actor(),
                now,
            )
            .await?;
        tx.commit().await?;
        self.model(ctx, name).await
    }

    /// Makes what the champion's place held before its last move serve again.
    pub(crate) async fn roll_back(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        reason: &str,
    ) -> Result<Option<ModelVersion>, ServiceError> {
        let tx = self.begin(ctx).await?;
        let events = tx.models().events(task, EVENTS).await?;
        let current = tx.models().alias(task, Alias::Champion).await?;
        let moves = events.iter().filter(|event| event.alias == Alias::Champion);
        // The newest move that led here and that is not a roll-back itself: two roll-backs in a row
        // go two steps back, not to and fro.
        let mut standing = current;
        let mut target = None;
        for event in moves {
            if event.to == standing && !event.reason.starts_with(ROLLED_BACK) {
                target = Some(event.from);
                break;
            }
            if event.reason.starts_with(ROLLED_BACK) {
                standing = event.to;
            }
        }
        let Some(target) = target else {
            let message = "there is nothing to roll back: no version was ever promoted";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NOTHING_TO_ROLL_BACK",
                message,
            ));
        };
        let reason = format!("{ROLLED_BACK}: {reason}");
        tx.models()
            .set_alias(
                task,
                Alias::Champion,
                target,
                &reason,
                ctx.actor(),
                self.clock.now(),
            )
            .await?;
        tx.commit().await?;
        match target {
            Some(version) => {
                let found = self.begin(ctx).await?.models().get(task, version).await?;
                Ok(found)
            }
            None => Ok(None),
        }
    }
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
    v1::EvaluationReport {
        queries: report.queries,
        history: report.history,
        methods: methods.collect(),
        gain: report.evidence.mean_gain,
        gain_low: report.evidence.low,
        gain_high: report.evidence.high,
        calibration_error: report.calibration_error,
        weights: report.weights.into_iter().collect(),
    }
}
