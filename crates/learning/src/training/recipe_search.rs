//! A bounded search for better settings of a ranker's training.
//!
//! A search must not cost the gate its honesty: the settings are chosen on windows that are older than
//! all those the gate judges on, each asked of a ranker that was fitted on still older ones.

use domain::{ModelMetrics, Trial};
use rand_chacha::ChaCha8Rng;

use super::progress::{Progress, TrainError, go_on};
use super::random_search::{Search, SearchSpace, between};
use crate::evaluation::{BacktestWindow, HOLDOUTS, INTERPOLATION_WEIGHTS, metrics, questions};
use crate::ranking::{Calibration, Ranker, RankerRecipe, fit_each};

/// Windows that a search judges on at the most.
const VALIDATION: usize = 8;
/// With fewer a search would choose by chance.
const LEAST_VALIDATION: usize = 2;
/// Between these settings are drawn, evenly by their logarithm.
const PRIOR_STRENGTHS: (f64, f64) = (2.0, 400.0);
/// The same for how much of a window is forgotten with each newer one.
const WINDOW_LOSSES: (f64, f64) = (0.005, 0.30);

/// Tries settings on the windows (newest first) that are older than those the gate judges on. The first
/// trial has the usual settings. Without enough older windows nothing is tried.
pub(crate) fn search(
    windows: &[BacktestWindow],
    incumbent: &Ranker,
    (search, seed): (Search, u64),
    progress: &Progress<'_>,
) -> Result<(RankerRecipe, Vec<Trial>), TrainError> {
    // The last window has none to fit on.
    let to = windows.len().saturating_sub(1).min(HOLDOUTS + VALIDATION);
    if to < HOLDOUTS + LEAST_VALIDATION {
        return Ok((RankerRecipe::default(), Vec::new()));
    }
    let space = SearchSpace {
        usual: RankerRecipe::default(),
        draw,
        parameters: RankerRecipe::parameters,
    };
    search.run(seed, &space, |done, step, recipe| {
        go_on(progress, 0.75 + 0.1 * done, step)?;
        Ok(named(&measure(windows, HOLDOUTS..to, incumbent, recipe)))
    })
}

/// Settings drawn at random, within bounds.
fn draw(_: &RankerRecipe, random: &mut ChaCha8Rng) -> RankerRecipe {
    RankerRecipe {
        window_decay: 1.0 - between(random, WINDOW_LOSSES),
        prior_strength: between(random, PRIOR_STRENGTHS),
    }
}

fn named(metrics: &ModelMetrics) -> Vec<(String, f64)> {
    vec![
        ("mrr".to_owned(), metrics.mrr),
        ("hit_at_1".to_owned(), metrics.hit_at_1),
        ("hit_at_5".to_owned(), metrics.hit_at_5),
        ("ndcg_at_10".to_owned(), metrics.ndcg_at_10),
        ("questions".to_owned(), metrics.queries as f64),
    ]
}

/// How rankers of these settings did on the windows, each fitted on those before it; at the better of
/// the two distances from the tier above, as the judgement takes it.
fn measure(
    windows: &[BacktestWindow],
    held_out: std::ops::Range<usize>,
    incumbent: &Ranker,
    recipe: &RankerRecipe,
) -> ModelMetrics {
    let mut plain = incumbent.clone();
    plain.calibration = Calibration::default();
    let before = held_out.start + 1..held_out.end + 1;
    let fitted = fit_each(&questions(windows), before, incumbent, recipe);
    let fitted: Vec<(usize, Ranker)> = held_out.zip(fitted).collect();
    let at = |share: f64| {
        let mut answers = Vec::new();
        for (back, ranker) in &fitted {
            let candidate = plain.towards(ranker, share);
            for query in &windows[*back].queries {
                let ranked = candidate.rank(&query.features, &query.candidates);
                let order: Vec<usize> = ranked.iter().map(|one| one.expert).collect();
                answers.push((order, &query.right[..]));
            }
        }
        metrics(&answers)
    };
    let by_share = INTERPOLATION_WEIGHTS.map(at);
    let better = by_share
        .iter()
        .copied()
        .reduce(|best, next| if next.mrr > best.mrr { next } else { best });
    better.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn settings_round_trip_as_parameters() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..100 {
            let drawn = draw(&RankerRecipe::default(), &mut random);
            assert!((0.7..1.0).contains(&drawn.window_decay), "{drawn:?}");
            assert!((2.0..=400.0).contains(&drawn.prior_strength), "{drawn:?}");
            let mut parameters = drawn.parameters();
            parameters.push(("corrections".to_owned(), "3".to_owned()));
            assert_eq!(RankerRecipe::from_parameters(&parameters), Some(drawn));
        }
        let earlier =
            [("fading", "0.9"), ("shrinkage", "4")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let read = RankerRecipe::from_parameters(&earlier).unwrap();
        assert_eq!((read.window_decay, read.prior_strength), (0.9, 4.0));
        let usual = RankerRecipe::from_parameters(&[]);
        assert_eq!(usual, Some(RankerRecipe::default()));
        for value in ["many", "-1", "inf", "NaN"] {
            let parameters = [("prior_strength".to_owned(), value.to_owned())];
            assert_eq!(RankerRecipe::from_parameters(&parameters), None, "{value}");
        }
    }
}
