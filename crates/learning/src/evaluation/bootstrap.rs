//! The evidence for the gate: paired differences with a bootstrap interval.

use domain::{GateEvidence, GateRules};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const RESAMPLES: usize = 2_000;

/// What a tenant's model must show to take the place of the tier above.
///
/// The candidate is the incumbent's own form, shrunk towards its weights, so a small true gain is
/// the rule and a large loss is not to be expected: it must do better in the mean, and not be
/// significantly worse than the margin. `docs/adr/0003-ranker.md` has what a stricter gate costs.
pub(crate) const TENANT_RULES: GateRules = GateRules {
    min_queries: 30,
    min_gain: 0.0,
    min_low: -0.02,
    baseline_tolerance: 0.02,
};

/// A weighted mean with the ends of its interval.
pub(crate) struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// The weighted mean of paired differences (value and weight), with its percentile bootstrap interval at
/// 95 % (Efron, 1979), resampled from a fixed seed. Without differences the interval is all numbers.
pub(crate) fn bootstrap(differences: &[(f64, f64)], seed: u64) -> Interval {
    let n = differences.len();
    let mean = weighted_mean(differences.iter().copied());
    if n == 0 {
        // Finite, because reports are JSON.
        let (low, high) = (f64::MIN, f64::MAX);
        return Interval { mean, low, high };
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| weighted_mean((0..n).map(|_| differences[random.random_range(0..n)])))
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let quantile = |per_mille: usize| means[RESAMPLES * per_mille / 1_000];
    let (low, high) = (quantile(25), quantile(975));
    Interval { mean, low, high }
}

/// The evidence in paired reciprocal ranks: of each question the candidate's, the incumbent's, and
/// its weight (newer windows have more).
pub(crate) fn ranking_evidence(
    pairs: &[(f64, f64, f64)],
    margin_over_baselines: f64,
    seed: u64,
) -> GateEvidence {
    let differences: Vec<(f64, f64)> = pairs.iter().map(|(new, old, w)| (new - old, *w)).collect();
    let Interval { mean, low, high } = bootstrap(&differences, seed);
    GateEvidence {
        queries: pairs.len() as u64,
        mean_gain: mean,
        low,
        high,
        margin_over_baselines,
    }
}

fn weighted_mean(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = values.fold((0.0, 0.0), |(sum, total), (value, w)| {
        (sum + value * w, total + w)
    });
    if weight > 0.0 { sum / weight } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Verdict, decide};

    #[test]
    fn a_clear_gain_is_proven_and_noise_is_not() {
        let clear: Vec<_> = (0..200)
            .map(|i| (0.8, if i % 2 == 0 { 0.5 } else { 0.7 }, 1.0))
            .collect();
        assert_eq!(
            decide(&TENANT_RULES, &ranking_evidence(&clear, 0.1, 7), "it").0,
            Verdict::Promote
        );
        let noise: Vec<_> = (0..200)
            .map(|i| {
                if i % 2 == 0 {
                    (1.0, 0.5, 1.0)
                } else {
                    (0.5, 1.0, 1.0)
                }
            })
            .collect();
        assert_eq!(
            decide(&TENANT_RULES, &ranking_evidence(&noise, 0.1, 7), "it").0,
            Verdict::Keep
        );
        assert_eq!(
            decide(&TENANT_RULES, &ranking_evidence(&clear[..10], 0.1, 7), "it").0,
            Verdict::InsufficientData
        );
        assert_eq!(
            decide(&TENANT_RULES, &ranking_evidence(&[], 0.1, 7), "it").0,
            Verdict::InsufficientData
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let pairs: Vec<_> = (0..100)
            .map(|i| (f64::from(i % 7) / 7.0, f64::from(i % 5) / 5.0, 1.0))
            .collect();
        assert_eq!(
            ranking_evidence(&pairs, 0.0, 3),
            ranking_evidence(&pairs, 0.0, 3)
        );
    }
}
