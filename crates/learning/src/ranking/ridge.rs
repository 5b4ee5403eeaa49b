//! Ridge scorers: linear regressions from a text's embedding to each expert.
//!
//! Nearest items are local evidence; a regression learns directions of the embedding from all items at once.
//! Ridge regression (Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970)
//! in closed form: no iterations, the same bytes each time, and cheap enough to be fitted again whenever the
//! history grows. `linfa-elasticnet` fits it by coordinate descent, without weights by age.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Zip, s};

use crate::history::{Corpus, Retriever, Window};
use crate::solvers::solve;

/// The half-lives of the scorers, as shares of the history: one for the long run, one for lately.
const HALF_LIVES: [f32; RIDGE_SCORERS] = [0.25, 0.08];
/// How many scorers there are.
pub(crate) const RIDGE_SCORERS: usize = 2;
/// Half-lives are rounded to powers of this many items: histories of nearly the same length then have the
/// same, and what was summed up for one goes on to the next.
const PACE: f32 = 1.2;
/// Penalty on the squared weights, in items.
const RIDGE: f64 = 3.0;
/// The constant input beside the embedding; it is penalized like the others.
const BIAS: f32 = 0.5;
/// Items whose inputs are made and squared at once.
const BLOCK: usize = 256;

/// Scorers fitted on a part of a tenant's history.
#[derive(Debug, Clone)]
pub struct RidgeScorer {
    /// Mean of the embeddings.
    mean: Array1<f32>,
    /// One a half-life: inputs (dimensions and the constant) by experts.
    weights: Vec<Array2<f32>>,
}

impl RidgeScorer {
    /// Fits scorers on the first `n` items of `corpus`, whose embeddings are the rows of `vectors`. An
    /// item that has no embedding yet (a row of zeros) is passed over.
    #[must_use]
    pub fn fit<'a>(corpus: &'a Corpus, vectors: ArrayView2<'a, f32>, n: usize) -> Self {
        let mean = means(vectors, &[n]).swap_remove(0);
        let weights = HALF_LIVES.iter().map(|&share| {
            let mut sums = Sums::new(corpus, vectors, half_life(share, n));
            sums.take_to(n);
            sums.weights(&mean)
        });
        Self {
            weights: weights.collect(),
            mean,
        }
    }

    /// For each scorer and each of `questions` (rows), how much each expert is expected: about from 0
    /// to 1. Shape of each: questions by experts.
    #[must_use]
    pub fn predict(&self, questions: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
        let scorers = self.weights.iter();
        scorers
            .map(|weights| predict(questions, &self.mean, weights))
            .collect()
    }

    /// [`RidgeScorer::predict`] for one question.
    #[must_use]
    pub fn predict_one(&self, question: ArrayView1<'_, f32>) -> Vec<Vec<f32>> {
        let all = self.predict(question.insert_axis(Axis(0)));
        all.into_iter()
            .map(|one| one.into_raw_vec_and_offset().0)
            .collect()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let weights: usize = self.weights.iter().map(Array2::len).sum();
        (weights + self.mean.len()) * 4
    }
}

/// The half-life, in items, of a share of a history of `n`.
fn half_life(share: f32, n: usize) -> f32 {
    let exact = (share * n as f32).max(1.0);
    PACE.powi((exact.ln() / PACE.ln()).round() as i32)
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

/// What scorers predicted at moments of the past. Windows whose half-lives are the same share one pass over
/// the items.
pub(crate) struct RidgeReplay<'a> {
    corpus: &'a Corpus,
    vectors: ArrayView2<'a, f32>,
    windows: Vec<Window>,
    /// By window.
    means: Vec<Array1<f32>>,
    passes: Vec<Pass>,
}

/// One pass over the items in order of time.
struct Pass {
    scorer: usize,
    half_life: f32,
    /// The windows whose questions are answered on the way, the oldest first.
    windows: Vec<usize>,
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
        let ends: Vec<usize> = windows.iter().rev().map(|window| window.from).collect();
        let mut means = means(vectors, &ends);
        means.reverse();
        let mut passes: Vec<Pass> = Vec::new();
        for (scorer, &share) in HALF_LIVES.iter().enumerate() {
            for (at, window) in windows.iter().enumerate().rev() {
                let half_life = half_life(share, window.from);
                match passes.last_mut() {
                    Some(pass) if pass.scorer == scorer && pass.half_life == half_life => {
                        pass.windows.push(at);
                    }
                    _ => passes.push(Pass {
                        scorer,
                        half_life,
                        windows: vec![at],
                    }),
                }
            }
        }
        Self {
            corpus,
            vectors,
            windows: windows.to_vec(),
            means,
            passes,
        }
    }

    /// How many passes there are.
    pub(crate) fn passes(&self) -> usize {
        self.passes.len()
    }

    /// Makes one pass; `go_on` is asked before each window; none when it said no.
    pub(crate) fn pass(
        &self,
        which: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<RidgePrediction>> {
        let pass = &self.passes[which];
        let mut sums = Sums::new(self.corpus, self.vectors, pass.half_life);
        let windows = pass.windows.iter();
        windows
            .map(|&at| {
                if !go_on() {
                    return None;
                }
                let window = self.windows[at];
                sums.take_to(window.from);
                let mean = &self.means[at];
                let asked = self.vectors.slice(s![window.from..window.to, ..]);
                let expected = predict(asked, mean, &sums.weights(mean));
                Some(RidgePrediction {
                    window: at,
                    scorer: pass.scorer,
                    questions: expected.outer_iter().map(|row| row.to_vec()).collect(),
                })
            })
            .collect()
    }
}

