//! Calibration: from the ranker's softmax to the probability that an expert is a right one.
//!
//! Platt scaling ("Probabilistic outputs for support vector machines", 1999) on the log-odds of the
//! softmax share, fitted by `linfa-logistic` over all candidates of held-out questions. A question
//! can have several right experts, or none among the candidates, so the softmax alone is no
//! probability of being right.

use linfa::Dataset;
use linfa::traits::Fit as _;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::solvers::log_odds;

/// Fewer right candidates than this fit nothing.
const MIN_RIGHT: usize = 30;

/// `probability = sigmoid(slope * log_odds(share) + shift)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    slope: f64,
    shift: f64,
}

impl Default for Calibration {
    /// The share as it is.
    fn default() -> Self {
        Self {
            slope: 1.0,
            shift: 0.0,
        }
    }
}

impl Calibration {
    /// Fits to pairs of a softmax share and whether that candidate was right; none when they are
    /// too few, or all alike, or give no sensible line (a higher share must mean more).
    #[must_use]
    pub fn fit(pairs: &[(f64, bool)]) -> Option<Self> {
        let right = pairs.iter().filter(|(_, right)| *right).count();
        if right < MIN_RIGHT || pairs.len() - right < MIN_RIGHT {
            return None;
        }
        let x = Array2::from_shape_fn((pairs.len(), 1), |(row, _)| log_odds(pairs[row].0));
        let y: Array1<usize> = pairs.iter().map(|(_, right)| usize::from(*right)).collect();
        let fitted = LogisticRegression::default()
            .alpha(1e-3)
            .max_iterations(200)
            .fit(&Dataset::new(x, y))
            .ok()?;
        // Which class is the positive one is linfa's choice.
        let sign = if fitted.labels().pos.class == 1 {
            1.0
        } else {
            -1.0
        };
        let made = Self {
            slope: sign * fitted.params()[0],
            shift: sign * fitted.intercept(),
        };
        (made.slope > 0.05 && made.slope.is_finite() && made.shift.is_finite()).then_some(made)
    }

    /// The probability that a candidate with this softmax share is right.
    #[must_use]
    pub fn probability(&self, share: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * log_odds(share) + self.shift)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overconfident_share_is_pulled_in() {
        // Shares of 0.9 that are right six times in ten, shares of 0.1 two times in ten.
        let mut pairs = Vec::new();
        for i in 0..200 {
            pairs.push((0.9, i % 10 < 6));
            pairs.push((0.1, i % 10 < 2));
        }
        let calibration = Calibration::fit(&pairs).unwrap();
        assert!(
            (calibration.probability(0.9) - 0.6).abs() < 0.03,
            "{calibration:?}"
        );
        assert!(
            (calibration.probability(0.1) - 0.2).abs() < 0.03,
            "{calibration:?}"
        );
    }

    #[test]
    fn too_little_or_upside_down_fits_nothing() {
        assert!(Calibration::fit(&[(0.5, true); 10]).is_none());
        let upside_down: Vec<_> = (0..400)
            .map(|i| (f64::from(i % 10) / 10.0, i % 10 < 3))
            .collect();
        assert!(Calibration::fit(&upside_down).is_none());
    }

    #[test]
    fn the_ends_stay_inside() {
        let identity = Calibration::default();
        assert!(identity.probability(0.0) > 0.0 && identity.probability(1.0) < 1.0);
        assert!((identity.probability(0.25) - 0.25).abs() < 1e-9);
    }
}
