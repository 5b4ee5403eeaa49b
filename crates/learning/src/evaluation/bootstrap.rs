//! The evidence for the gate: paired differences and their bootstrap interval.

use domain::{GateEvidence, GateRules};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const RESAMPLES: usize = 2_000;

/// What a tenant's model must show to take the place of the tier above.
///
/// The candidate is the incumbent's own form, shrunk towards its weights, so a small true gain is
/// the rule and a large loss is not to be expected: it must do better in the mean, and be no worse
/// than the margin beyond doubt. `docs/adr/0003-ranker.md` has what a stricter gate costs.
pub(crate) const TENANT_RULES: GateRules = GateRules {
    min_queries: 30,
    min_gain: 0.0,
    min_low: -0.02,
    baseline_tolerance: 0.02,
};

/// The evidence in paired reciprocal ranks: of each question the candidate's, the incumbent's, and
/// how much it counts (newer windows more).
///
/// The interval is a percentile bootstrap (Efron, 1979) over questions, of the weighted mean
/// difference, at 95 %, from a fixed seed.
pub(crate) fn weigh(
    pairs: &[(f64, f64, f64)],
    margin_over_baselines: f64,
    seed: u64,
) -> GateEvidence {
    let queries = pairs.len() as u64;
    let differences: Vec<(f64, f64)> = pairs.iter().map(|(new, old, w)| (new - old, *w)).collect();
    let mean_gain = weighted_mean(differences.iter().copied());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let n = differences.len();
            weighted_mean((0..n).map(|_| differences[random.random_range(0..n)]))
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let (low, high) = match differences.is_empty() {
        true => (f64::NEG_INFINITY, f64::INFINITY),
        false => (means[RESAMPLES * 25 / 1000], means[RESAMPLES * 975 / 1000]),
    };
    GateEvidence {
        queries,
        mean_gain,
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
            decide(&TENANT_RULES, &weigh(&clear, 0.1, 7)).0,
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
            decide(&TENANT_RULES, &weigh(&noise, 0.1, 7)).0,
            Verdict::Keep
        );
        assert_eq!(
            decide(&TENANT_RULES, &weigh(&clear[..10], 0.1, 7)).0,
            Verdict::InsufficientData
        );
        assert_eq!(
            decide(&TENANT_RULES, &weigh(&[], 0.1, 7)).0,
            Verdict::InsufficientData
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let pairs: Vec<_> = (0..100)
            .map(|i| (f64::from(i % 7) / 7.0, f64::from(i % 5) / 5.0, 1.0))
            .collect();
        assert_eq!(weigh(&pairs, 0.0, 3), weigh(&pairs, 0.0, 3));
    }
}
