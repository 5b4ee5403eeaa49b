//! The gate: whether a new model has earned its place.
//!
//! A pure decision over evidence that `learning` measures: paired differences between the candidate and
//! what it would replace (a ranker's tier above, a classifier's best baseline), on the same held-out cases.

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

/// What was measured of a candidate against the model it would replace, on the same held-out cases.
///
/// A ranker's gain is a difference of reciprocal ranks; a classifier's is one of what a row is worth
/// (accuracy, F1, or share of the error saved).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateEvidence {
    /// Held-out questions, or rows, that both answered.
    #[serde(alias = "rows")]
    pub queries: u64,
    /// Mean paired difference, candidate minus incumbent.
    pub mean_gain: f64,
    /// Lower end of the bootstrap interval of that mean.
    pub low: f64,
    /// Upper end of the bootstrap interval of that mean.
    pub high: f64,
    /// The candidate's measure minus that of the best baseline.
    #[serde(default)]
    pub margin_over_baselines: f64,
}

/// What the gate demands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateRules {
    /// Fewer cases than this prove nothing.
    pub min_queries: u64,
    /// The mean gain must be above this.
    pub min_gain: f64,
    /// The lower end of the interval must be above this: how much worse the candidate might still
    /// be. Below zero it is a margin of non-inferiority.
    pub min_low: f64,
    /// The candidate may fall behind the best baseline by at most this much.
    pub baseline_tolerance: f64,
}

impl GateRules {
    /// For classifiers, whose incumbent is the best baseline. A classifier is not shrunk towards it, as a
    /// ranker is, so there is no small true gain to protect: it must do no worse in the mean, and not
    /// significantly worse than a margin.
    pub const CLASSIFIER: Self = Self {
        min_queries: 30,
        min_gain: f64::MIN,
        min_low: -0.02,
        baseline_tolerance: 0.0,
    };
    /// For numbers, whose gains are shares of an error instead of shares of rows. A few large values make
    /// most of that error, so its interval is several times as wide at the same number of rows.
    pub const REGRESSION: Self = Self {
        min_low: -0.05,
        ..Self::CLASSIFIER
    };
}

/// Decides, and says why in a sentence that names the incumbent.
#[must_use]
#[allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "so that NaN never promotes"
)]
pub fn decide(rules: &GateRules, evidence: &GateEvidence, incumbent: &str) -> (Verdict, String) {
    let GateEvidence {
        queries,
        mean_gain,
        low,
        high,
        margin_over_baselines,
    } = *evidence;
    if queries < rules.min_queries {
        let least = rules.min_queries;
        let why =
            format!("{queries} held-out cases are too few to prove anything; {least} are needed");
        return (Verdict::InsufficientData, why);
    }
    let measured = format!(
        "mean gain {mean_gain:+.3}, 95 % interval {low:+.3} to {high:+.3}, on {queries} held-out cases"
    );
    // Written so that NaN, which compares as false, never promotes.
    if !(mean_gain > rules.min_gain && low > rules.min_low) {
        let why = format!("not proven against {incumbent}: {measured}");
        return (Verdict::Keep, why);
    }
    if !(margin_over_baselines >= -rules.baseline_tolerance) {
        let why = format!(
            "a simple baseline does better by {:.3}: {measured}",
            -margin_over_baselines
        );
        return (Verdict::Keep, why);
    }
    let how = match (low > 0.0, mean_gain > 0.0) {
        (true, _) => "significantly better than",
        (_, true) => "better in the mean, and not worse by more than the margin, than",
        _ => "not worse by more than the margin than",
    };
    (Verdict::Promote, format!("{how} {incumbent}: {measured}"))
}

/// Whether the version that serves keeps its place from a candidate: it does where it is significantly
/// better on what came after its own training. Says why. The evidence is the candidate's against it.
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
            let (verdict, why) = decide(&RULES, &e, "it");
            let earned = e.queries >= 30 && e.mean_gain > 0.0 && e.low > -0.02 && e.margin_over_baselines >= 0.0;
            prop_assert_eq!(verdict == Verdict::Promote, earned);
            prop_assert!(!why.is_empty());
        }

        #[test]
        fn a_classifier_is_promoted_where_it_is_no_worse_in_the_mean(e in evidence()) {
            let e = GateEvidence { margin_over_baselines: e.mean_gain, ..e };
            for (rules, least) in [(GateRules::CLASSIFIER, -0.02), (GateRules::REGRESSION, -0.05)] {
                let verdict = decide(&rules, &e, "knn").0;
                let earned = e.queries >= 30 && e.mean_gain >= 0.0 && e.low > least;
                prop_assert_eq!(verdict == Verdict::Promote, earned);
            }
        }

        #[test]
        fn better_evidence_never_loses_a_promotion(e in evidence(), more in 0.0..0.5f64) {
            let better = GateEvidence { mean_gain: e.mean_gain + more, low: e.low + more,
                high: e.high + more, queries: e.queries + 10, ..e };
            if decide(&RULES, &e, "it").0 == Verdict::Promote {
                prop_assert_eq!(decide(&RULES, &better, "it").0, Verdict::Promote);
            }
        }
    }

    proptest! {
        #[test]
        fn a_champion_holds_only_where_it_is_significantly_better(e in evidence(), more in 0.0..0.5f64) {
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
        for rules in [RULES, GateRules::CLASSIFIER, GateRules::REGRESSION] {
            assert_eq!(decide(&rules, &e, "it").0, Verdict::Keep);
        }
        assert_eq!(champion_holds(&RULES, &e), None);
    }

    #[test]
    fn evidence_of_classifiers_is_read_as_earlier_versions_wrote_it() {
        let old = r#"{"rows":40,"mean_gain":0.1,"low":0.0,"high":0.2}"#;
        let read: GateEvidence = serde_json::from_str(old).unwrap();
        assert_eq!((read.queries, read.margin_over_baselines), (40, 0.0));
    }
}
