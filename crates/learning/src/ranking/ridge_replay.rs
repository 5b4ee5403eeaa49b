//! What ridge scorers said at moments of the past: solved for at each window, from sums that go on from one window
//! to the next. Equal to scorers that had learned until then but for rounding (a test).

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, Axis, Zip, s};

use super::ridge::{BIAS, HALF_LIVES, normal_equations, penalty};
use super::weights::as_read;
use crate::history::{Corpus, HalfLife, Retriever, Window, solved_at};
use crate::solvers::solve;

/// Items whose inputs are made and squared at once.
const BLOCK: usize = 256;

/// What scorers predicted at moments of the past: one pass over the items for each scorer, on which all windows
/// are answered.
pub(crate) struct RidgeReplay<'a> {
    corpus: &'a Corpus,
    vectors: ArrayView2<'a, f32>,
    /// The newest first.
    windows: Vec<Window>,
    /// By window.
    means: Vec<Array1<f32>>,
}

/// What a scorer predicts for a window's questions. Shape: questions by experts.
pub(crate) struct RidgePrediction {
    pub window: usize,
    pub scorer: usize,
    pub questions: Vec<Vec<f32>>,
}

impl<'a> RidgeReplay<'a> {
    /// A replay of `windows`, which are newest first.
    pub(crate) fn new(retriever: &Retriever<'a>, windows: &[Window]) -> Self {
        let (corpus, vectors) = (retriever.corpus(), retriever.vectors());
        let solved = windows.iter().map(|window| solved_at(window.from));
        let ends: Vec<usize> = solved.rev().collect();
        let mut means = means(vectors, &ends);
        means.reverse();
        Self {
            corpus,
            vectors,
            windows: windows.to_vec(),
            means,
        }
    }

    /// Makes the pass of one scorer; `go_on` is asked before each window; none when it said no.
    pub(crate) fn pass(
        &self,
        scorer: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<RidgePrediction>> {
        let mut sums = Sums::new(self.corpus, self.vectors, HALF_LIVES[scorer]);
        let oldest_first = self.windows.iter().enumerate().rev();
        oldest_first
            .map(|(at, window)| {
                if !go_on() {
                    return None;
                }
                sums.take_to(window.from);
                let mean = &self.means[at];
                let penalty = penalty(HALF_LIVES[scorer], window.from);
                let asked = self.vectors.slice(s![window.from..window.to, ..]);
                let expected = predict(asked, mean, &sums.weights(mean, penalty));
                Some(RidgePrediction {
                    window: at,
                    scorer,
                    questions: expected.outer_iter().map(|row| row.to_vec()).collect(),
                })
            })
            .collect()
    }
}

/// Sums over the items taken so far, older ones counting less. Inputs are an item's embedding and the constant.
struct Sums<'a> {
    corpus: &'a Corpus,
    vectors: ArrayView2<'a, f32>,
    half_life: HalfLife,
    taken: usize,
    /// Inputs times inputs; the lower half, and a part of the rest.
    square: Array2<f32>,
    /// By expert, the inputs of what it answered.
    targets: Array2<f64>,
}

impl<'a> Sums<'a> {
    fn new(corpus: &'a Corpus, vectors: ArrayView2<'a, f32>, half_life: HalfLife) -> Self {
        let width = vectors.ncols() + 1;
        Self {
            corpus,
            vectors,
            half_life,
            taken: 0,
            square: Array2::zeros((width, width)),
            targets: Array2::zeros((corpus.experts().len(), width)),
        }
    }

