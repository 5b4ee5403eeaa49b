//! Softmax regression that learns item by item which inputs belong to which expert.
//!
//! By AdaGrad (Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
//! optimization", 2011): a step costs inputs times experts, however many items came before it.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use super::weights::Weights;
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// What AdaGrad's sums of squares begin with.
const FIRST_SQUARE: f32 = 1.0;
/// Penalty on the squared weights of a text's own inputs, once for each time it is learned.
const PENALTY: f32 = 1e-3;
/// Experts that one learner can hold; the one that was idle longest makes room.
pub(super) const MOST_EXPERTS: usize = 256;

/// The weights and how they are learned. Rows are inputs, columns are experts.
#[derive(Debug, Clone)]
pub(super) struct Softmax {
    /// AdaGrad's step size.
    step: f32,
    /// Experts by column.
    columns: Vec<u16>,
    /// Per expert that has a column, the column and when it answered last.
    places: HashMap<u16, (usize, usize)>,
    /// Length of a row: columns there is room for.
    width: usize,
    count: usize,
    weights: Weights,
    /// AdaGrad's sums of squared gradients, beside each weight.
    squares: Column<f32>,
}

impl Softmax {
    /// A learner of so many inputs that has learned nothing.
    pub(super) fn new(step: f32, rows: usize) -> Self {
        Self {
            step,
            columns: Vec::new(),
            places: HashMap::new(),
            width: 0,
            count: rows,
            weights: Weights::default(),
            squares: Column::default(),
        }
    }

    /// How many inputs there are.
    pub(super) fn rows(&self) -> usize {
        self.count
    }

    /// Adds an input.
    pub(super) fn add_row(&mut self) {
        self.count += 1;
        let length = self.count * self.width;
        self.weights.to_mut().resize(length, 0.0);
        self.squares.to_mut().resize(length, FIRST_SQUARE);
    }

    /// Notes that an expert answered the item at a position.
    pub(super) fn note(&mut self, expert: u16, at: usize) {
        let column = match self.places.get(&expert) {
            Some(&(column, _)) => column,
            None => self.new_column(expert),
        };
        self.places.insert(expert, (column, at));
    }

    /// A column for an expert without one: a free one, or that of who has been idle longest.
    fn new_column(&mut self, expert: u16) -> usize {
        if self.columns.len() < MOST_EXPERTS {
            if self.columns.len() == self.width {
                self.widen();
            }
            self.columns.push(expert);
            return self.columns.len() - 1;
        }
        let idle = self
            .places
            .iter()
            .min_by_key(|(_, (column, last))| (*last, *column));
        let (evicted, column) = idle.map_or((expert, 0), |(&idle, &(column, _))| (idle, column));
        self.places.remove(&evicted);
        self.columns[column] = expert;
        let (weights, squares) = (self.weights.to_mut(), self.squares.to_mut());
        for row in 0..self.count {
            weights[row * self.width + column] = 0.0;
            squares[row * self.width + column] = FIRST_SQUARE;
        }
        column
    }

    /// Makes room for more columns: half as many again, so that it happens seldom.
    fn widen(&mut self) {
        let old = self.width;
        let width = (old + (old / 2).max(4)).min(MOST_EXPERTS);
        let widen = |values: &[f32], fill| widened(values, old, width, self.count, fill);
        self.weights = widen(self.weights.exact(), 0.0).into();
        self.squares = widen(self.squares.as_slice(), FIRST_SQUARE).into();
        self.width = width;
    }

