//! Evaluating a candidate on held-out windows, and choosing how far it may move from the tier above.

use super::backtest::{BacktestWindow, questions};
use super::metrics::reciprocal;
use crate::parallel::{each, threads};
use crate::ranking::{Calibration, Query, Ranker, RankerRecipe, Scored, fit_each};

/// Windows that evaluate_on_holdout, the newest ones.
pub(crate) const HOLDOUTS: usize = 12;
/// Each older window counts this much of the next newer one.
const WINDOW_DECAY: f64 = 0.85;
/// Candidates of each answer that probabilities are calibrated on: those that somebody looks at, and more.
const CALIBRATED: usize = 20;
/// How far from the tier above (0) to what the tenant's own questions say (1) a candidate may lie.
/// The first is taken unless the other does better.
pub(crate) const INTERPOLATION_WEIGHTS: [f64; 2] = [0.5, 1.0];

/// How candidates, made as the final one is but on older windows only, did on each newer window.
#[derive(Debug, Clone)]
pub(crate) struct HoldoutEvaluation {
    /// Held-out windows, from the newest.
    pub windows: usize,
    /// How far from the tier above the candidate lies: one of [`INTERPOLATION_WEIGHTS`].
    pub interpolation_weight: f64,
    /// There was no older window to fit on: the candidate is the tier above.
    pub fitted_on_nothing: bool,
    /// From softmax share to probability.
    pub calibration: Calibration,
    /// Of each question: reciprocal rank of candidate and incumbent, and how much it counts.
    pub pairs: Vec<(f64, f64, f64)>,
    /// The candidate's answers, window by window.
    pub answers: Vec<Vec<Vec<Scored>>>,
    /// The incumbent's answers, window by window.
    pub incumbent: Vec<Vec<Vec<Scored>>>,
    /// Predicted probability of the first expert of each answer, and whether it was right: by a
    /// calibration that was fitted on other windows.
    pub firsts: Vec<(f64, bool)>,
}

/// Evaluates on the newest windows; `windows` are newest first.
pub(crate) fn evaluate_on_holdout(
    windows: &[BacktestWindow],
    incumbent: &Ranker,
    recipe: &RankerRecipe,
) -> HoldoutEvaluation {
    // The oldest window has nothing before it to fit on: alone, it is evaluated with the incumbent's
    // own weights.
    let holdouts = HOLDOUTS.min(windows.len().saturating_sub(1)).max(1);
    let mut fitted = fit_each(&questions(windows), 1..holdouts + 1, incumbent, recipe);
    for ranker in &mut fitted {
        ranker.calibration = Calibration::default();
    }
    let mut plain = incumbent.clone();
    plain.calibration = Calibration::default();
    let by_share = each(INTERPOLATION_WEIGHTS.len(), threads(), |at| {
        let between = fitted
            .iter()
            .map(|ranker| plain.towards(ranker, INTERPOLATION_WEIGHTS[at]));
        let candidates: Vec<Ranker> = between.collect();
        ask(windows, &candidates, &plain, INTERPOLATION_WEIGHTS[at])
    });
    let gain = |made: &HoldoutEvaluation| -> f64 {
        let gains = made
            .pairs
            .iter()
            .map(|(new, old, weight)| (new - old) * weight);
        gains.sum()
    };
    let best = by_share.into_iter().reduce(|best, next| {
        if gain(&next) > gain(&best) {
            next
        } else {
            best
        }
    });
    let mut made = best.unwrap_or_else(|| ask(windows, &[], &plain, 0.0));
    made.fitted_on_nothing = windows.len() < 2;
    let [all, even, odd] = calibrations(&made.answers, windows, incumbent.calibration);
    made.firsts = firsts(&made.answers, windows, &[odd, even]);
    made.calibration = all;
    made
}

/// The calibrations that all windows, the even ones and the odd ones give; `otherwise` where they give
/// none.
fn calibrations(
    answers: &[Vec<Vec<Scored>>],
    windows: &[BacktestWindow],
    otherwise: Calibration,
) -> [Calibration; 3] {
    const TAKEN: [fn(usize) -> bool; 3] = [|_| true, |back| back % 2 == 0, |back| back % 2 == 1];
    let made = each(TAKEN.len(), threads(), |at| {
        Calibration::fit(&shares(answers, windows, TAKEN[at]))
    });
    std::array::from_fn(|at| made.get(at).copied().flatten().unwrap_or(otherwise))
}

/// The shares of the first candidates in the answers of the `taken` windows, and whether each was right.
fn shares(
    answers: &[Vec<Vec<Scored>>],
    windows: &[BacktestWindow],
    taken: fn(usize) -> bool,
) -> Vec<(f64, bool)> {
    let windows = answers.iter().zip(windows).enumerate();
    windows
        .filter(|(back, _)| taken(*back))
        .flat_map(|(_, (answers, window))| answers.iter().zip(&window.queries))
        .flat_map(|(answer, query)| {
            let right = |one: &Scored| (one.probability, is_right(query, one.expert));
            answer.iter().take(CALIBRATED).map(right)
        })
        .collect()
}

/// The probability of each answer's first expert, and whether it was right.
fn firsts(
    answers: &[Vec<Vec<Scored>>],
    windows: &[BacktestWindow],
    halves: &[Calibration; 2],
) -> Vec<(f64, bool)> {
    let mut made = Vec::new();
    for (back, (answers, window)) in answers.iter().zip(windows).enumerate() {
        for (answer, query) in answers.iter().zip(&window.queries) {
            if let Some(first) = answer.first() {
                let probability = halves[back % 2].probability(first.probability);
                made.push((probability, is_right(query, first.expert)));
            }
        }
    }
    made
}

/// The answers of one candidate a window, and of the incumbent.
fn ask(
    windows: &[BacktestWindow],
    candidates: &[Ranker],
    incumbent: &Ranker,
    interpolation_weight: f64,
) -> HoldoutEvaluation {
    let mut made = HoldoutEvaluation {
        windows: candidates.len(),
        interpolation_weight,
        fitted_on_nothing: false,
        calibration: Calibration::default(),
        pairs: Vec::new(),
        answers: Vec::new(),
        incumbent: Vec::new(),
        firsts: Vec::new(),
    };
    for (back, (window, candidate)) in windows.iter().zip(candidates).enumerate() {
        let rank = |ranker: &Ranker| -> Vec<Vec<Scored>> {
            let ranked = |query: &Query| ranker.rank(&query.features, &query.candidates);
            window.queries.iter().map(ranked).collect()
        };
        let (new, old) = (rank(candidate), rank(incumbent));
        let weight = WINDOW_DECAY.powi(back as i32);
        for ((query, new), old) in window.queries.iter().zip(&new).zip(&old) {
            made.pairs
                .push((reciprocal(new, query), reciprocal(old, query), weight));
        }
        made.answers.push(new);
        made.incumbent.push(old);
    }
    made
}

fn is_right(query: &Query, expert: usize) -> bool {
    query.right.iter().any(|r| usize::from(*r) == expert)
}
