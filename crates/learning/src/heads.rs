//! Heads: linear regressions from a text's embedding to who answers.
//!
//! Nearest items speak for a question's neighbourhood; a head has learned directions of meaning from
//! all items at once. Ridge regression (Hoerl and Kennard, 1970) in closed form: no iterations, the
//! same bytes each time, and cheap enough to be made again whenever the history grows.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip, s};

use crate::Corpus;
use crate::linear::solve;
use crate::statistics::HalfLife;

/// The half-lives of the heads: one for the long run, one for lately.
const HALF_LIVES: [HalfLife; HEADS] = [HalfLife::Share(0.25), HalfLife::Share(0.08)];
/// How many heads there are.
pub(crate) const HEADS: usize = 2;
/// Penalty on the squared weights, in items.
const RIDGE: f64 = 3.0;
/// The constant input beside the embedding; it is penalized like the others.
const BIAS: f32 = 0.5;
/// Items whose inputs are made and squared at once.
const BLOCK: usize = 256;

/// Heads fitted on a part of a tenant's history.
#[derive(Debug, Clone)]
pub struct Heads {
    /// Mean of the embeddings.
    mean: Array1<f32>,
    /// One a half-life: inputs (dimensions and the constant) by experts.
    weights: Vec<Array2<f32>>,
}

impl Heads {
    /// Fits heads on the first `n` items of `corpus`, whose embeddings are the rows of `vectors`. An
    /// item that has no embedding yet (a row of zeros) is passed over.
    #[must_use]
    pub fn fit(corpus: &Corpus, vectors: ArrayView2<'_, f32>, n: usize) -> Self {
        let (experts, dimensions) = (corpus.experts().len(), vectors.ncols());
        let history = vectors.slice(s![..n, ..]);
        let mut mean = Array1::<f32>::zeros(dimensions);
        for row in history.outer_iter() {
            mean += &row;
        }
        mean /= n.max(1) as f32;
        let known: Vec<bool> = history
            .outer_iter()
            .map(|row| row.iter().any(|value| *value != 0.0))
            .collect();
        let weights = HALF_LIVES
            .iter()
            .map(|half| {
                let mut weights = half.weights(n);
                for (weight, known) in weights.iter_mut().zip(&known) {
                    *weight *= f32::from(u8::from(*known));
                }
                ridge(corpus, history, &mean, &weights)
                    .unwrap_or_else(|| Array2::zeros((dimensions + 1, experts)))
            })
            .collect();
        Self { mean, weights }
    }

    /// For each head and each of `questions` (rows), how much each expert is expected: about from 0
    /// to 1. Shape of each: questions by experts.
    #[must_use]
    pub fn predict(&self, questions: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
        let dimensions = self.mean.len();
        let centred = &questions - &self.mean;
        self.weights
            .iter()
            .map(|weights| {
                let constant = weights.row(dimensions).mapv(|weight| weight * BIAS);
                centred.dot(&weights.slice(s![..dimensions, ..])) + constant
            })
            .collect()
    }

    /// [`Heads::predict`] for one question.
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

/// The weights that predict each item's experts, who share its one, from its inputs.
fn ridge(
    corpus: &Corpus,
    history: ArrayView2<'_, f32>,
    mean: &Array1<f32>,
    weights: &[f32],
) -> Option<Array2<f32>> {
    let (n, width) = (history.nrows(), mean.len() + 1);
    let mut square = Array2::<f32>::zeros((width, width));
    let mut targets = Array2::<f64>::zeros((corpus.experts().len(), width));
    // Inputs times the root of the weight: both sides of the square are the same few rows, which stay
    // near the processor.
    let mut block = Array2::<f32>::zeros((BLOCK.min(n), width));
    for from in (0..n).step_by(BLOCK) {
        let rows = BLOCK.min(n - from);
        let mut block = block.slice_mut(s![..rows, ..]);
        for (at, mut inputs) in block.outer_iter_mut().enumerate() {
            let root = weights[from + at].sqrt();
            let (mut own, mut constant) = inputs.view_mut().split_at(Axis(0), width - 1);
            Zip::from(&mut own)
                .and(history.row(from + at))
                .and(mean)
                .for_each(|own, value, mean| *own = root * (value - mean));
            constant[0] = root * BIAS;
            let item = &corpus.items()[from + at];
            let share = f64::from(root) / item.experts.len().max(1) as f64;
            for &expert in &item.experts {
                let mut target = targets.row_mut(usize::from(expert));
                target.zip_mut_with(&inputs, |sum, value| *sum += share * f64::from(*value));
            }
        }
        add_lower_half(block.view(), &mut square);
    }
    let mut square = square.mapv(f64::from);
    for at in 0..width {
        square[[at, at]] += RIDGE;
    }
    let targets = targets.t().as_standard_layout().to_owned();
    Some(solve(square, &targets)?.mapv(|weight| weight as f32))
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
    use crate::Document;
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
    fn directions_of_meaning_are_learned() {
        let (corpus, vectors) = world();
        let heads = Heads::fit(&corpus, vectors.view(), 60);
        for head in heads.predict_one(ArrayView1::from(&[1.0, 0.0, 0.0, 0.0])) {
            assert!(head[0] > 0.4 && head[0] > head[1] + 0.3, "{head:?}");
        }
    }

    #[test]
    fn an_item_without_an_embedding_teaches_nothing() {
        let (corpus, mut vectors) = world();
        for row in 30..60 {
            vectors.row_mut(row).fill(0.0);
        }
        let heads = Heads::fit(&corpus, vectors.view(), 60);
        assert!(
            heads
                .weights
                .iter()
                .flatten()
                .all(|weight| weight.is_finite())
        );
        let none = Heads::fit(&corpus, vectors.view(), 0);
        assert_eq!(none.predict_one(ArrayView1::from(&[1.0; 4])), [[0.0; 2]; 2]);
    }
}
