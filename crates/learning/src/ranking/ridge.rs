//! Ridge scorers: linear regressions from a text's embedding to each expert.
//!
//! Nearest items are local evidence; a regression learns directions of the embedding from all items at once.
//! Ridge regression (Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970),
//! solved for at the lengths of [`solved_at`] and updated at each item in between by recursive least squares
//! (Plackett, "Some theorems in least squares", 1950) over a Cholesky factor: an item costs the same however
//! many came before it. Since the last solution the penalty fades with the items before it; the next solution
//! renews it. `linfa-elasticnet` fits by coordinate descent, without weights by age, and from the whole history.

use std::io;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};

use super::ridge_sums::Sums;
use super::weights::Weights;
use crate::history::{Corpus, GROWTH, HalfLife, solved_at};
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

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
    sum: Column<f64>,
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
            sum: vec![0.0; dimensions].into(),
            mean: Array1::zeros(dimensions),
        }
    }

    /// The scorers after the first `n` items of `corpus`, whose embeddings are the rows of `vectors` (items by
    /// dimensions); a row that is not of numbers (NaN) is one that has not come yet.
    #[must_use]
    pub fn fit(corpus: &Corpus, vectors: ArrayView2<'_, f32>, n: usize) -> Self {
        let mut made = Self::new(vectors.ncols());
        made.learn(corpus, n, |at| {
            let row = vectors.index_axis_move(Axis(0), at);
            row.iter().all(|value| !value.is_nan()).then_some(row)
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
        let n = n.min(corpus.len());
        let items = (self.learned..n).map_while(|at| Some((corpus.experts_of(at), embedding(at)?)));
        let items: Vec<_> = items.collect();
        let solved = solved_at(self.learned + items.len());
        for (experts, vector) in items {
            self.learned += 1;
            let sums = self.sum.to_mut().iter_mut();
            sums.zip(vector)
                .for_each(|(sum, value)| *sum += f64::from(*value));
            let inputs = inputs(vector, None);
            for scorer in &mut self.scorers {
                scorer.add(&inputs, experts, self.learned);
            }
            if self.learned == solved {
                self.solve();
            } else if self.learned > solved {
                let inputs = self::inputs(vector, Some(&self.mean));
                for scorer in &mut self.scorers {
                    scorer.update(&inputs, experts);
                }
            }
        }
    }

    fn solve(&mut self) {
        let items = self.learned.max(1) as f64;
        let mean: Array1<f64> = self.sum.iter().map(|sum| sum / items).collect();
        for scorer in &mut self.scorers {
            scorer.solve(&mean, self.learned);
        }
        self.mean = mean.mapv(|value| value as f32);
    }

    /// Gives up what only learning needs: 1.2 MB at 384 dimensions. The scorers stay what they are.
    pub fn stop_learning(&mut self) {
        for scorer in &mut self.scorers {
            scorer.sums = None;
            scorer.weights.keep_rounded();
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
            let inputs = inputs.as_slice().unwrap_or_default();
            let width = inputs.len();
            let known = scorer.weights.len() / width;
            let row = |expert: usize| expert * width..(expert + 1) * width;
            let mut expected: Vec<f32> = (0..known)
                .map(|expert| scorer.weights.dot(row(expert), inputs))
                .collect();
            // Nothing is expected of those who came since.
            expected.resize(experts, 0.0);
            expected
        };
        self.scorers.iter().map(of_one).collect()
    }

    /// Bytes they take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let scorers: usize = self.scorers.iter().map(Regression::bytes).sum();
        scorers + self.sum.bytes() + self.mean.len() * 4
    }

    /// Writes what they predict with.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.learned as u64, u64::from(self.learns())])?;
        let newest = |scorer: &Regression| scorer.sums.as_ref().map_or(1.0, |sums| sums.newest);
        let newest: Vec<f64> = self.scorers.iter().map(newest).collect();
        to.values(&newest)?;
        to.values(&self.mean.to_vec())?;
        self.scorers
            .iter()
            .try_for_each(|scorer| scorer.weights.save_answers(to))
    }

    /// Writes what only learning looks at; nothing where they do not learn any more.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.sum.save(to)?;
        self.scorers.iter().try_for_each(|scorer| {
            scorer.weights.save_learning(to)?;
            scorer.sums.as_ref().map_or(Ok(()), |sums| sums.save(to))
        })
    }

    /// Reads what was written, where it lies.
    ///
    /// # Errors
    /// Sections are not those that are written.
    pub fn load(answers: &mut Sections, learning: &mut Sections) -> Result<Self, LayoutError> {
        let [learned, learns] = Column::<u64>::load_array(answers)?;
        let newest: [f64; RIDGE_SCORERS] = Column::load_array(answers)?;
        let mean = Array1::from(Column::<f32>::load_vec(answers)?);
        let width = mean.len() + 1;
        let mut scorers = Vec::with_capacity(RIDGE_SCORERS);
        let sum = Column::load(learning)?;
        for scorer in HALF_LIVES.into_iter().zip(newest) {
            let weights = Weights::load(answers, learning)?;
            let sums = match learns {
                0 => None,
                _ => Some(Sums::load(scorer, width, learning)?),
            };
            scorers.push(Regression {
                half_life: scorer.0,
                weights,
                sums,
            });
        }
        Ok(Self {
            scorers,
            learned: learned as usize,
            sum,
            mean,
        })
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
    if vector.iter().all(|value| *value == 0.0) {
        // A text of which the model knows no word says nothing: it counts for nothing, as in a replay.
        return Array1::zeros(vector.len() + 1);
    }
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
    weights: Weights,
    /// None where it does not learn any more.
    sums: Option<Sums>,
}

impl Regression {
    fn new(half_life: HalfLife, width: usize) -> Self {
        Self {
            half_life,
            weights: Weights::default(),
            sums: Some(Sums::new(half_life, width)),
        }
    }

    /// Adds an item to the sums, the `n`-th.
    fn add(&mut self, inputs: &Array1<f32>, experts: &[u16], n: usize) {
        let most = experts.iter().map(|expert| usize::from(*expert) + 1).max();
        let length = most.unwrap_or(0) * inputs.len();
        if length > self.weights.len() {
            self.weights.to_mut().resize(length, 0.0);
        }
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
        let rows = self.weights.to_mut().chunks_exact_mut(inputs.len());
        for (expert, row) in rows.enumerate() {
            let mut weights = ArrayViewMut1::from(row);
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
                Some(weights) => self.weights = weights.into(),
                None => self.weights.to_mut().fill(0.0),
            }
        }
    }

    fn bytes(&self) -> usize {
        self.weights.bytes() + self.sums.as_ref().map_or(0, Sums::bytes)
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
    fn a_text_without_a_known_word_is_learned_as_nothing_and_the_next_ones_are_learned() {
        let (corpus, mut vectors) = world(60);
        vectors.row_mut(30).fill(0.0);
        let mut grown = RidgeScorer::new(4);
        for n in 1..=60 {
            grown.learn(&corpus, n, |at| Some(vectors.row(at)));
        }
        let at_once = RidgeScorer::fit(&corpus, vectors.view(), 60);
        assert_eq!((grown.learned(), at_once.learned()), (60, 60));
        let question = vectors.row(3);
        assert_eq!(grown.predict(question, 2), at_once.predict(question, 2));
    }

    #[test]
    fn a_row_that_has_not_come_ends_what_is_learned() {
        let (corpus, mut vectors) = world(60);
        vectors.row_mut(30).fill(f32::NAN);
        assert_eq!(RidgeScorer::fit(&corpus, vectors.view(), 60).learned(), 30);
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
