//! A bounded search for better settings of a ranker's training.
//!
//! A search must not cost the gate its honesty: the settings are chosen on windows that are older than
//! all those the gate judges on, each asked of a ranker that was fitted on still older ones.

use std::time::Instant;

use domain::{ModelMetrics, Trial};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::progress::{Progress, TrainError, go_on};
use crate::evaluation::{Exam, HOLDOUTS, SHARES, metrics, questions};
use crate::ranking::{Calibration, Ranker, RankerRecipe, fit_each};

/// The most trials of one search.
pub const MAX_TRIALS: u32 = 32;
/// Windows that a search judges on at the most.
const VALIDATION: usize = 8;
/// With fewer a search would choose by chance.
const LEAST_VALIDATION: usize = 2;
/// Other settings than the usual ones are taken from this gain on: below it is chance.
pub(crate) const MIN_GAIN: f64 = 0.002;
/// Between these settings are drawn, evenly by their logarithm.
const SHRINKAGES: (f64, f64) = (2.0, 400.0);
/// The same for how much of a window is forgotten with each newer one.
const FORGOTTEN: (f64, f64) = (0.005, 0.30);

/// A bounded search for settings.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// How many settings are tried, the usual ones among them; [`MAX_TRIALS`] at the most.
    pub trials: u32,
    /// Tells the time, so that it can be said how long a trial took; nothing depends on it.
    pub now: fn() -> Instant,
}

impl Search {
    pub(crate) fn count(&self) -> u32 {
        self.trials.clamp(1, MAX_TRIALS)
    }
}

/// Drawn evenly by its logarithm, and cut to three digits: settings are read by people.
pub(crate) fn between(random: &mut ChaCha8Rng, (from, to): (f64, f64)) -> f64 {
    let drawn = random.random_range(from.ln()..to.ln()).exp();
    let digits = 10_f64.powi(2 - drawn.log10().floor() as i32);
    (drawn * digits).round() / digits
}

/// The number of the trial to take: the first one, unless another gained enough over it.
pub(crate) fn best_of(values: &[f64]) -> usize {
    let usual = values.first().copied().unwrap_or(0.0);
    let mut best = 0;
    for (number, value) in values.iter().enumerate() {
        if *value > values[best] && *value >= usual + MIN_GAIN {
            best = number;
        }
    }
    best
}

/// Tries settings on the exams (newest first) that are older than those the gate judges on. The first
/// trial has the usual settings. Without enough older windows nothing is tried.
pub(crate) fn search(
    exams: &[Exam],
    incumbent: &Ranker,
    (search, seed): (Search, u64),
    progress: &Progress<'_>,
) -> Result<(RankerRecipe, Vec<Trial>), TrainError> {
    // The last window has none to fit on.
    let to = exams.len().saturating_sub(1).min(HOLDOUTS + VALIDATION);
    if to < HOLDOUTS + LEAST_VALIDATION {
        return Ok((RankerRecipe::default(), Vec::new()));
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = search.count();
    let (mut recipes, mut trials) = (Vec::new(), Vec::new());
    for number in 0..count {
        let fraction = 0.75 + 0.1 * number as f32 / count as f32;
        let step = format!("trying settings {} of {count}", number + 1);
        go_on(progress, fraction, &step)?;
        let recipe = match number {
            0 => RankerRecipe::default(),
            _ => draw(&mut random),
        };
        let started = (search.now)();
        let found = measure(exams, HOLDOUTS..to, incumbent, &recipe);
        trials.push(Trial {
            number,
            parameters: recipe.parameters(),
            seed,
            metrics: named(&found),
            seconds: (search.now)().duration_since(started).as_secs_f64(),
            chosen: false,
        });
        recipes.push(recipe);
    }
    let values: Vec<f64> = trials.iter().map(|trial| trial.metrics[0].1).collect();
    let best = best_of(&values);
    trials[best].chosen = true;
    Ok((recipes[best], trials))
}

/// Settings drawn at random, within bounds.
fn draw(random: &mut ChaCha8Rng) -> RankerRecipe {
    RankerRecipe {
        fading: 1.0 - between(random, FORGOTTEN),
        shrinkage: between(random, SHRINKAGES),
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
    exams: &[Exam],
    windows: std::ops::Range<usize>,
    incumbent: &Ranker,
    recipe: &RankerRecipe,
) -> ModelMetrics {
    let mut plain = incumbent.clone();
    plain.calibration = Calibration::default();
    let before = windows.start + 1..windows.end + 1;
    let fitted = fit_each(&questions(exams), before, incumbent, recipe);
    let fitted: Vec<(usize, Ranker)> = windows.zip(fitted).collect();
    let at = |share: f64| {
        let mut answers = Vec::new();
        for (back, ranker) in &fitted {
            let candidate = plain.towards(ranker, share);
            for query in &exams[*back].queries {
                let ranked = candidate.rank(&query.features, &query.candidates);
                let order: Vec<usize> = ranked.iter().map(|one| one.expert).collect();
                answers.push((order, &query.right[..]));
            }
        }
        metrics(&answers)
    };
    let by_share = SHARES.map(at);
    let better = by_share
        .iter()
        .copied()
        .reduce(|best, next| if next.mrr > best.mrr { next } else { best });
    better.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip_as_parameters() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..100 {
            let drawn = draw(&mut random);
            assert!((0.7..1.0).contains(&drawn.fading), "{drawn:?}");
            assert!((2.0..=400.0).contains(&drawn.shrinkage), "{drawn:?}");
            let mut parameters = drawn.parameters();
            parameters.push(("corrections".to_owned(), "3".to_owned()));
            assert_eq!(RankerRecipe::from_parameters(&parameters), Some(drawn));
        }
        let usual = RankerRecipe::from_parameters(&[]);
        assert_eq!(usual, Some(RankerRecipe::default()));
        for value in ["many", "-1", "inf", "NaN"] {
            let parameters = [("shrinkage".to_owned(), value.to_owned())];
            assert_eq!(RankerRecipe::from_parameters(&parameters), None, "{value}");
        }
    }

    #[test]
    fn chance_does_not_change_the_settings() {
        assert_eq!(best_of(&[0.5, 0.501, 0.4]), 0);
        assert_eq!(best_of(&[0.5, 0.501, 0.51, 0.505]), 2);
        assert_eq!(best_of(&[]), 0);
    }
}
