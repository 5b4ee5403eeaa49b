//! Logistic regression on rows that are partly dense and partly sparse: multinomial (softmax) where a row
//! has one class, independent binary ones (sigmoids) where it has any number.
//!
//! `linfa-logistic` fits the same multinomial loss, on dense rows, without weights and to convergence.
//! `docs/adr/0012-solvers-and-linfa.md` has both on the same data.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

use super::lbfgs::{GoOn, minimize};
use super::rows::Rows;

/// Rows whose scores are in memory at once: with two thousand labels 8 MB.
const BLOCK: usize = 1_024;

/// A fitted regression: a score for an output is its column of the weights times the features, plus its bias.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    /// Features by outputs.
    pub weights: Array2<f32>,
    /// By output.
    pub bias: Array1<f32>,
}

/// The classes of each row.
pub enum Targets<'a> {
    /// One class each.
    Single(&'a [u16]),
    /// Any number of classes each.
    Multiple(&'a [Vec<u16>]),
}

/// How a regression is fitted.
pub struct FitOptions<'a> {
    /// How many classes there are.
    pub outputs: usize,
    /// L2 penalty on the weights (not on the bias), on the scale of the sum of the rows' losses.
    pub l2_penalty: f64,
    /// Iterations at the most: stopping early is part of a recipe.
    pub max_iterations: usize,
    /// Asked before each iteration.
    pub go_on: &'a GoOn<'a>,
}

impl LogisticRegression {
    /// Fits to rows; none when it was stopped.
    #[must_use]
    pub fn fit(rows: &Rows, targets: &Targets<'_>, options: &FitOptions<'_>) -> Option<Self> {
        let (features, outputs) = (rows.features(), options.outputs);
        let split = features * outputs;
        let mut point = vec![0.0_f32; split + outputs];
        begin(targets, &mut point[split..]);
        let n = rows.len().max(1) as f64;
        let mut loss = |x: &[f32], gradient: &mut [f32]| {
            let weights = view(&x[..split], features, outputs);
            let bias = ArrayView1::from(&x[split..]);
            let (own, own_bias) = gradient.split_at_mut(split);
            let penalty = (options.l2_penalty / n) as f32;
            let mut squares = 0.0;
            for (g, w) in own.iter_mut().zip(&x[..split]) {
                *g = penalty * w;
                squares += w * w;
            }
            own_bias.fill(0.0);
            let mut own = view_mut(own, features, outputs);
            let mut own_bias = ArrayViewMut1::from(own_bias);
            let mut total = 0.5 * options.l2_penalty / n * f64::from(squares);
            for from in (0..rows.len()).step_by(BLOCK) {
                let to = (from + BLOCK).min(rows.len());
                let mut scores = rows.times(from, to, weights, bias);
                total += to_errors(&mut scores, targets, from) / n;
                scores /= n as f32;
                rows.add_transposed(from, &scores, &mut own, &mut own_bias);
            }
            total
        };
        minimize(
            &mut point,
            options.max_iterations,
            1e-4,
            &mut loss,
            options.go_on,
        )
        .then(|| {
            let bias = Array1::from(point.split_off(split));
            let weights = view(&point, features, outputs).to_owned();
            Self { weights, bias }
        })
    }

    /// The scores of all rows. Shape: rows by outputs.
    #[must_use]
    pub fn scores(&self, rows: &Rows) -> Array2<f32> {
        rows.times(0, rows.len(), self.weights.view(), self.bias.view())
    }
}

fn view(x: &[f32], features: usize, outputs: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((features, outputs), x).expect("the caller cut it to this length")
}

fn view_mut(x: &mut [f32], features: usize, outputs: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((features, outputs), x).expect("the caller cut it to this length")
}

/// Biases start at the log-odds of the classes where a row has any number of them: most are rare, and zero
/// would mean one in two.
fn begin(targets: &Targets<'_>, bias: &mut [f32]) {
    if let Targets::Multiple(rows) = targets {
        let mut counts = vec![0.5_f32; bias.len()];
        rows.iter()
            .flatten()
            .for_each(|&label| counts[usize::from(label)] += 1.0);
        let n = rows.len() as f32 + 1.0;
        for (bias, count) in bias.iter_mut().zip(counts) {
            *bias = (count / (n - count).max(0.5)).ln();
        }
    }
}

/// Turns scores into the derivative of the loss, and returns the loss.
fn to_errors(scores: &mut Array2<f32>, targets: &Targets<'_>, from: usize) -> f64 {
    let mut loss = 0.0;
    for (at, mut row) in scores.axis_iter_mut(Axis(0)).enumerate() {
        match targets {
            Targets::Single(labels) => {
                softmax(row.as_slice_mut().unwrap_or(&mut []));
                let right = usize::from(labels[from + at]);
                loss -= f64::from(row[right].max(1e-30).ln());
                row[right] -= 1.0;
            }
            Targets::Multiple(labels) => {
                for &label in &labels[from + at] {
                    loss -= f64::from(row[usize::from(label)]);
                }
                for score in &mut row {
                    loss += f64::from(score.max(0.0) + (-score.abs()).exp().ln_1p());
                    *score = sigmoid(*score);
                }
                for &label in &labels[from + at] {
                    row[usize::from(label)] -= 1.0;
                }
            }
        }
    }
    loss
}

/// Turns scores into probabilities that add up to one.
pub fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The logistic function.
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize) -> Rows {
        // The label stands in the term, or in the sign of the embedding.
        let dense = Array2::from_shape_fn((n, 2), |(r, c)| if r % 2 == c { 1.0 } else { -0.2 });
        let mut rows = Rows::new(dense, 3);
        (0..n).for_each(|r| rows.push(&[((r % 3) as u32, 2.0)]));
        rows
    }

    fn options<'a>(outputs: usize) -> FitOptions<'a> {
        FitOptions {
            outputs,
            l2_penalty: 0.1,
            max_iterations: 60,
            go_on: &|| true,
        }
    }

    #[test]
    fn both_blocks_are_learned_from() {
        let rows = rows(60);
        let dense: Vec<u16> = (0..60).map(|r| r % 2).collect();
        let model = LogisticRegression::fit(&rows, &Targets::Single(&dense), &options(2)).unwrap();
        let scores = model.scores(&rows);
        assert!((0..60).all(|r| (scores[[r, 1]] > scores[[r, 0]]) == (r % 2 == 1)));
        let terms: Vec<Vec<u16>> = (0..60)
            .map(|r| if r % 3 == 2 { vec![1] } else { vec![] })
            .collect();
        let model =
            LogisticRegression::fit(&rows, &Targets::Multiple(&terms), &options(2)).unwrap();
        let scores = model.scores(&rows);
        assert!((0..60).all(|r| (scores[[r, 1]] > 0.0) == (r % 3 == 2)));
        assert!(
            (0..60).all(|r| scores[[r, 0]] < 0.0),
            "a label that nobody has"
        );
    }
}
