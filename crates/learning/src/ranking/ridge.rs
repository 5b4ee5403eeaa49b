//! Ridge scorers: linear regressions from a text's embedding to each expert.
//!
//! Nearest items are local evidence; a regression learns directions of the embedding from all items at once.
//! Ridge regression (Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970),
//! solved for at the lengths of [`solved_at`] and updated at each item in between by recursive least squares
//! (Plackett, "Some theorems in least squares", 1950) over a Cholesky factor: an item costs the same however
//! many came before it. Since the last solution the penalty fades with the items before it; the next solution
//! renews it. `linfa-elasticnet` fits by coordinate descent, without weights by age, and from the whole history.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::history::{Corpus, GROWTH, HalfLife, solved_at};
use crate::solvers::{GrowingFactor, factor};

/// The half-lives of the scorers, as shares of the history: one for the long run, one for lately.
pub(super) const HALF_LIVES: [HalfLife; RIDGE_SCORERS] =
    [HalfLife::Share(0.25), HalfLife::Share(0.08)];
/// How many scorers there are.
pub(crate) const RIDGE_SCORERS: usize = 2;
/// Penalty on the squared weights, in items: half way between two solutions.
const RIDGE: f64 = 3.0;
/// The constant input beside the embedding; it is penalized like the others.
pub(super) const BIAS: f32 = 0.5;

/// The scorers, which learn on: after each item they are, bit for bit, what they would be if they had learned
/// all of them at once.
#[derive(Debug, Clone)]
pub struct RidgeScorer {
    scorers: Vec<Regression>,
    /// Items learned.
    learned: usize,
    /// Sum of their embeddings.
    sum: Array1<f64>,
    /// Mean of the embeddings when was solved last.
    mean: Array1<f32>,
}

impl RidgeScorer {
    /// Scorers of embeddings of so many dimensions that have learned nothing.
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        let scorer = |half_life| Regression::new(half_life, dimensions + 1);
        Self {
            scorers: HALF_LIVES.map(scorer).into(),
            learned: 0,
            sum: Array1::zeros(dimensions),
            mean: Array1::zeros(dimensions),
        }
    }

    /// The scorers after the first `n` items of `corpus`, whose embeddings are the rows of `vectors` (items by
    /// dimensions); a row of zeros is one that has not come yet.
    #[must_use]
    pub fn fit(corpus: &Corpus, vectors: ArrayView2<'_, f32>, n: usize) -> Self {
        let mut made = Self::new(vectors.ncols());
        made.learn(corpus, n, |at| {
            let row = vectors.index_axis_move(Axis(0), at);
            row.iter().any(|value| *value != 0.0).then_some(row)
        });
        made
    }

    /// Learns the items up to `n`, one after the other. `embedding` gives the embedding of the item at a
    /// position; where the next item has none yet learning waits, so that the order stays that of time.
    pub fn learn<'v>(
        &mut self,
        corpus: &Corpus,
        n: usize,
        embedding: impl Fn(usize) -> Option<ArrayView1<'v, f32>>,
    ) {
        if !self.learns() {
            return;
        }
        let n = n.min(corpus.items().len());
        let items = (self.learned..n).map_while(|at| Some((&corpus.items()[at], embedding(at)?)));
        let items: Vec<_> = items.collect();
        let solved = solved_at(self.learned + items.len());
        for (item, vector) in items {
            self.learned += 1;
            self.sum
                .zip_mut_with(&vector, |sum, value| *sum += f64::from(*value));
            let inputs = inputs(vector, None);
            for scorer in &mut self.scorers {
                scorer.add(&inputs, &item.experts, self.learned);
            }
            if self.learned == solved {
                self.solve();
            } else if self.learned > solved {
                let inputs = self::inputs(vector, Some(&self.mean));
                for scorer in &mut self.scorers {
                    scorer.update(&inputs, &item.experts);
                }
            }
        }
    }

    fn solve(&mut self) {
        let mean = &self.sum / self.learned.max(1) as f64;
        for scorer in &mut self.scorers {
            scorer.solve(&mean, self.learned);
        }
        self.mean = mean.mapv(|value| value as f32);
    }

    /// Gives up what only learning needs: 1.2 MB at 384 dimensions. The scorers stay what they are.
    pub fn stop_learning(&mut self) {
        for scorer in &mut self.scorers {
            scorer.sums = None;
        }
    }

    /// Whether items can be learned.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.scorers.iter().all(|scorer| scorer.sums.is_some())
    }

    /// Items learned.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.learned
    }

    /// For each scorer how much each of the corpus's experts, who are so many, is expected: about from 0 to 1.
    #[must_use]
    pub fn predict(&self, question: ArrayView1<'_, f32>, experts: usize) -> Vec<Vec<f32>> {
        let inputs = inputs(question, Some(&self.mean));
        let of_one = |scorer: &Regression| {
            let rows = scorer.weights.outer_iter();
            let mut expected: Vec<f32> = rows.map(|row| row.dot(&inputs)).collect();
            // Nothing is expected of those who came since.
            expected.resize(experts, 0.0);
            expected
        };
        self.scorers.iter().map(of_one).collect()
    }

    /// Bytes they take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.scorers.iter().map(Regression::bytes).sum()
    }
}

