//! The evaluation report that is kept with a model.

use domain::{GateEvidence, ModelMetrics, Verdict};
use serde::{Deserialize, Serialize};

/// How one method did on the held-out questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodReport {
    /// For example `dense-knn`, `global ranker`, `tenant ranker`.
    pub method: String,
    /// `baseline`, `incumbent` or `candidate`.
    pub role: String,
    /// The numbers.
    pub metrics: ModelMetrics,
}

/// One bin of predicted against observed probability, for the first expert of each answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Answers in the bin.
    pub count: u64,
    /// Mean of what was predicted.
    pub predicted: f64,
    /// Share that was right.
    pub observed: f64,
}

/// Candidate and incumbent on a part of the questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// What the slice is cut by: `area`, `expert` (how frequent the right one is), `window`.
    pub kind: String,
    /// Which part it is.
    pub name: String,
    /// Its questions.
    pub queries: u64,
    /// Mean reciprocal rank of the candidate.
    pub candidate_mrr: f64,
    /// Mean reciprocal rank of the incumbent.
    pub incumbent_mrr: f64,
}

/// The candidate against the tenant's version that serves, on the held-out questions that came after
/// that one's training: of the others it had seen the answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstChampion {
    /// The version's name.
    pub model: String,
    /// How good each was on these questions.
    pub champion: ModelMetrics,
    /// The candidate.
    pub candidate: ModelMetrics,
    /// The paired differences.
    pub evidence: GateEvidence,
    /// The candidate would have been promoted, but the version that serves is significantly better.
    pub holds: bool,
}

/// What was measured before the gate decided, and what it decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Questions of the time-ordered holdout, over all its windows.
    pub queries: u64,
    /// Items that the compared models could learn from at the last window.
    pub history: u64,
    /// Windows of the holdout, each asked with what was known before it.
    pub windows: u64,
    /// Each method on the same questions.
    pub methods: Vec<MethodReport>,
    /// Where the candidate gains and loses.
    pub slices: Vec<SliceReport>,
    /// The evidence that the gate weighed.
    pub evidence: GateEvidence,
    /// What the gate decided.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// Expected calibration error of the candidate's first probability, over `reliability`.
    pub calibration_error: f64,
    /// Predicted against observed.
    pub reliability: Vec<Reliability>,
    /// How far the candidate lies from the tier above (0) towards what the tenant's own questions
    /// say (1). Stored reports have it by its former name.
    #[serde(rename = "own_share")]
    pub interpolation_weight: f64,
    /// The candidate's weights, by feature.
    pub weights: Vec<(String, f64)>,
    /// Against the version that serves; none where none does, or nothing came after its training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<AgainstChampion>,
}

impl EvaluationReport {
    /// The report as the registry keeps it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The type holds nothing that JSON cannot say: no map with other keys than text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`EvaluationReport::to_json`] wrote.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
