//! The report of a task's model as it is printed.

use api::v1;
use serde::Serialize;

use crate::output::{Output, Row, pairs};

/// Labels and mistakes that a person is told; JSON has all.
const TOLD: usize = 12;

/// What was measured of a task's model.
#[derive(Debug, Serialize)]
pub struct ClassificationView {
    rows: u64,
    examples: u64,
    corrections: u64,
    incumbent: String,
    gain: f64,
    gain_low: f64,
    gain_high: f64,
    calibration_error: f64,
    target_precision: f64,
    threshold: f64,
    coverage: f64,
    precision: f64,
    out_of_scope_recall: f64,
    out_of_scope_false_alarms: f64,
    methods: Vec<MethodView>,
    classes: Vec<ClassView>,
    confusions: Vec<ConfusionView>,
    confusions_complete: bool,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MethodView {
    method: String,
    role: String,
    accuracy: f64,
    micro_f1: f64,
    macro_f1: f64,
    weighted_f1: f64,
    mean_absolute_error: f64,
    root_mean_squared_error: f64,
}

#[derive(Debug, Serialize)]
struct ClassView {
    label: String,
    support: u64,
    precision: f64,
    recall: f64,
    f1: f64,
}

#[derive(Debug, Serialize)]
struct ConfusionView {
    actual: String,
    predicted: String,
    count: u64,
}

impl From<v1::ClassificationReport> for ClassificationView {
    fn from(report: v1::ClassificationReport) -> Self {
        let method = |one: v1::ClassificationMethod| MethodView {
            method: one.method,
            role: one.role,
            accuracy: one.accuracy,
            micro_f1: one.micro_f1,
            macro_f1: one.macro_f1,
            weighted_f1: one.weighted_f1,
            mean_absolute_error: one.mean_absolute_error,
            root_mean_squared_error: one.root_mean_squared_error,
        };
        let class = |one: v1::ClassMetrics| ClassView {
            label: one.label,
            support: one.support,
            precision: one.precision,
            recall: one.recall,
            f1: one.f1,
        };
        let confusion = |one: v1::Confusion| ConfusionView {
            actual: one.actual,
            predicted: one.predicted,
            count: one.count,
        };
        Self {
            rows: report.rows,
            examples: report.examples,
            corrections: report.corrections,
            incumbent: report.incumbent,
            gain: report.gain,
            gain_low: report.gain_low,
            gain_high: report.gain_high,
            calibration_error: report.calibration_error,
            target_precision: report.target_precision,
            threshold: report.threshold,
            coverage: report.coverage,
            precision: report.precision,
            out_of_scope_recall: report.out_of_scope_recall,
            out_of_scope_false_alarms: report.out_of_scope_false_alarms,
            methods: report.methods.into_iter().map(method).collect(),
            classes: report.classes.into_iter().map(class).collect(),
            confusions: report.confusions.into_iter().map(confusion).collect(),
            confusions_complete: report.confusions_complete,
            warnings: report.warnings,
        }
    }
}

impl Row for MethodView {
    const COLUMNS: &'static [&'static str] = &[
        "method",
        "role",
        "accuracy",
        "micro F1",
        "macro F1",
        "weighted F1",
        "MAE",
        "RMSE",
    ];
    fn cells(&self) -> Vec<String> {
        let shares = [
            self.accuracy,
            self.micro_f1,
            self.macro_f1,
            self.weighted_f1,
        ];
        let errors = [self.mean_absolute_error, self.root_mean_squared_error];
        // What does not apply to the kind of task is zero.
        let show = |value: &f64| {
            if *value == 0.0 {
                "-".to_owned()
            } else {
                format!("{value:.3}")
            }
        };
        let mut cells = vec![self.method.clone(), self.role.clone()];
        cells.extend(shares.iter().chain(&errors).map(show));
        cells
    }
}

impl Row for ClassView {
    const COLUMNS: &'static [&'static str] = &["label", "rows", "precision", "recall", "F1"];
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.label.clone(), self.support.to_string()];
        cells.extend([self.precision, self.recall, self.f1].map(|value| format!("{value:.3}")));
        cells
    }
}

impl Row for ConfusionView {
    const COLUMNS: &'static [&'static str] = &["right", "answered", "times"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.actual.clone(),
            self.predicted.clone(),
            self.count.to_string(),
        ]
    }
}

impl ClassificationView {
    /// How far confidences may be trusted, and what is answered because of it.
    fn confidence(&self) -> String {
        let (error, asked) = (self.calibration_error, self.target_precision * 100.0);
        let begun =
            format!("off by {error:.3} on average; asked to be right {asked:.0} % of the time");
        // No confidence reaches one.
        if self.threshold >= 1.0 {
            return format!("{begun}, no answer is sure enough: each is left to a person");
        }
        format!(
            "{begun}, it answers {:.0} % of the texts (from a confidence of {:.3} on) and is right in {:.1} %",
            self.coverage * 100.0,
            self.threshold,
            self.precision * 100.0
        )
    }

    /// The report for a person: what was gained, how sure it may be, each method, each label.
    #[must_use]
    pub fn words(&self, out: &Output) -> String {
        let mut fields = vec![(
            "gain".to_owned(),
            format!(
                "{:+.3} against {} (95 % interval {:+.3} to {:+.3}), on {} held-out rows",
                self.gain, self.incumbent, self.gain_low, self.gain_high, self.rows
            ),
        )];
        let learned = format!(
            "{} examples, {} of them corrections",
            self.examples, self.corrections
        );
        fields.push(("learned from".to_owned(), learned));
        if !self.classes.is_empty() {
            fields.push(("confidence".to_owned(), self.confidence()));
        }
        if self.out_of_scope_recall > 0.0 {
            fields.push((
                "out of scope".to_owned(),
                format!(
                    "{:.1} % found, {:.1} % false alarms",
                    self.out_of_scope_recall * 100.0,
                    self.out_of_scope_false_alarms * 100.0
                ),
            ));
        }
        fields.extend(
            self.warnings
                .iter()
                .map(|text| ("beware".to_owned(), text.clone())),
        );
        let mut text = pairs(fields.into_iter());
        text.push('\n');
        text.push_str(&out.table(&self.methods));
        if !self.classes.is_empty() {
            text.push_str(&format!(
                "\nlabels ({} of {})\n",
                self.classes.len().min(TOLD),
                self.classes.len()
            ));
            text.push_str(&out.table(&self.classes[..self.classes.len().min(TOLD)]));
        }
        let mistakes: Vec<&ConfusionView> = self
            .confusions
            .iter()
            .filter(|one| one.actual != one.predicted)
            .collect();
        if !mistakes.is_empty() {
            text.push_str("\nmost frequent mistakes\n");
            for one in mistakes.into_iter().take(TOLD) {
                text.push_str(&format!(
                    "  {} times {} for {}\n",
                    one.count, one.predicted, one.actual
                ));
            }
        }
        text
    }
}
