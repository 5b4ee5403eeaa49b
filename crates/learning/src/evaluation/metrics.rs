//! How well a method ranks.

use domain::ModelMetrics;

use super::report::Reliability;
use crate::ranking::{Query, Scored};

/// The place of the first right expert in an answer, from 1; none when there is none.
pub fn first_right(ranked: impl IntoIterator<Item = usize>, right: &[u16]) -> Option<usize> {
    ranked
        .into_iter()
        .position(|e| right.iter().any(|r| usize::from(*r) == e))
        .map(|at| at + 1)
}

/// The reciprocal rank of the first right expert; 0 when there is none.
pub(crate) fn reciprocal(ranked: &[Scored], query: &Query) -> f64 {
    let order = ranked.iter().map(|one| one.expert);
    first_right(order, &query.right).map_or(0.0, |place| 1.0 / place as f64)
}

/// The metrics of answers: for each question the ranked experts and those who were right.
#[must_use]
pub fn metrics(answers: &[(Vec<usize>, &[u16])]) -> ModelMetrics {
    let n = answers.len().max(1) as f64;
    let mut sums = ModelMetrics {
        queries: answers.len() as u64,
        ..ModelMetrics::default()
    };
    for (ranked, right) in answers {
        if let Some(place) = first_right(ranked.iter().copied(), right) {
            sums.hit_at_1 += f64::from(u8::from(place == 1));
            sums.hit_at_5 += f64::from(u8::from(place <= 5));
            sums.mrr += 1.0 / place as f64;
        }
        sums.ndcg_at_10 += ndcg(ranked, right);
    }
    ModelMetrics {
        queries: sums.queries,
        hit_at_1: sums.hit_at_1 / n,
        hit_at_5: sums.hit_at_5 / n,
        mrr: sums.mrr / n,
        ndcg_at_10: sums.ndcg_at_10 / n,
    }
}

/// Järvelin and Kekäläinen (2002), with a gain of one for each right expert.
fn ndcg(ranked: &[usize], right: &[u16]) -> f64 {
    let discount = |place: usize| 1.0 / ((place + 2) as f64).log2();
    let gain: f64 = ranked
        .iter()
        .take(10)
        .enumerate()
        .filter(|(_, e)| right.iter().any(|r| usize::from(*r) == **e))
        .map(|(place, _)| discount(place))
        .sum();
    let ideal: f64 = (0..right.len().min(10)).map(discount).sum();
    if ideal > 0.0 { gain / ideal } else { 0.0 }
}

/// Bins of predicted against observed, and the expected calibration error over them.
#[must_use]
pub(crate) fn reliability(firsts: &[(f64, bool)]) -> (Vec<Reliability>, f64) {
    const BINS: usize = 10;
    let mut sums = [(0u64, 0.0, 0.0); BINS];
    for &(probability, right) in firsts {
        let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
        sums[bin].0 += 1;
        sums[bin].1 += probability;
        sums[bin].2 += f64::from(u8::from(right));
    }
    let total = firsts.len().max(1) as f64;
    let mut error = 0.0;
    let bins =
        sums.iter()
            .filter(|(count, _, _)| *count > 0)
            .map(|&(count, predicted, observed)| {
                let n = count as f64;
                error += n / total * (predicted / n - observed / n).abs();
                Reliability {
                    count,
                    predicted: predicted / n,
                    observed: observed / n,
                }
            });
    let bins = bins.collect();
    (bins, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_count_what_they_say() {
        let right: &[u16] = &[2];
        let answers = [
            (vec![2, 0, 1], right),
            (vec![0, 2, 1], right),
            (vec![0, 1], right),
        ];
        let found = metrics(&answers);
        assert_eq!(found.queries, 3);
        assert!((found.hit_at_1 - 1.0 / 3.0).abs() < 1e-12);
        assert!((found.hit_at_5 - 2.0 / 3.0).abs() < 1e-12);
        assert!((found.mrr - 0.5).abs() < 1e-12);
    }

    #[test]
    fn anyone_of_several_is_right() {
        let right: &[u16] = &[5, 7];
        assert_eq!(first_right([1, 7, 5], right), Some(2));
        let perfect = metrics(&[(vec![7, 5, 1], right)]);
        assert!((perfect.ndcg_at_10 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_calibrated_method_has_no_error() {
        let firsts: Vec<_> = (0..100).map(|i| (0.25, i % 4 == 0)).collect();
        assert!(reliability(&firsts).1 < 1e-12);
    }
}