/// Sums over the items taken so far, each counting half as much after a half-life. Inputs are an item's
/// embedding and the constant.
struct Sums<'a> {
    corpus: &'a Corpus,
    vectors: ArrayView2<'a, f32>,
    half_life: f32,
    taken: usize,
    /// Inputs times inputs; the lower half, and a part of the rest.
    square: Array2<f32>,
    /// By expert, the inputs of what it answered.
    targets: Array2<f64>,
}

impl<'a> Sums<'a> {
    fn new(corpus: &'a Corpus, vectors: ArrayView2<'a, f32>, half_life: f32) -> Self {
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

    fn weight(&self, age: usize) -> f32 {
        (-(age as f32) / self.half_life).exp2()
    }

    /// Takes the items up to `n`.
    fn take_to(&mut self, n: usize) {
        let decay = self.weight(n - self.taken);
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
                self.take(at, self.weight(n - 1 - at), inputs);
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
        let item = &self.corpus.items()[at];
        let share = f64::from(root) / item.experts.len().max(1) as f64;
        for &expert in &item.experts {
            let mut target = self.targets.row_mut(usize::from(expert));
            target.zip_mut_with(&inputs, |sum, value| *sum += share * f64::from(*value));
        }
    }

    /// The weights that predict the experts of the items taken from their inputs, of which `mean` is taken
    /// off: inputs by experts.
    fn weights(&self, mean: &Array1<f32>) -> Array2<f32> {
        let last = mean.len();
        let bias = f64::from(BIAS);
        let mean = mean.mapv(f64::from);
        // What the items weigh together, and the sum of their embeddings.
        let weight = f64::from(self.square[[last, last]]) / (bias * bias);
        let sum = self.square.slice(s![last, ..last]);
        let sum = sum.mapv(|value| f64::from(value) / bias);
        let mut square = Array2::<f64>::zeros(self.square.dim());
        for row in 0..last {
            for column in 0..=row {
                square[[row, column]] = f64::from(self.square[[row, column]])
                    - mean[row] * sum[column]
                    - sum[row] * mean[column]
                    + weight * mean[row] * mean[column];
            }
            square[[last, row]] = bias * (sum[row] - weight * mean[row]);
        }
        square[[last, last]] = bias * bias * weight;
        for at in 0..=last {
            square[[at, at]] += RIDGE;
        }
        let mut targets = self.targets.t().as_standard_layout().to_owned();
        let (mut inputs, constant) = targets.view_mut().split_at(Axis(0), last);
        let counts = constant.row(0).mapv(|count| count / bias);
        for (mut row, mean) in inputs.outer_iter_mut().zip(&mean) {
            row.scaled_add(-mean, &counts);
        }
        let solved = solve(square, &targets);
        solved.map_or_else(
            || Array2::zeros(targets.dim()),
            |weights| weights.mapv(|weight| weight as f32),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Document;
    use domain::ExpertId;

    fn world() -> (Corpus, Array2<f32>) {
        let experts: Vec<Vec<ExpertId>> = (0..60)
            .map(|at| vec![ExpertId::parse(["ada", "bob"][at % 2]).unwrap()])
            .collect();
        let documents = experts.iter().enumerate().map(|(at, experts)| Document {
            point: at as u64,
            text: "text",
            area: None,
            experts,
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let corpus = Corpus::new(documents, &[]).unwrap();
        // Ada's items lie along the first axis, Bob's along the second.
        let vectors = Array2::from_shape_fn((60, 4), |(row, column)| {
            f32::from(u8::from(row % 2 == column)) + 0.01 * ((row * 7 + column) % 5) as f32
        });
        (corpus, vectors)
    }

    #[test]
    fn directions_of_the_embedding_are_learned() {
        let (corpus, vectors) = world();
        let scorers = RidgeScorer::fit(&corpus, vectors.view(), 60);
        for scores in scorers.predict_one(ArrayView1::from(&[1.0, 0.0, 0.0, 0.0])) {
            assert!(scores[0] > 0.4 && scores[0] > scores[1] + 0.3, "{scores:?}");
        }
    }

    #[test]
    fn a_replay_predicts_what_scorers_fitted_on_that_day_do() {
        let (corpus, vectors) = world();
        let ends = [(58, 60), (56, 58), (54, 56), (52, 54)];
        let windows = ends.map(|(from, to)| Window { from, to });
        let retriever = Retriever::new(&corpus, vectors.view());
        let replay = RidgeReplay::new(&retriever, &windows);
        assert!(
            replay.passes() < RIDGE_SCORERS * windows.len(),
            "passes are shared"
        );
        let all = (0..replay.passes()).flat_map(|pass| replay.pass(pass, &|| true).unwrap());
        let mut seen = 0;
        for one in all {
            let window = windows[one.window];
            let scorers = RidgeScorer::fit(&corpus, vectors.view(), window.from);
            let expected = scorers.predict(vectors.slice(s![window.from..window.to, ..]));
            for (replayed, row) in one.questions.iter().zip(expected[one.scorer].outer_iter()) {
                assert!(row.iter().zip(replayed).all(|(a, b)| (a - b).abs() < 1e-4));
                seen += 1;
            }
        }
        assert_eq!(seen, RIDGE_SCORERS * 8);
        assert!(replay.pass(0, &|| false).is_none());
    }

    #[test]
    fn an_item_without_an_embedding_is_left_out() {
        let (corpus, mut vectors) = world();
        for row in 30..60 {
            vectors.row_mut(row).fill(0.0);
        }
        let scorers = RidgeScorer::fit(&corpus, vectors.view(), 60);
        assert!(
            scorers
                .weights
                .iter()
                .flatten()
                .all(|weight| weight.is_finite())
        );
        let none = RidgeScorer::fit(&corpus, vectors.view(), 0);
        assert_eq!(none.predict_one(ArrayView1::from(&[1.0; 4])), [[0.0; 2]; 2]);
    }
}
