//! Random search over settings (Bergstra and Bengio, "Random search for hyper-parameter optimization", 2012),
//! bounded and repeatable: the same seed tries the same settings.

use std::time::Instant;

use domain::Trial;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The most trials of one search.
pub const MAX_TRIALS: u32 = 32;
/// Other settings than the usual ones are taken from this gain on: below it is chance.
const MIN_GAIN: f64 = 0.002;

/// A bounded search for settings.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// How many settings are tried, the usual ones among them; [`MAX_TRIALS`] at the most.
    pub trials: u32,
    /// Tells the time, so that it can be said how long a trial took; nothing depends on it.
    pub now: fn() -> Instant,
}

/// What is searched through.
pub(crate) struct SearchSpace<P> {
    /// The usual settings.
    pub usual: P,
    /// Draws others.
    pub draw: fn(&P, &mut ChaCha8Rng) -> P,
    /// Settings as key and value, for the lineage.
    pub parameters: fn(&P) -> Vec<(String, String)>,
}

impl Search {
    /// Tries settings, the usual ones first. `measure` is given the share of the trials that are done, what is
    /// tried in words, and the settings; the first metric that it returns is maximized. Returns the settings
    /// to take, and all trials.
    pub(crate) fn run<P: Copy, E>(
        self,
        seed: u64,
        space: &SearchSpace<P>,
        mut measure: impl FnMut(f32, &str, &P) -> Result<Vec<(String, f64)>, E>,
    ) -> Result<(P, Vec<Trial>), E> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = self.trials.clamp(1, MAX_TRIALS);
        let (mut tried, mut trials) = (Vec::new(), Vec::new());
        for number in 0..count {
            let settings = match number {
                0 => space.usual,
                _ => (space.draw)(&space.usual, &mut random),
            };
            let step = format!("trying settings {} of {count}", number + 1);
            let started = (self.now)();
            let metrics = measure(number as f32 / count as f32, &step, &settings)?;
            trials.push(Trial {
                number,
                parameters: (space.parameters)(&settings),
                seed,
                metrics,
                seconds: (self.now)().duration_since(started).as_secs_f64(),
                chosen: false,
            });
            tried.push(settings);
        }
        let values: Vec<f64> = trials.iter().map(|trial| trial.metrics[0].1).collect();
        let best = best_of(&values);
        trials[best].chosen = true;
        Ok((tried[best], trials))
    }
}

/// Drawn evenly by its logarithm, and cut to three digits: settings are read by people.
pub(crate) fn between(random: &mut ChaCha8Rng, (from, to): (f64, f64)) -> f64 {
    let drawn = random.random_range(from.ln()..to.ln()).exp();
    let digits = 10_f64.powi(2 - drawn.log10().floor() as i32);
    (drawn * digits).round() / digits
}

/// The number of the trial to take: the first one, unless another gained enough over it.
fn best_of(values: &[f64]) -> usize {
    let usual = values.first().copied().unwrap_or(0.0);
    let mut best = 0;
    for (number, value) in values.iter().enumerate() {
        if *value > values[best] && *value >= usual + MIN_GAIN {
            best = number;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_does_not_change_the_settings() {
        assert_eq!(best_of(&[0.5, 0.501, 0.4]), 0);
        assert_eq!(best_of(&[0.5, 0.501, 0.51, 0.505]), 2);
        assert_eq!(best_of(&[]), 0);
    }
}