    /// Takes the items up to `n`.
    fn take_to(&mut self, n: usize) {
        let decay = self.half_life.weight(n - self.taken, n);
        self.square *= decay;
        self.targets *= f64::from(decay);
        let width = self.square.nrows();
        // Inputs times the root of the weight: both sides of the square are the same few rows, which stay
        // near the processor.
        let mut block = Array2::<f32>::zeros((BLOCK.min(n - self.taken), width));
        for from in (self.taken..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - from);
            let mut block = block.slice_mut(s![..rows, ..]);
            for (row, inputs) in block.outer_iter_mut().enumerate() {
                let at = from + row;
                self.take(at, self.half_life.weight(n - 1 - at, n), inputs);
            }
            add_lower_half(block.view(), &mut self.square);
        }
        self.taken = n;
    }

    /// Writes one item's inputs, times the root of its weight, and adds them to its experts, who share
    /// its one.
    fn take(&mut self, at: usize, weight: f32, mut inputs: ArrayViewMut1<'_, f32>) {
        let vector = self.vectors.row(at);
        let is_known = vector.iter().any(|value| *value != 0.0);
        let root = weight.sqrt() * f32::from(u8::from(is_known));
        let width = inputs.len();
        let (mut own, mut constant) = inputs.view_mut().split_at(Axis(0), width - 1);
        Zip::from(&mut own)
            .and(vector)
            .for_each(|own, value| *own = root * value);
        constant[0] = root * BIAS;
        let experts = self.corpus.experts_of(at);
        let share = f64::from(root) / experts.len().max(1) as f64;
        for &expert in experts {
            let mut target = self.targets.row_mut(usize::from(expert));
            target.zip_mut_with(&inputs, |sum, value| *sum += share * f64::from(*value));
        }
    }

    /// The weights that predict the experts of the items taken from their inputs, of which `mean` is taken
    /// off: inputs by experts.
    fn weights(&self, mean: &Array1<f32>, penalty: f64) -> Array2<f32> {
        let square = |row: usize, column: usize| f64::from(self.square[[row, column]]);
        let targets = self.targets.t().as_standard_layout().to_owned();
        let (square, targets) = normal_equations(square, targets, &mean.mapv(f64::from), penalty);
        let solved = solve(square, &targets);
        solved.map_or_else(
            || Array2::zeros(targets.dim()),
            |weights| weights.mapv(|weight| as_read(weight as f32)),
        )
    }
}

/// Adds the square of `rows`: its lower half, and a part of the rest.
fn add_lower_half(rows: ArrayView2<'_, f32>, square: &mut Array2<f32>) {
    const PARTS: usize = 4;
    let width = rows.ncols();
    let step = width.div_ceil(PARTS).max(1);
    for from in (0..width).step_by(step) {
        let to = (from + step).min(width);
        let (own, upto) = (rows.slice(s![.., from..to]), rows.slice(s![.., ..to]));
        let mut place = square.slice_mut(s![from..to, ..to]);
        general_mat_mul(1.0, &own.t(), &upto, 1.0, &mut place);
    }
}

/// The mean of the first so many rows, for each of `ends`, which are ascending.
fn means(vectors: ArrayView2<'_, f32>, ends: &[usize]) -> Vec<Array1<f32>> {
    let mut sum = Array1::<f64>::zeros(vectors.ncols());
    let mut from = 0;
    let mean = |&end: &usize| {
        for row in vectors.slice(s![from..end, ..]).outer_iter() {
            sum.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
        from = end;
        sum.mapv(|sum| (sum / end.max(1) as f64) as f32)
    };
    ends.iter().map(mean).collect()
}

/// How much each expert is expected by one scorer. Shape: questions by experts.
fn predict(
    questions: ArrayView2<'_, f32>,
    mean: &Array1<f32>,
    weights: &Array2<f32>,
) -> Array2<f32> {
    let dimensions = mean.len();
    let centred = &questions - mean;
    let constant = weights.row(dimensions).mapv(|weight| weight * BIAS);
    centred.dot(&weights.slice(s![..dimensions, ..])) + constant
}

#[cfg(test)]
mod tests {
    use super::super::ridge::tests::world;
    use super::super::ridge::{RIDGE_SCORERS, RidgeScorer};
    use super::*;

    #[test]
    fn a_replay_predicts_what_scorers_that_learned_until_that_day_do() {
        let (corpus, vectors) = world(60);
        let windows =
            [(58, 60), (56, 58), (55, 56), (12, 14)].map(|(from, to)| Window { from, to });
        let retriever = Retriever::new(&corpus, vectors.view());
        let replay = RidgeReplay::new(&retriever, &windows);
        let all = (0..RIDGE_SCORERS).flat_map(|pass| replay.pass(pass, &|| true).unwrap());
        let mut seen = 0;
        for one in all {
            let window = windows[one.window];
            let scorers = RidgeScorer::fit(&corpus, vectors.view(), window.from);
            for (question, replayed) in (window.from..).zip(&one.questions) {
                let expected = scorers.predict(vectors.row(question), 2);
                let expected = &expected[one.scorer];
                assert!(
                    expected
                        .iter()
                        .zip(replayed)
                        .all(|(a, b)| (a - b).abs() < 1e-3),
                    "{expected:?} {replayed:?}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, RIDGE_SCORERS * 7);
        assert!(replay.pass(0, &|| false).is_none());
    }
}
