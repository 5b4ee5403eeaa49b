//! The confidence from which on answers are given: where held-out answers of about that confidence are
//! right as often as the target asks. The sum over all more confident answers says nothing about those at
//! the edge: a thousand easy texts would pay for any nonsense.

use super::recipe::{BELIEF, CONFIDENCE_STEP, FLOOR_ODDS};
use crate::solvers::log_odds;

/// No confidence reaches it: the threshold where no part of the held-out rows is precise enough.
pub(super) const NEVER: f64 = 1.0;

/// Held-out answers of about the same confidence.
struct Band {
    /// The confidence of the least confident one.
    lowest: f64,
    /// Answers, and what the calibration counts for among them.
    weight: f64,
    /// Those that were right, and those that the calibration expects to be.
    right: f64,
}

impl Band {
    fn precision(&self) -> f64 {
        self.right / self.weight
    }
}

/// The lowest confidence from which on answers may be given, judged by answers with their calibrated
/// confidence and whether they were right. Three things hold at it and nothing below it is accepted:
///
/// - answers of about that confidence are right as often as `target` asks, where the calibrated confidence
///   itself counts as much as [`BELIEF`] answers, so that one odd row moves little;
/// - so are all answers from there on, and one wrong answer more, so that a handful of lucky ones prove
///   nothing;
/// - it is no lower than [`floor`].
///
/// [`NEVER`] where there is no such confidence.
pub(super) fn threshold_for(target: f64, mut answers: Vec<(f64, bool)>) -> f64 {
    answers.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let precise = bands(&answers)
        .into_iter()
        .take_while(|band| band.precision() >= target)
        .last()
        .map_or(NEVER, |band| band.lowest);
    let least = precise.max(floor(target));
    let (mut right, mut found) = (0_usize, NEVER);
    for (at, (confidence, was_right)) in answers.iter().enumerate() {
        if *confidence < least {
            break;
        }
        right += usize::from(*was_right);
        let last_of_its_kind = answers.get(at + 1).is_none_or(|next| next.0 < *confidence);
        if last_of_its_kind && right as f64 / (at + 2) as f64 >= target {
            found = *confidence;
        }
    }
    found
}

/// No confidence below this is accepted at a target, whatever held-out answers say: a confidence whose
/// odds are less than [`FLOOR_ODDS`] of the target's contradicts it. 0.83 for 0.95, 0.37 for 0.7.
pub(super) fn floor(target: f64) -> f64 {
    let odds = FLOOR_ODDS * target / (1.0 - target).max(1e-9);
    odds / (1.0 + odds)
}

/// Bands of equal width in log-odds, the most confident first; neighbours of which the less confident one
/// did better are one (pool adjacent violators: Ayer and others, 1955), so that precision falls with
/// confidence. `answers` are sorted, the most confident first.
fn bands(answers: &[(f64, bool)]) -> Vec<Band> {
    let step = |confidence: f64| (log_odds(confidence) / CONFIDENCE_STEP).floor();
    let mut pooled: Vec<Band> = Vec::new();
    for same in answers.chunk_by(|a, b| step(a.0) == step(b.0)) {
        let count = same.len() as f64;
        let expected = same.iter().map(|(confidence, _)| confidence).sum::<f64>() / count;
        let right = same.iter().filter(|(_, right)| *right).count() as f64;
        let mut band = Band {
            lowest: same.last().map_or(NEVER, |(confidence, _)| *confidence),
            weight: count + BELIEF,
            right: right + BELIEF * expected,
        };
        while let Some(above) = pooled.pop_if(|above| above.precision() < band.precision()) {
            band.weight += above.weight;
            band.right += above.right;
        }
        pooled.push(band);
    }
    pooled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answers() -> impl Strategy<Value = Vec<(f64, bool)>> {
        prop::collection::vec((0.0..0.999f64, any::<bool>()), 0..200)
    }

    proptest! {
        #[test]
        fn what_is_answered_is_as_precise_as_asked(answers in answers(), target in 0.3..0.99f64) {
            let threshold = threshold_for(target, answers.clone());
            let answered: Vec<bool> =
                answers.iter().filter(|(c, _)| *c >= threshold).map(|(_, right)| *right).collect();
            let right = answered.iter().filter(|right| **right).count();
            prop_assert!(answered.is_empty() || right as f64 / answered.len() as f64 >= target);
        }

        #[test]
        fn a_higher_target_never_answers_more(
            answers in answers(), low in 0.3..0.9f64, more in 0.0..0.09f64
        ) {
            prop_assert!(threshold_for(low + more, answers.clone()) >= threshold_for(low, answers));
        }

        /// Whatever is added to however many easy answers, nothing below the floor is accepted.
        #[test]
        fn easy_answers_do_not_pay_for_others(
            easy in 0..3_000usize, odd in answers(), target in 0.5..0.99f64
        ) {
            let mut all = vec![(0.99, true); easy];
            all.extend(odd);
            prop_assert!(threshold_for(target, all) >= floor(target));
        }

        /// One row more moves the threshold by no more than its neighbourhood.
        #[test]
        fn one_odd_row_moves_little(confidence in 0.0..0.999f64, was_right: bool) {
            let sound: Vec<(f64, bool)> = (0..400)
                .map(|at| 0.5 + 0.49 * f64::from(at) / 400.0)
                .enumerate()
                // About as many are right as the confidence says.
                .map(|(at, c)| (c, (at * 7919 % 1_000) as f64 / 1_000.0 < c))
                .collect();
            let before = threshold_for(0.9, sound.clone());
            let mut more = sound;
            more.push((confidence, was_right));
            let after = threshold_for(0.9, more);
            let moved = (log_odds(after.min(0.99)) - log_odds(before.min(0.99))).abs();
            prop_assert!(moved <= 2.0 * CONFIDENCE_STEP, "{before} {after}");
        }
    }

    #[test]
    fn few_lucky_answers_prove_nothing() {
        assert_eq!(threshold_for(0.95, vec![(0.9, true); 5]), NEVER);
        assert!(threshold_for(0.95, vec![(0.9, true); 50]) < 1.0);
        assert_eq!(threshold_for(0.95, vec![]), NEVER);
    }

    #[test]
    fn one_wrong_row_of_a_rare_label_does_not_open_the_gate() {
        let mut all = vec![(0.98, true); 108];
        let clean = threshold_for(0.95, all.clone());
        all.push((0.03, false));
        assert_eq!(threshold_for(0.95, all.clone()), clean);
        // Nor does one that was right by luck.
        all.push((0.03, true));
        assert_eq!(threshold_for(0.95, all), clean);
    }

    #[test]
    fn a_part_that_is_better_than_it_says_is_answered() {
        // The calibration says 0.88, a hundred rows say 1.
        let mut all = vec![(0.98, true); 100];
        all.extend([(0.88, true); 100]);
        all.extend([(0.6, false); 100]);
        assert!((threshold_for(0.95, all) - 0.88).abs() < 1e-9);
        assert!((floor(0.95) - 0.826).abs() < 1e-3 && floor(0.5) < 0.5);
    }
}
