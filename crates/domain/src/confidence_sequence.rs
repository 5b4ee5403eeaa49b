//! Confidence sequences: intervals for a mean that may be looked at after every observation.
//!
//! An ordinary interval is right once; whoever peeks until it says what they hope for is wrong far
//! more often. These hold at all times together: asymptotic confidence sequences, from
//! Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
//! asymptotic confidence sequences", Annals of Statistics 52 (2024), with the width tuned to be
//! smallest at [`TUNED_FOR`] observations.

use serde::{Deserialize, Serialize};

/// The number of observations for which the interval is tightest.
const TUNED_FOR: f64 = 200.0;
/// Fewer observations have no interval: the theory is asymptotic.
pub const LEAST_OBSERVATIONS: u64 = 30;

/// A running mean and its spread (Welford's method).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningMean {
    count: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    spread: f64,
}

/// A mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Observations.
    pub count: u64,
    /// Their mean; 0 without any.
    pub mean: f64,
    /// Lower end of the interval; minus infinity with too few observations.
    pub low: f64,
    /// Upper end of the interval; infinity with too few observations.
    pub high: f64,
}

impl RunningMean {
    /// The mean of `count` observations of 0 and 1, of which `ones` were 1.
    #[must_use]
    pub fn of_share(ones: u64, count: u64) -> Self {
        let share = ones.min(count) as f64 / count.max(1) as f64;
        Self {
            count,
            mean: share,
            spread: count as f64 * share * (1.0 - share),
        }
    }

    /// The mean; 0 without observations.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Adds an observation; one that is not a number is passed over.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.spread += distance * (value - self.mean);
    }

    /// The interval that covers the true mean at all times together with probability
    /// `1 - alpha`, for `alpha` between 0 and 1.
    #[must_use]
    pub fn estimate(&self, alpha: f64) -> Estimate {
        let half = self.half_width(alpha);
        Estimate {
            count: self.count,
            mean: self.mean,
            low: self.mean - half,
            high: self.mean + half,
        }
    }

    fn half_width(&self, alpha: f64) -> f64 {
        if self.count < LEAST_OBSERVATIONS {
            return f64::INFINITY;
        }
        let t = self.count as f64;
        let variance = self.spread / (t - 1.0);
        let rho2 = (-2.0 * alpha.ln() + (1.0 - 2.0 * alpha.ln()).ln()) / TUNED_FOR;
        let tr = t * rho2 + 1.0;
        (variance * 2.0 * tr / (t * t * rho2) * (tr.sqrt() / alpha).ln()).sqrt()
    }
}

impl Estimate {
    /// The difference of two independent means, `self` minus `other`; when each holds with
    /// probability `1 - alpha / 2`, so does this with `1 - alpha`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            count: self.count.min(other.count),
            mean: self.mean - other.mean,
            low: self.low - other.high,
            high: self.high - other.low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mean(values: impl IntoIterator<Item = f64>) -> RunningMean {
        let mut made = RunningMean::default();
        values.into_iter().for_each(|value| made.add(value));
        made
    }

    proptest! {
        #[test]
        fn the_mean_is_the_mean_and_lies_inside(values in prop::collection::vec(-1.0..1.0_f64, 1..200)) {
            let estimate = mean(values.clone()).estimate(0.05);
            let plain = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((estimate.mean - plain).abs() < 1e-12);
            prop_assert!(estimate.low <= estimate.mean && estimate.mean <= estimate.high);
        }

        #[test]
        fn less_doubt_is_a_wider_interval(values in prop::collection::vec(-1.0..1.0_f64, 30..200)) {
            let made = mean(values);
            prop_assert!(made.estimate(0.01).low <= made.estimate(0.1).low);
        }
    }

    #[test]
    fn a_share_is_a_mean_of_zeros_and_ones() {
        let one_by_one = mean((0..40).map(|at| f64::from(u8::from(at % 4 == 0))));
        let (share, same) = (
            RunningMean::of_share(10, 40).estimate(0.05),
            one_by_one.estimate(0.05),
        );
        assert!((share.mean - same.mean).abs() < 1e-12 && (share.low - same.low).abs() < 1e-9);
        assert_eq!(RunningMean::of_share(0, 0).estimate(0.05).count, 0);
    }

    #[test]
    fn few_observations_and_strange_ones_prove_nothing() {
        let made = mean([1.0; 29]);
        assert_eq!(made.estimate(0.05).low, f64::NEG_INFINITY);
        let made = mean([f64::NAN, f64::INFINITY]);
        assert_eq!(made.estimate(0.05).count, 0);
    }

    /// A stream without any effect, looked at after every observation, is declared one in few of
    /// many tries. (Looked at like that, ordinary 95 % intervals are wrong in about half of them.)
    #[test]
    fn peeking_is_safe() {
        let mut seed = 7_u64;
        let mut uniform = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as f64 / (1_u64 << 31) as f64
        };
        let (mut wrong, mut wrong_plain) = (0, 0);
        for _ in 0..400 {
            let (mut made, mut sequence, mut plain) = (RunningMean::default(), false, false);
            for _ in 0..1_000 {
                made.add(f64::from(u8::from(uniform() < 0.3)) - 0.3);
                let estimate = made.estimate(0.05);
                sequence |= estimate.low > 0.0 || estimate.high < 0.0;
                if made.count >= LEAST_OBSERVATIONS {
                    let error =
                        (made.spread / (made.count as f64 - 1.0) / made.count as f64).sqrt();
                    plain |= made.mean.abs() > 1.96 * error;
                }
            }
            wrong += u32::from(sequence);
            wrong_plain += u32::from(plain);
        }
        assert!(wrong <= 20, "{wrong} of 400");
        assert!(
            wrong_plain > 100,
            "{wrong_plain} of 400: the test proves nothing"
        );
    }

    #[test]
    fn a_real_difference_is_found() {
        let better = mean((0..400).map(|at| f64::from(u8::from(at % 2 == 0))));
        let worse = mean((0..400).map(|at| f64::from(u8::from(at % 4 == 0))));
        let difference = better.estimate(0.025).minus(&worse.estimate(0.025));
        assert!(difference.low > 0.0, "{difference:?}");
        assert!((difference.mean - 0.25).abs() < 1e-9);
    }
}
