//! How models do after their training: on new items, and in front of people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Estimate, RunningMean};

/// The probability of calling a model better or worse than another where neither is (alpha).
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;

/// How a version does on the questions that came after its training, against the tier above.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineEvaluation {
    /// The version.
    pub version: u64,
    /// The name of the model it is compared with.
    pub reference_model: String,
    /// The sums.
    pub tally: Tally,
    /// Questions that were ingested or answered up to this time are in the sums.
    pub covered_until: DateTime<Utc>,
    /// When the sums were last added to.
    pub updated_at: DateTime<Utc>,
}

/// Reciprocal ranks of two models on the same questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Of the version itself.
    pub own: RunningMean,
    /// Of the reference model.
    pub other: RunningMean,
    /// The difference, question by question: own minus other.
    pub difference: RunningMean,
}

impl Tally {
    /// Adds a question: the reciprocal ranks of both.
    pub fn add(&mut self, own: f64, other: f64) {
        self.own.add(own);
        self.other.add(other);
        self.difference.add(own - other);
    }

    /// The mean difference with its interval.
    #[must_use]
    pub fn gain(&self) -> Estimate {
        self.difference.estimate(SIGNIFICANCE_LEVEL)
    }

    /// Whether the version is significantly worse than the other.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.gain().high < 0.0
    }
}

/// What a comparison of two models says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The candidate is significantly better.
    Better,
    /// The candidate is significantly worse.
    Worse,
    /// Nothing can be said yet.
    Undecided,
}

impl Comparison {
    /// What the differences (candidate minus baseline) say together, each with its own interval.
    /// One that says better and one that says worse leave it undecided.
    #[must_use]
    pub fn of(differences: &[Estimate]) -> Self {
        let better = differences.iter().any(|one| one.low > 0.0);
        let worse = differences.iter().any(|one| one.high < 0.0);
        match (better, worse) {
            (true, false) => Self::Better,
            (false, true) => Self::Worse,
            _ => Self::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_falls_far_behind_is_noticed_and_noise_is_not() {
        let mut tally = Tally::default();
        for at in 0..60 {
            tally.add(if at % 3 == 0 { 1.0 } else { 0.2 }, 1.0);
        }
        assert!(tally.is_behind(), "{:?}", tally.gain());
        let mut noise = Tally::default();
        for at in 0..200 {
            noise.add([1.0, 0.5][at % 2], [0.5, 1.0][at % 2]);
        }
        assert!(!noise.is_behind());
        assert!(!Tally::default().is_behind());
    }

    #[test]
    fn evidence_that_disagrees_decides_nothing() {
        let estimate = |low: f64, high: f64| Estimate {
            count: 100,
            mean: (low + high) / 2.0,
            low,
            high,
        };
        let (up, down, wide) = (
            estimate(0.1, 0.2),
            estimate(-0.2, -0.1),
            estimate(-0.1, 0.1),
        );
        assert_eq!(Comparison::of(&[up, wide]), Comparison::Better);
        assert_eq!(Comparison::of(&[down, wide]), Comparison::Worse);
        assert_eq!(Comparison::of(&[up, down]), Comparison::Undecided);
        assert_eq!(Comparison::of(&[wide]), Comparison::Undecided);
        assert_eq!(Comparison::of(&[]), Comparison::Undecided);
    }
}
