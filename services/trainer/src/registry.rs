//! The registry's side of the service: reading versions, promoting, rolling back.

use std::collections::BTreeSet;

use api::v1;
use domain::{
    Alias, ErrorKind, ModelName, ModelOwner, ModelVersion, PROMOTED, ROLLED_BACK, TaskId,
};
use learning::EvaluationReport;
use learning::classification::TaskReport;
use server::ServiceError;
use storage::{AliasEvent, TierMove};

use crate::scope::ModelScope;
use crate::{Training, task_report};

/// Moves of an alias that a roll-back looks back over.
pub(crate) const EVENTS: u32 = 50;

impl Training {
    pub(crate) async fn promote(
        &self,
        scope: &ModelScope,
        name: &ModelName,
        alias: Alias,
        reason: &str,
    ) -> Result<ModelVersion, ServiceError> {
        self.model(scope, name).await?;
        let reason = format!("{PROMOTED}: {reason}");
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
        let events = self.history(scope, task).await?;
        let Some(target) = before(&events) else {
            let message = "there is nothing to roll back: no version was ever promoted";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NOTHING_TO_ROLL_BACK",
                message,
            ));
        };
        if let Some(version) = target {
            self.standing(scope, task, version).await?;
        }
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

    /// Makes sure that the version a roll-back returns to is still there.
    async fn standing(
        &self,
        scope: &ModelScope,
        task: &TaskId,
        version: u64,
    ) -> Result<(), ServiceError> {
        let owner = match scope {
            ModelScope::Tenant(ctx) => ModelOwner::Tenant(ctx.tenant().clone()),
            ModelScope::Tier { owner, .. } => owner.clone(),
        };
        let task = task.clone();
        let name = ModelName {
            owner,
            task,
            version,
        };
        let found = self.model(scope, &name).await;
        found.map(drop).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let message = format!(
                    "{name}, which served before, was pruned; promote another version instead"
                );
                ServiceError::new(
                    ErrorKind::FailedPrecondition,
                    "ROLL_BACK_TARGET_PRUNED",
                    message,
                )
            }
            _ => error,
        })
    }

    /// Moves of the champion, newest first.
    async fn history(
        &self,
        scope: &ModelScope,
        task: &TaskId,
    ) -> Result<Vec<AliasEvent>, ServiceError> {
        Ok(match scope {
            ModelScope::Tenant(ctx) => {
                let tx = self.begin(ctx).await?;
                let champion = Some(Alias::Champion);
                tx.models().events(task, champion, EVENTS).await?
            }
            ModelScope::Tier { owner, operator } => {
                let tiers = self.store.platform(operator).tiers();
                tiers.events(owner, task, EVENTS).await?
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
            ModelScope::Tier { owner, operator } => {
                let actor = operator.actor();
                let by = TierMove { reason, actor, now };
                let tiers = self.store.platform(operator).tiers();
                tiers.set_champion(owner, task, version, by).await?;
            }
        }
        Ok(())
    }
}

/// What the champion's place held, oldest first, up to what it holds now; of a place that was never
/// moved nothing. A roll-back takes the last one away, so two in a row go two steps back and not to
/// and fro. `events` are its moves, newest first.
fn standings(events: &[AliasEvent]) -> Vec<Option<u64>> {
    let mut held: Vec<Option<u64>> = events.last().map(|event| event.from).into_iter().collect();
    for event in events.iter().rev() {
        if event.reason.starts_with(ROLLED_BACK) {
            held.pop();
        }
        // Where the history is cut, what a roll-back returned to may be out of sight.
        if held.last() != Some(&event.to) {
            held.push(event.to);
        }
    }
    held
}

/// What the champion's place held before its last move; none when it was never moved.
fn before(events: &[AliasEvent]) -> Option<Option<u64>> {
    standings(events).iter().rev().nth(1).copied()
}

/// The versions that the next so many roll-backs in a row return to. `events` are moves of the
/// champion, newest first.
pub(crate) fn roll_back_targets(events: &[AliasEvent], steps: usize) -> BTreeSet<u64> {
    let held = standings(events);
    let below = held.iter().rev().skip(1).take(steps);
    below.copied().flatten().collect()
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
        champion: report.champion.map(|one| v1::ChampionResult {
            model: one.model,
            queries: one.evidence.queries,
            champion_mrr: one.champion.mrr,
            candidate_mrr: one.candidate.mrr,
            gain: one.evidence.mean_gain,
            gain_low: one.evidence.low,
            gain_high: one.evidence.high,
            holds: one.holds,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(from: Option<u64>, to: Option<u64>, reason: &str) -> AliasEvent {
        AliasEvent {
            at: chrono::DateTime::UNIX_EPOCH,
            alias: Alias::Champion,
            from,
            to,
            reason: reason.to_owned(),
            actor: String::new(),
        }
    }

    #[test]
    fn roll_backs_in_a_row_go_back_step_by_step() {
        // Newest first: 1, 4, none, 9, none, 12.
        let mut events = vec![
            moved(None, Some(12), "proven"),
            moved(Some(9), None, "not proven"),
            moved(None, Some(9), "proven"),
            moved(Some(4), None, "not proven"),
            moved(Some(1), Some(4), "proven"),
            moved(None, Some(1), "proven"),
        ];
        let after = |steps| Vec::from_iter(roll_back_targets(&events, steps));
        assert_eq!(after(1), [] as [u64; 0], "the tier above");
        assert_eq!(after(2), [9]);
        assert_eq!(after(4), [4, 9]);
        assert_eq!(after(9), [1, 4, 9]);

        let mut current = Some(12);
        for expected in [None, Some(9), None, Some(4), Some(1), None] {
            let target = before(&events);
            assert_eq!(target, Some(expected), "from {current:?}");
            events.insert(0, moved(current, expected, "rolled back: worse"));
            current = expected;
        }
        assert_eq!(before(&events), None, "nothing is left to roll back");
        events.insert(0, moved(None, Some(13), "proven"));
        assert_eq!(before(&events), Some(None));
        assert_eq!(before(&[]), None);
    }

    #[test]
    fn a_history_that_is_cut_is_no_trouble() {
        let events = vec![
            moved(Some(7), Some(3), "rolled back: worse"),
            moved(Some(5), Some(7), "rolled back: worse"),
        ];
        assert_eq!(before(&events), None);
        assert!(roll_back_targets(&events, 3).is_empty());
    }
}
