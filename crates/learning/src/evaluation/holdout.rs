//! Judging a candidate on windows that it had not seen, and how far it may move from the tier above.

use super::backtest::{Exam, questions};
use super::metrics::reciprocal;
use crate::parallel::{each, threads};
use crate::ranking::{Calibration, Query, Ranker, RankerRecipe, Scored, fit_each};

/// Windows that judge, the newest ones.
pub(crate) const HOLDOUTS: usize = 12;
/// Each older window counts this much of the next newer one in the judgement.
const FADING: f64 = 0.85;
/// Candidates of each answer that probabilities are calibrated on: those that somebody looks at, and more.
const CALIBRATED: usize = 20;
/// How far from the tier above (0) to what the tenant's own questions say (1) a candidate may lie.
/// The first is taken unless the other does better.
pub(crate) const SHARES: [f64; 2] = [0.5, 1.0];

/// How candidates, made as the final one is but on older windows only, did on each newer window.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    /// Windows that judged, from the newest.
    pub windows: usize,
    /// How far from the tier above the candidate lies: one of [`SHARES`].
    pub share: f64,
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

/// Judges on the newest windows; `exams` are newest first.
pub(crate) fn judge(exams: &[Exam], incumbent: &Ranker, recipe: &RankerRecipe) -> Judgement {
    // The oldest window has nothing before it to fit on: alone, it is judged with the incumbent's
    // own weights.
    let windows = HOLDOUTS.min(exams.len().saturating_sub(1)).max(1);
    let mut fitted = fit_each(&questions(exams), 1..windows + 1, incumbent, recipe);
    for ranker in &mut fitted {
        ranker.calibration = Calibration::default();
    }
    let mut plain = incumbent.clone();
    plain.calibration = Calibration::default();
    let by_share = each(SHARES.len(), threads(), |at| {
        let between = fitted
            .iter()
            .map(|ranker| plain.towards(ranker, SHARES[at]));
        let candidates: Vec<Ranker> = between.collect();
        ask(exams, &candidates, &plain, SHARES[at])
    });
    let gain = |made: &Judgement| -> f64 {
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
    let mut made = best.unwrap_or_else(|| ask(exams, &[], &plain, 0.0));
    made.fitted_on_nothing = exams.len() < 2;
    let [all, even, odd] = calibrations(&made.answers, exams, incumbent.calibration);
    made.firsts = firsts(&made.answers, exams, &[odd, even]);
    made.calibration = all;
    made
}

/// The calibrations that all windows, the even ones and the odd ones give; `otherwise` where they give
/// none.
fn calibrations(
    answers: &[Vec<Vec<Scored>>],
    exams: &[Exam],
    otherwise: Calibration,
) -> [Calibration; 3] {
    const TAKEN: [fn(usize) -> bool; 3] = [|_| true, |back| back % 2 == 0, |back| back % 2 == 1];
    let made = each(TAKEN.len(), threads(), |at| {
        Calibration::fit(&shares(answers, exams, TAKEN[at]))
    });
    std::array::from_fn(|at| made.get(at).copied().flatten().unwrap_or(otherwise))
}

/// The shares of the first candidates in the answers of the `taken` windows, and whether each was right.
fn shares(
    answers: &[Vec<Vec<Scored>>],
    exams: &[Exam],
    taken: fn(usize) -> bool,
) -> Vec<(f64, bool)> {
    let windows = answers.iter().zip(exams).enumerate();
    windows
        .filter(|(back, _)| taken(*back))
        .flat_map(|(_, (answers, exam))| answers.iter().zip(&exam.queries))
        .flat_map(|(answer, query)| {
            let right = |one: &Scored| (one.probability, is_right(query, one.expert));
            answer.iter().take(CALIBRATED).map(right)
        })
        .collect()
}

/// The probability of each answer's first expert, and whether it was right.
fn firsts(
    answers: &[Vec<Vec<Scored>>],
    exams: &[Exam],
    halves: &[Calibration; 2],
) -> Vec<(f64, bool)> {
    let mut made = Vec::new();
    for (back, (answers, exam)) in answers.iter().zip(exams).enumerate() {
        for (answer, query) in answers.iter().zip(&exam.queries) {
            if let Some(first) = answer.first() {
                let probability = halves[back % 2].probability(first.probability);
                made.push((probability, is_right(query, first.expert)));
            }
        }
    }
    made
}

/// The answers of one candidate a window, and of the incumbent.
fn ask(exams: &[Exam], candidates: &[Ranker], incumbent: &Ranker, share: f64) -> Judgement {
    let mut made = Judgement {
        windows: candidates.len(),
        share,
        fitted_on_nothing: false,
        calibration: Calibration::default(),
        pairs: Vec::new(),
        answers: Vec::new(),
        incumbent: Vec::new(),
        firsts: Vec::new(),
    };
    for (back, (exam, candidate)) in exams.iter().zip(candidates).enumerate() {
        let rank = |ranker: &Ranker| -> Vec<Vec<Scored>> {
            let ranked = |query: &Query| ranker.rank(&query.features, &query.candidates);
            exam.queries.iter().map(ranked).collect()
        };
        let (new, old) = (rank(candidate), rank(incumbent));
        let weight = FADING.powi(back as i32);
        for ((query, new), old) in exam.queries.iter().zip(&new).zip(&old) {
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
