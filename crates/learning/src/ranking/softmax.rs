//! Softmax regression that learns item by item which inputs belong to which expert.
//!
//! By AdaGrad (Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
//! optimization", 2011): a step costs inputs times experts, however many items came before it.

use std::collections::HashMap;

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
    weights: Vec<f32>,
    /// AdaGrad's sums of squared gradients, beside each weight.
    squares: Vec<f32>,
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
            weights: Vec::new(),
            squares: Vec::new(),
        }
    }

    /// How many inputs there are.
    pub(super) fn rows(&self) -> usize {
        self.count
    }

    /// Adds an input.
    pub(super) fn add_row(&mut self) {
        self.count += 1;
        self.weights.resize(self.count * self.width, 0.0);
        self.squares.resize(self.count * self.width, FIRST_SQUARE);
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
        for row in 0..self.count {
            self.weights[row * self.width + column] = 0.0;
            self.squares[row * self.width + column] = FIRST_SQUARE;
        }
        column
    }

    /// Makes room for more columns: half as many again, so that it happens seldom.
    fn widen(&mut self) {
        let old = self.width;
        let width = (old + (old / 2).max(4)).min(MOST_EXPERTS);
        self.weights = widened(&self.weights, old, width, self.count, 0.0);
        self.squares = widened(&self.squares, old, width, self.count, FIRST_SQUARE);
        self.width = width;
    }

    /// One step on an item with these inputs (row and value) that these experts, each noted before,
    /// answered.
    pub(super) fn learn(
        &mut self,
        inputs: impl Iterator<Item = (u32, f32)> + Clone,
        experts: &[u16],
    ) {
        let mut errors = self.shares(inputs.clone());
        let share = 1.0 / experts.len().max(1) as f32;
        for expert in experts {
            // One that had to make room since is not learned again.
            if let Some(&(column, _)) = self.places.get(expert) {
                errors[column] -= share;
            }
        }
        for (row, value) in inputs {
            let range = self.range(row);
            let weights = &mut self.weights[range.clone()];
            let squares = &mut self.squares[range];
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
        let shares = self.shares(inputs);
        self.columns.iter().copied().zip(shares)
    }

    /// The softmax over the columns in use.
    fn shares(&self, inputs: impl Iterator<Item = (u32, f32)>) -> Vec<f32> {
        let mut shares = vec![0.0_f32; self.width];
        for (row, value) in inputs {
            let weights = &self.weights[self.range(row)];
            for (sum, weight) in shares.iter_mut().zip(weights) {
                *sum += weight * value;
            }
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

    fn range(&self, row: u32) -> std::ops::Range<usize> {
        let start = row as usize * self.width;
        start..start + self.width
    }

    /// Gives up the sums of squares, without which nothing more can be learned.
    pub(super) fn stop_learning(&mut self) {
        self.squares = Vec::new();
    }

    /// Whether it learns.
    pub(super) fn learns(&self) -> bool {
        self.squares.len() == self.weights.len()
    }

    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        (self.weights.len() + self.squares.len()) * 4 + self.places.len() * 32
    }
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
