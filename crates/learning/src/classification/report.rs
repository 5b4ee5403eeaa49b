//! What was measured of a task's methods, as the registry keeps it.

use domain::{GateEvidence, Verdict};
use serde::{Deserialize, Serialize};

use super::{Decision, SimpleMethod};

/// How one method did on the held-out rows. What does not apply to the kind of task is zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodScores {
    /// `keywords`, `zero-shot`, `knn`, `median` or `head`.
    pub method: String,
    /// `baseline` or `candidate`.
    pub role: String,
    /// Share of rows answered with exactly what is right.
    pub accuracy: f64,
    /// F1 over all decisions.
    pub micro_f1: f64,
    /// Mean F1 of the labels.
    pub macro_f1: f64,
    /// The same, each label weighted by its rows.
    pub weighted_f1: f64,
    /// Mean absolute error.
    pub mean_absolute_error: f64,
    /// Root of the mean squared error.
    pub root_mean_squared_error: f64,
}

/// How well one label is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// The label.
    pub label: String,
    /// Rows that have it.
    pub support: u64,
    /// Of the answers that name it, those that are right.
    pub precision: f64,
    /// Of the rows that have it, those whose answer names it.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// What was measured before the gate decided, and what it decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Held-out rows.
    pub rows: u64,
    /// Examples that the final classifier was fitted on.
    pub examples: u64,
    /// Of them, corrections.
    pub corrections: u64,
    /// Each method on the same rows.
    pub methods: Vec<MethodScores>,
    /// The baseline that the classifier was compared with.
    pub incumbent: String,
    /// The evidence that the gate weighed.
    pub evidence: GateEvidence,
    /// What it decided.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// Expected calibration error of the confidence.
    pub calibration_error: f64,
    /// The target precision that was asked for.
    pub target_precision: f64,
    /// Below this confidence it abstains.
    pub threshold: f64,
    /// Share of rows answered at that threshold.
    pub coverage: f64,
    /// How many of those answers are right.
    pub precision: f64,
    /// Rows out of scope that were found, and rows in scope that were taken for one.
    pub out_of_scope: Option<(f64, f64)>,
    /// By label, the most frequent first.
    pub classes: Vec<ClassReport>,
    /// Right label, answered label, how often.
    pub confusions: Vec<(String, String, u64)>,
    /// Whether these are all cells of the matrix.
    pub confusions_complete: bool,
    /// What a person should know about the data.
    pub warnings: Vec<String>,
    /// How the simple methods' scores become answers on this task, where they serve.
    pub simple: Vec<(SimpleMethod, Decision)>,
}

impl TaskReport {
    /// The report as the registry keeps it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The type holds nothing that JSON cannot say but infinity, which becomes null.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`TaskReport::to_json`] wrote.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