/// The penalty after `n` items, in items. It fades with the items before the last solution, and is what it is
/// meant to be half way to the next one.
pub(super) fn penalty(half_life: HalfLife, n: usize) -> f64 {
    let middle = 1.0 + GROWTH / 2.0;
    let faded = half_life.weight(n - solved_at(n), n);
    RIDGE * middle.powf(half_life.power()) * f64::from(faded)
}

/// What is solved for the weights, from sums over inputs of which `mean` was not taken off: the square of the
/// inputs without it and with the penalty (its lower half, from `square`, which gives that of the sums), and the
/// targets without it (inputs by experts).
pub(super) fn normal_equations(
    square: impl Fn(usize, usize) -> f64,
    mut targets: Array2<f64>,
    mean: &Array1<f64>,
    penalty: f64,
) -> (Array2<f64>, Array2<f64>) {
    let last = mean.len();
    let bias = f64::from(BIAS);
    // What the items weigh together, and the sum of their embeddings.
    let weight = square(last, last) / (bias * bias);
    let sum: Vec<f64> = (0..last).map(|at| square(last, at) / bias).collect();
    let mut centred = Array2::<f64>::zeros((last + 1, last + 1));
    for row in 0..last {
        for column in 0..=row {
            centred[[row, column]] =
                square(row, column) - mean[row] * sum[column] - sum[row] * mean[column]
                    + weight * mean[row] * mean[column];
        }
        centred[[last, row]] = bias * (sum[row] - weight * mean[row]);
    }
    centred[[last, last]] = square(last, last);
    centred.diag_mut().mapv_inplace(|value| value + penalty);
    let (mut inputs, constant) = targets.view_mut().split_at(Axis(0), last);
    let counts = constant.row(0).mapv(|count| count / bias);
    for (mut row, mean) in inputs.outer_iter_mut().zip(mean) {
        row.scaled_add(-mean, &counts);
    }
    (centred, targets)
}

/// An item's inputs: its embedding, less the mean, and the constant.
fn inputs(vector: ArrayView1<'_, f32>, mean: Option<&Array1<f32>>) -> Array1<f32> {
    let mut inputs = Array1::from_elem(vector.len() + 1, BIAS);
    let mut own = inputs.slice_mut(ndarray::s![..vector.len()]);
    own.assign(&vector);
    if let Some(mean) = mean {
        own -= mean;
    }
    inputs
}

/// A regression with one half-life.
#[derive(Debug, Clone)]
struct Regression {
    half_life: HalfLife,
    /// Experts by inputs.
    weights: Array2<f32>,
    /// None where it does not learn any more.
    sums: Option<Sums>,
}

