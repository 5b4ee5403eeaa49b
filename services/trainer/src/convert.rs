//! Model versions and their reports, as callers see them.

use api::v1;
use domain::{Comparison, ModelVersion, TaskId};
use learning::EvaluationReport;
use learning::classification::TaskReport;

use crate::compare::ModelComparison;
use crate::task_report;

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
        interpolation_weight: report.interpolation_weight,
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

/// A comparison of two models.
pub(crate) fn comparison_to_wire(made: &ModelComparison) -> v1::CompareModelsResponse {
    use v1::compare_models_response::Outcome;
    let served = made.served.iter().map(|one| v1::ServedResult {
        model: one.model.to_string(),
        answers: one.answers,
        judged: one.judged,
        take_rate: Some(one.take_rate.into()),
        mrr: Some(one.mrr.into()),
        online_evaluation: one
            .online_evaluation
            .as_ref()
            .map(v1::OnlineEvaluation::from),
    });
    let outcome = match made.outcome {
        Comparison::Better => Outcome::Better,
        Comparison::Worse => Outcome::Worse,
        Comparison::Undecided => Outcome::Undecided,
    };
    v1::CompareModelsResponse {
        served: served.collect(),
        take_rate_gain: Some(made.take_rate_gain.into()),
        served_gain: Some(made.served_gain.into()),
        shadow_gain: Some(made.shadow_gain.into()),
        outcome: outcome.into(),
    }
}
