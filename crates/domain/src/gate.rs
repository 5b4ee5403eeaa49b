//! The gate: whether a new model has earned its place.
//!
//! A pure decision over evidence that `learning` measures: the paired differences of reciprocal
//! rank between the candidate and the tier above, on the same held-out queries.

use serde::{Deserialize, Serialize};

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Proven better: it serves.
    Promote,
    /// Not proven better than the tier above, which keeps serving; or worse than the version that serves,
    /// which does.
    Keep,
    /// Too few queries to tell: the tier above keeps serving.
    InsufficientData,
}

impl Verdict {
    /// The stable text of the verdict, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "PROMOTE",
            Self::Keep => "KEEP",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The verdict that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Promote, Self::Keep, Self::InsufficientData]
            .into_iter()
            .find(|v| v.as_str() == text)
    }
}

/// What was measured of a candidate against the model it would replace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateEvidence {
    /// Held-out queries that both answered.
    pub queries: u64,
    /// Mean difference of reciprocal rank, candidate minus incumbent.
    pub mean_gain: f64,
    /// Lower end of the bootstrap interval of that mean.
    pub low: f64,
    /// Upper end of the bootstrap interval of that mean.
    pub high: f64,
    /// Candidate's MRR minus that of the best baseline.
    pub margin_over_baselines: f64,
}

/// What the gate demands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateRules {
    /// Fewer queries than this prove nothing.
    pub min_queries: u64,
    /// The mean gain must be above this.
    pub min_gain: f64,
    /// The lower end of the interval must be above this: how much worse the candidate might still
    /// be. Below zero it is a margin of non-inferiority.
    pub min_low: f64,
    /// The candidate may fall behind the best baseline by at most this much.
    pub baseline_tolerance: f64,
}

/// Decides, and says why in a sentence.
#[must_use]
#[allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "so that NaN never promotes"
)]
pub fn decide(rules: &GateRules, evidence: &GateEvidence) -> (Verdict, String) {
    let GateEvidence {
        queries,
        mean_gain,
        low,
        high,
        margin_over_baselines,
    } = *evidence;
    if queries < rules.min_queries {
        let least = rules.min_queries;
        return (
            Verdict::InsufficientData,
            format!(
                "{queries} held-out questions are too few to prove anything; {least} are needed"
            ),
        );
    }
    let interval = format!("MRR {mean_gain:+.3}, 95 % interval {low:+.3} to {high:+.3}");
    // Written so that NaN, which compares as false, never promotes.
    if !(mean_gain > rules.min_gain && low > rules.min_low) {
        return (
            Verdict::Keep,
            format!(
                "not proven better than the model it is weighed against: {interval} over {queries} questions"
            ),
        );
    }
    if !(margin_over_baselines >= -rules.baseline_tolerance) {
        return (
            Verdict::Keep,
            format!(
                "a simple baseline does better by {:.3} MRR",
                -margin_over_baselines
            ),
        );
    }
    (
        Verdict::Promote,
        format!("better than the model it is weighed against: {interval} over {queries} questions"),
    )
}

/// Whether the version that serves keeps its place from a candidate: it does where it is better beyond
/// doubt on what came after its own training. Says why. The evidence is the candidate's against it.
#[must_use]
pub fn champion_holds(rules: &GateRules, evidence: &GateEvidence) -> Option<String> {
    let GateEvidence {
        queries,
        mean_gain,
        low,
        high,
        ..
    } = *evidence;
    (queries >= rules.min_queries && high < 0.0).then(|| {
        format!(
            "the version that serves does better on what came after its training: MRR {mean_gain:+.3}, \
             95 % interval {low:+.3} to {high:+.3} over {queries} questions"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: GateRules = GateRules {
        min_queries: 30,
        min_gain: 0.0,
        min_low: -0.02,
        baseline_tolerance: 0.0,
    };

    fn evidence() -> impl Strategy<Value = GateEvidence> {
        (0u64..500, -1.0..1.0f64, 0.0..0.5f64, -0.5..0.5f64).prop_map(
            |(queries, mean, half, margin)| GateEvidence {
                queries,
                mean_gain: mean,
                low: mean - half,
                high: mean + half,
                margin_over_baselines: margin,
            },
        )
    }

    proptest! {
        #[test]
        fn promotion_needs_all_of_it(e in evidence()) {
            let (verdict, why) = decide(&RULES, &e);
            let earned = e.queries >= 30 && e.mean_gain > 0.0 && e.low > -0.02 && e.margin_over_baselines >= 0.0;
            prop_assert_eq!(verdict == Verdict::Promote, earned);
            prop_assert!(!why.is_empty());
        }

        #[test]
        fn better_evidence_never_loses_a_promotion(e in evidence(), more in 0.0..0.5f64) {
            let better = GateEvidence { mean_gain: e.mean_gain + more, low: e.low + more,
                high: e.high + more, queries: e.queries + 10, ..e };
            if decide(&RULES, &e).0 == Verdict::Promote {
                prop_assert_eq!(decide(&RULES, &better).0, Verdict::Promote);
            }
        }
    }

    proptest! {
        #[test]
        fn a_champion_holds_only_beyond_doubt(e in evidence(), more in 0.0..0.5f64) {
            let held = champion_holds(&RULES, &e).is_some();
            prop_assert_eq!(held, e.queries >= 30 && e.high < 0.0);
            // A candidate that does better is held off by less.
            let better = GateEvidence { mean_gain: e.mean_gain + more, low: e.low + more,
                high: e.high + more, ..e };
            prop_assert!(held || champion_holds(&RULES, &better).is_none());
        }
    }

    #[test]
    fn a_nan_is_not_a_proof() {
        let e = GateEvidence {
            queries: 100,
            mean_gain: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
            margin_over_baselines: 0.1,
        };
        assert_eq!(decide(&RULES, &e).0, Verdict::Keep);
        assert_eq!(champion_holds(&RULES, &e), None);
    }
}