/// What a regression learns on with. An item's weight in the sums never changes: newer items weigh more.
#[derive(Debug, Clone)]
struct Sums {
    half_life: HalfLife,
    /// What the newest item weighs.
    newest: f64,
    /// Sum of inputs times inputs: the lower half, row by row.
    square: Vec<f32>,
    /// By expert, the sum of the inputs of what it answered.
    targets: Array2<f32>,
    /// Of the square of the inputs less their mean, and the penalty.
    factor: GrowingFactor,
}

impl Regression {
    fn new(half_life: HalfLife, width: usize) -> Self {
        Self {
            half_life,
            weights: Array2::zeros((0, width)),
            sums: Some(Sums::new(half_life, width)),
        }
    }

    /// Adds an item to the sums, the `n`-th.
    fn add(&mut self, inputs: &Array1<f32>, experts: &[u16], n: usize) {
        make_room(&mut self.weights, experts);
        if let Some(sums) = &mut self.sums {
            sums.add(inputs, experts, n);
        }
    }

    /// Updates factor and weights by an item that was added to the sums.
    fn update(&mut self, inputs: &Array1<f32>, experts: &[u16]) {
        let Some(sums) = &mut self.sums else {
            return;
        };
        let gain = sums.gain(inputs);
        let share = 1.0 / experts.len().max(1) as f32;
        for (expert, mut weights) in self.weights.outer_iter_mut().enumerate() {
            let answered = experts.iter().any(|one| usize::from(*one) == expert);
            let right = share * f32::from(u8::from(answered));
            weights.scaled_add(right - weights.dot(inputs), &gain);
        }
    }

    /// Factor and weights from the sums of `n` items, with the penalty renewed.
    fn solve(&mut self, mean: &Array1<f64>, n: usize) {
        let penalty = penalty(self.half_life, n);
        if let Some(sums) = &mut self.sums {
            // Of sums that are no numbers any more nothing is expected.
            match sums.solve(mean, penalty) {
                Some(weights) => self.weights = weights,
                None => self.weights.fill(0.0),
            }
        }
    }

    fn bytes(&self) -> usize {
        self.weights.len() * 4 + self.sums.as_ref().map_or(0, Sums::bytes)
    }
}

/// Makes room for experts in rows of one an expert.
fn make_room(rows: &mut Array2<f32>, experts: &[u16]) {
    let most = experts.iter().map(|expert| usize::from(*expert) + 1).max();
    let more = most.unwrap_or(0).saturating_sub(rows.nrows());
    let none = Array2::zeros((more, rows.ncols()));
    // Rows are of one length, so this cannot fail.
    let _ = rows.append(Axis(0), none.view());
}

impl Sums {
    /// Beyond this all sums are scaled down.
    const MOST: f64 = 1e12;

    fn new(half_life: HalfLife, width: usize) -> Self {
        Self {
            half_life,
            newest: 1.0,
            square: vec![0.0; width * (width + 1) / 2],
            targets: Array2::zeros((0, width)),
            factor: GrowingFactor::new(width, 1.0),
        }
    }

    /// Adds an item to the sums, the `n`-th.
    fn add(&mut self, inputs: &Array1<f32>, experts: &[u16], n: usize) {
        self.newest *= self.half_life.growth(n);
        if self.newest > Self::MOST {
            self.scale_down();
        }
        let weight = self.newest as f32;
        let inputs = inputs.as_slice().unwrap_or_default();
        let mut rest = &mut self.square[..];
        for (at, value) in inputs.iter().enumerate() {
            let (row, below) = rest.split_at_mut(at + 1);
            let value = weight * value;
            for (sum, other) in row.iter_mut().zip(inputs) {
                *sum += value * other;
            }
            rest = below;
        }
        make_room(&mut self.targets, experts);
        let share = weight / experts.len().max(1) as f32;
        for &expert in experts {
            let mut target = self.targets.row_mut(usize::from(expert));
            target.scaled_add(share, &ArrayView1::from(inputs));
        }
    }

    fn scale_down(&mut self) {
        let scale = (1.0 / self.newest) as f32;
        self.square.iter_mut().for_each(|sum| *sum *= scale);
        self.targets *= scale;
        self.factor.scale(scale);
        self.newest = 1.0;
    }

