//! The gate of tenant-defined tasks: whether a trained head serves in the place of the simple
//! methods that need no training.
//!
//! A head is not shrunk towards what serves, as a ranker is, so there is no small true gain to
//! protect: it must do no worse in the mean, and not be worse than a margin beyond doubt.

use serde::{Deserialize, Serialize};

use crate::Verdict;

/// What was measured of a head against the best simple method, on the same held-out rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadEvidence {
    /// Held-out rows that both answered.
    pub rows: u64,
    /// Mean difference of what a row is worth (accuracy, F1, or share of the error saved).
    pub mean_gain: f64,
    /// Lower end of the bootstrap interval of that mean.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
}

/// What the gate demands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadRules {
    /// Fewer rows than this prove nothing.
    pub min_rows: u64,
    /// The mean gain must not be below this.
    pub min_gain: f64,
    /// The lower end of the interval must be above this.
    pub min_low: f64,
}

impl Default for HeadRules {
    fn default() -> Self {
        Self {
            min_rows: 30,
            min_gain: 0.0,
            min_low: -0.02,
        }
    }
}

impl HeadRules {
    /// For numbers, whose gains are shares of an error instead of shares of rows. A few large values make
    /// most of that error, so its interval is several times as wide at the same number of rows.
    #[must_use]
    pub fn of_numbers() -> Self {
        Self {
            min_low: -0.05,
            ..Self::default()
        }
    }
}

/// Decides, and says why in a sentence.
#[must_use]
#[allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "so that NaN never promotes"
)]
pub fn decide_head(
    rules: &HeadRules,
    evidence: &HeadEvidence,
    incumbent: &str,
) -> (Verdict, String) {
    let HeadEvidence {
        rows,
        mean_gain,
        low,
        high,
    } = *evidence;
    if rows < rules.min_rows {
        let least = rules.min_rows;
        let why = format!("{rows} held-out rows are too few to prove anything; {least} are needed");
        return (Verdict::InsufficientData, why);
    }
    let measured = format!(
        "gain {mean_gain:+.3} over {incumbent}, 95 % interval {low:+.3} to {high:+.3}, on {rows} \
         held-out rows"
    );
    if !(mean_gain >= rules.min_gain && low > rules.min_low) {
        return (
            Verdict::Keep,
            format!("not proven as good as what needs no training: {measured}"),
        );
    }
    (
        Verdict::Promote,
        format!("no worse than any method without training: {measured}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evidence() -> impl Strategy<Value = HeadEvidence> {
        (0u64..200, -1.0..1.0f64, 0.0..0.5f64).prop_map(|(rows, mean, half)| HeadEvidence {
            rows,
            mean_gain: mean,
            low: mean - half,
            high: mean + half,
        })
    }

    proptest! {
        #[test]
        fn promotion_needs_all_of_it(e in evidence()) {
            let (verdict, why) = decide_head(&HeadRules::default(), &e, "knn");
            let earned = e.rows >= 30 && e.mean_gain >= 0.0 && e.low > -0.02;
            prop_assert_eq!(verdict == Verdict::Promote, earned);
            let number = decide_head(&HeadRules::of_numbers(), &e, "knn").0;
            let earned = e.rows >= 30 && e.mean_gain >= 0.0 && e.low > -0.05;
            prop_assert_eq!(number == Verdict::Promote, earned);
            prop_assert!(!why.is_empty());
        }

        #[test]
        fn better_evidence_never_loses_a_promotion(e in evidence(), more in 0.0..0.5f64) {
            let better = HeadEvidence { rows: e.rows + 10, mean_gain: e.mean_gain + more,
                low: e.low + more, high: e.high + more };
            for rules in [HeadRules::default(), HeadRules::of_numbers()] {
                if decide_head(&rules, &e, "knn").0 == Verdict::Promote {
                    prop_assert_eq!(decide_head(&rules, &better, "knn").0, Verdict::Promote);
                }
            }
        }
    }

    #[test]
    fn a_nan_is_not_a_proof() {
        let e = HeadEvidence {
            rows: 100,
            mean_gain: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
        };
        for rules in [HeadRules::default(), HeadRules::of_numbers()] {
            assert_eq!(decide_head(&rules, &e, "knn").0, Verdict::Keep);
        }
    }
}
