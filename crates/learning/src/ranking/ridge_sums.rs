//! What a ridge regression learns on with: sums over items, and a factor of their square.

use std::io;

use ndarray::{Array1, ArrayView1};

use super::expert_rows::ExpertRows;
use super::ridge::normal_equations;
use crate::history::HalfLife;
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};
use crate::solvers::{GrowingFactor, factor};

/// What a regression learns on with. An item's weight in the sums never changes: newer items weigh more.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    half_life: HalfLife,
    /// What the newest item weighs.
    pub newest: f64,
    /// Sum of inputs times inputs: the lower half, row by row.
    square: Column<f32>,
    /// By expert, the sum of the inputs of what it answered.
    targets: ExpertRows,
    /// Of the square of the inputs less their mean, and the penalty.
    factor: GrowingFactor,
}

impl Sums {
    /// Beyond this all sums are scaled down.
    const MOST: f64 = 1e12;

    pub(super) fn new(half_life: HalfLife, width: usize) -> Self {
        Self {
            half_life,
            newest: 1.0,
            square: vec![0.0; width * (width + 1) / 2].into(),
            targets: ExpertRows::new(width),
            factor: GrowingFactor::new(width, 1.0),
        }
    }

    /// Adds an item to the sums, the `n`-th.
    pub(super) fn add(&mut self, inputs: &Array1<f32>, experts: &[u16], n: usize) {
        self.newest *= self.half_life.growth(n);
        if self.newest > Self::MOST {
            self.scale_down();
        }
        let weight = self.newest as f32;
        let inputs = inputs.as_slice().unwrap_or_default();
        let mut rest = &mut self.square.to_mut()[..];
        for (at, value) in inputs.iter().enumerate() {
            let (row, below) = rest.split_at_mut(at + 1);
            let value = weight * value;
            for (sum, other) in row.iter_mut().zip(inputs) {
                *sum += value * other;
            }
            rest = below;
        }
        self.targets.make_room(experts);
        let share = weight / experts.len().max(1) as f32;
        for &expert in experts {
            let mut target = self.targets.row_mut(expert);
            target.scaled_add(share, &ArrayView1::from(inputs));
        }
    }

    fn scale_down(&mut self) {
        let scale = (1.0 / self.newest) as f32;
        let square = self.square.to_mut().iter_mut();
        square.for_each(|sum| *sum *= scale);
        self.targets.scale(scale);
        self.factor.scale(scale);
        self.newest = 1.0;
    }

    /// Updates the factor by an item that was added; how much the weights change for each share that was
    /// expected wrongly.
    pub(super) fn gain(&mut self, inputs: &Array1<f32>) -> Array1<f32> {
        let weight = self.newest as f32;
        self.factor.add(inputs * weight.sqrt());
        self.factor.solve(inputs * weight)
    }

    /// The factor anew, and the weights; none when the sums have no solution.
    pub(super) fn solve(&mut self, mean: &Array1<f64>, penalty: f64) -> Option<Vec<f32>> {
        let all = self.square.as_slice();
        let square = |row: usize, column: usize| f64::from(all[row * (row + 1) / 2 + column]);
        let targets = self.targets.transposed();
        let (square, targets) = normal_equations(square, targets, mean, penalty * self.newest);
        let factor = factor(square)?;
        self.factor = GrowingFactor::from(&factor);
        let weights = factor.solve(&targets);
        let experts = weights.columns().into_iter();
        let weights = experts.flat_map(|expert| expert.into_iter().map(|weight| *weight as f32));
        Some(weights.collect())
    }

    pub(super) fn bytes(&self) -> usize {
        self.square.bytes() + self.factor.bytes() + self.targets.bytes()
    }

    pub(super) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.square.save(to)?;
        self.targets.save(to)?;
        self.factor.save(to)
    }

    pub(super) fn load(
        (half_life, newest): (HalfLife, f64),
        width: usize,
        from: &mut Sections,
    ) -> Result<Self, LayoutError> {
        let square = Column::load(from)?;
        if square.len() != width * (width + 1) / 2 {
            return Err(LayoutError::Malformed);
        }
        Ok(Self {
            half_life,
            newest,
            square,
            targets: ExpertRows::load(width, from)?,
            factor: GrowingFactor::load(width, from)?,
        })
    }
}