    /// One step on an item with these inputs (row and value) that these experts, each noted before,
    /// answered.
    pub(super) fn learn(
        &mut self,
        inputs: impl Iterator<Item = (u32, f32)> + Clone,
        experts: &[u16],
    ) {
        let exact = self.weights.exact();
        let mut errors = self.shares(inputs.clone(), |range, times, sums| {
            for (sum, weight) in sums.iter_mut().zip(&exact[range]) {
                *sum += weight * times;
            }
        });
        let share = 1.0 / experts.len().max(1) as f32;
        for expert in experts {
            // One that had to make room since is not learned again.
            if let Some(&(column, _)) = self.places.get(expert) {
                errors[column] -= share;
            }
        }
        let width = self.width;
        let (all_weights, all_squares) = (self.weights.to_mut(), self.squares.to_mut());
        for (row, value) in inputs {
            let range = range(row, width);
            let weights = &mut all_weights[range.clone()];
            let squares = &mut all_squares[range];
            for ((weight, square), error) in weights.iter_mut().zip(squares).zip(&errors) {
                let slope = error * value + PENALTY * *weight;
                *square += slope * slope;
                *weight -= self.step * slope / square.sqrt();
            }
        }
    }

    /// How much each expert that has a column is expected: shares of one.
    pub(super) fn expected(
        &self,
        inputs: impl Iterator<Item = (u32, f32)>,
    ) -> impl Iterator<Item = (u16, f32)> {
        let add = |range, times, sums: &mut [f32]| self.weights.add_to(range, times, sums);
        let shares = self.shares(inputs, add);
        self.columns.iter().copied().zip(shares)
    }

    /// The softmax over the columns in use. `add` adds weights at a range, times a value, to sums.
    fn shares(
        &self,
        inputs: impl Iterator<Item = (u32, f32)>,
        add: impl Fn(Range<usize>, f32, &mut [f32]),
    ) -> Vec<f32> {
        let mut shares = vec![0.0_f32; self.width];
        for (row, value) in inputs {
            add(range(row, self.width), value, &mut shares);
        }
        shares.truncate(self.columns.len());
        let most = shares.iter().copied().fold(f32::MIN, f32::max);
        let mut total = 0.0;
        for share in &mut shares {
            *share = (*share - most).exp();
            total += *share;
        }
        for share in &mut shares {
            *share /= total;
        }
        shares
    }

    /// Gives up what only learning needs. What it predicts stays the same.
    pub(super) fn stop_learning(&mut self) {
        self.squares = Column::default();
        self.weights.keep_rounded();
    }

    /// Whether it learns.
    pub(super) fn learns(&self) -> bool {
        self.weights.is_exact() && self.squares.len() == self.weights.len()
    }

    /// Bytes of memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes() + self.squares.bytes() + self.places.len() * 32
    }

    /// Writes what it predicts with.
    pub(super) fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.width as u64, self.count as u64])?;
        to.values(&self.columns)?;
        let last = |expert| self.places.get(expert).map_or(0, |(_, last)| *last as u64);
        let last: Vec<u64> = self.columns.iter().map(last).collect();
        to.values(&last)?;
        self.weights.save_answers(to)
    }

    /// Writes what only learning looks at.
    pub(super) fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.weights.save_learning(to)?;
        self.squares.save(to)
    }

    /// Reads what was written of a learner with this step, where it lies.
    pub(super) fn load(
        step: f32,
        answers: &mut Sections,
        learning: &mut Sections,
    ) -> Result<Self, LayoutError> {
        let [width, count] = Column::<u64>::load_array(answers)?.map(|number| number as usize);
        let columns = Column::<u16>::load_vec(answers)?;
        let last = Column::<u64>::load_vec(answers)?.into_iter();
        let places = columns.iter().copied().zip(last).enumerate();
        let places = places.map(|(at, (expert, last))| (expert, (at, last as usize)));
        Ok(Self {
            step,
            places: places.collect(),
            columns,
            width,
            count,
            weights: Weights::load(answers, learning)?,
            squares: Column::load(learning)?,
        })
    }
}

/// Where a row's values are.
fn range(row: u32, width: usize) -> Range<usize> {
    let start = row as usize * width;
    start..start + width
}

/// `rows` rows of another width; new places hold `fill`.
fn widened(values: &[f32], old: usize, width: usize, rows: usize, fill: f32) -> Vec<f32> {
    let mut wide = vec![fill; rows * width];
    if old > 0 {
        for (to, from) in wide.chunks_mut(width).zip(values.chunks(old)) {
            to[..old].copy_from_slice(from);
        }
    }
    wide
}