    /// Updates the factor by an item that was added; how much the weights change for each share that was
    /// expected wrongly.
    fn gain(&mut self, inputs: &Array1<f32>) -> Array1<f32> {
        let weight = self.newest as f32;
        self.factor.add(inputs * weight.sqrt());
        self.factor.solve(inputs * weight)
    }

    /// The factor anew, and the weights; none when the sums have no solution.
    fn solve(&mut self, mean: &Array1<f64>, penalty: f64) -> Option<Array2<f32>> {
        let square =
            |row: usize, column: usize| f64::from(self.square[row * (row + 1) / 2 + column]);
        let targets = self.targets.t().mapv(f64::from);
        let targets = targets.as_standard_layout().to_owned();
        let (square, targets) = normal_equations(square, targets, mean, penalty * self.newest);
        let factor = factor(square)?;
        self.factor = GrowingFactor::from(&factor);
        let weights = factor.solve(&targets);
        let weights = weights.t().mapv(|weight| weight as f32);
        Some(weights.as_standard_layout().to_owned())
    }

    fn bytes(&self) -> usize {
        let sums = self.square.len() + self.factor.len();
        (sums + self.targets.len()) * 4
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::Document;
    use domain::ExpertId;

    pub(in crate::ranking) fn world(n: usize) -> (Corpus, Array2<f32>) {
        let experts: Vec<Vec<ExpertId>> = (0..n)
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
        let vectors = Array2::from_shape_fn((n, 4), |(row, column)| {
            f32::from(u8::from(row % 2 == column)) + 0.01 * ((row * 7 + column) % 5) as f32
        });
        (corpus, vectors)
    }

    #[test]
    fn directions_of_the_embedding_are_learned() {
        let (corpus, vectors) = world(60);
        let scorers = RidgeScorer::fit(&corpus, vectors.view(), 60);
        for scores in scorers.predict(ArrayView1::from(&[1.0, 0.0, 0.0, 0.0]), 2) {
            assert!(scores[0] > 0.3 && scores[0] > scores[1] + 0.3, "{scores:?}");
        }
        let none = RidgeScorer::fit(&corpus, vectors.view(), 0);
        assert_eq!(none.predict(ArrayView1::from(&[1.0; 4]), 2), [[0.0; 2]; 2]);
    }

    #[test]
    fn item_by_item_is_the_same_as_at_once() {
        // Long enough that sums are scaled down.
        let (corpus, vectors) = world(400);
        let mut grown = RidgeScorer::new(4);
        let mut scaled = false;
        let newest = |grown: &RidgeScorer| grown.scorers[1].sums.as_ref().unwrap().newest;
        for n in 1..=400 {
            let before = newest(&grown);
            grown.learn(&corpus, n, |at| Some(vectors.row(at)));
            scaled |= newest(&grown) < before;
            if n % 7 == 0 || n == 400 {
                let at_once = RidgeScorer::fit(&corpus, vectors.view(), n);
                let question = vectors.row(3);
                assert_eq!(
                    grown.predict(question, 2),
                    at_once.predict(question, 2),
                    "{n}"
                );
            }
        }
        assert!(scaled);
        let (before, bytes) = (grown.predict(vectors.row(3), 2), grown.bytes());
        grown.stop_learning();
        assert!(!grown.learns() && grown.bytes() < bytes);
        assert_eq!(grown.predict(vectors.row(3), 2), before);
    }

    #[test]
    fn learning_waits_for_an_embedding_and_goes_on_where_it_waited() {
        let (corpus, vectors) = world(60);
        let mut waits = RidgeScorer::new(4);
        waits.learn(&corpus, 60, |at| (at != 30).then(|| vectors.row(at)));
        assert_eq!(waits.learned(), 30);
        waits.learn(&corpus, 33, |at| Some(vectors.row(at)));
        let at_once = RidgeScorer::fit(&corpus, vectors.view(), 33);
        let question = vectors.row(0);
        assert_eq!(waits.predict(question, 2), at_once.predict(question, 2));
    }
}
