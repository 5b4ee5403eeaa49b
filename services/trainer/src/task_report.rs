//! The report of a task's model as callers see it.

use api::v1;
use learning::classification::{ClassReport, MethodScores, TaskReport};

pub(crate) fn to_wire(report: TaskReport) -> v1::ClassificationReport {
    let (recall, alarms) = report.out_of_scope.unwrap_or_default();
    let confusions = report
        .confusions
        .into_iter()
        .map(|(actual, predicted, count)| v1::Confusion {
            actual,
            predicted,
            count,
        });
    v1::ClassificationReport {
        rows: report.rows,
        examples: report.examples,
        corrections: report.corrections,
        methods: report.methods.into_iter().map(method).collect(),
        gain: report.evidence.mean_gain,
        gain_low: report.evidence.low,
        gain_high: report.evidence.high,
        incumbent: report.incumbent,
        calibration_error: report.calibration_error,
        target_precision: report.target_precision,
        threshold: report.threshold,
        coverage: report.coverage,
        precision: report.precision,
        out_of_scope_recall: recall,
        out_of_scope_false_alarms: alarms,
        classes: report.classes.into_iter().map(class).collect(),
        confusions: confusions.collect(),
        confusions_complete: report.confusions_complete,
        warnings: report.warnings,
    }
}

fn method(scores: MethodScores) -> v1::ClassificationMethod {
    v1::ClassificationMethod {
        method: scores.method,
        role: scores.role,
        accuracy: scores.accuracy,
        micro_f1: scores.micro_f1,
        macro_f1: scores.macro_f1,
        weighted_f1: scores.weighted_f1,
        mean_absolute_error: scores.mean_absolute_error,
        root_mean_squared_error: scores.root_mean_squared_error,
    }
}

fn class(class: ClassReport) -> v1::ClassMetrics {
    v1::ClassMetrics {
        label: class.label,
        support: class.support,
        precision: class.precision,
        recall: class.recall,
        f1: class.f1,
    }
}
