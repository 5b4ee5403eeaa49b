//! Weights that are learned exactly and read as bfloat16.
//!
//! Predictions read the upper half of each number's bytes (rounded to nearest): of a history that is only asked
//! nothing else is kept, and one that learns predicts the same. What that loses is below what can be measured.

use std::io;
use std::ops::Range;

use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// Sums that are added up side by side.
const LANES: usize = 8;

/// A list of weights.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    exact: Column<f32>,
    /// Those of a snapshot as they are read; none once they have changed.
    rounded: Column<u16>,
}

/// A weight as it is read. Wraps only for what is not a number.
fn rounded(weight: f32) -> u16 {
    let bits = weight.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

fn widened(rounded: u16) -> f32 {
    f32::from_bits(u32::from(rounded) << 16)
}

/// A weight as predictions read it.
pub(super) fn as_read(weight: f32) -> f32 {
    widened(rounded(weight))
}

impl From<Vec<f32>> for Weights {
    fn from(exact: Vec<f32>) -> Self {
        Self {
            exact: exact.into(),
            rounded: Column::default(),
        }
    }
}

impl Weights {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.exact.len().max(self.rounded.len())
    }

    /// All of them, exactly; none after [`Weights::keep_rounded`].
    pub(super) fn exact(&self) -> &[f32] {
        self.exact.as_slice()
    }

    /// All of them, to be changed.
    pub(super) fn to_mut(&mut self) -> &mut Vec<f32> {
        self.rounded = Column::default();
        self.exact.to_mut()
    }

    /// Gives up what reading does not need.
    pub(super) fn keep_rounded(&mut self) {
        self.rounded = self.all_rounded();
        self.exact = Column::default();
    }

    /// Whether they can be changed.
    pub(super) fn is_exact(&self) -> bool {
        self.exact.len() == self.len()
    }

    fn all_rounded(&self) -> Column<u16> {
        if self.rounded.len() == self.len() {
            return self.rounded.clone();
        }
        let all = self.exact.iter().map(rounded);
        all.collect::<Vec<u16>>().into()
    }

    /// Adds some of them as they are read, times a number, to `sums`.
    pub(super) fn add_to(&self, range: Range<usize>, times: f32, sums: &mut [f32]) {
        if self.rounded.len() == self.len() {
            let weights = self.rounded.as_slice()[range].iter();
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += widened(*weight) * times;
            }
        } else {
            let weights = self.exact.as_slice()[range].iter();
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += as_read(*weight) * times;
            }
        }
    }

    /// The sum of some of them as they are read, each times its input.
    pub(super) fn dot(&self, range: Range<usize>, inputs: &[f32]) -> f32 {
        if self.rounded.len() == self.len() {
            dot(&self.rounded.as_slice()[range], inputs, widened)
        } else {
            dot(&self.exact.as_slice()[range], inputs, as_read)
        }
    }

    /// Bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.exact.bytes() + self.rounded.bytes()
    }

    /// Writes what is read.
    pub(super) fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.all_rounded().save(to)
    }

    /// Writes what only learning looks at.
    pub(super) fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.exact.save(to)
    }

    /// Reads what was written, where it lies.
    pub(super) fn load(
        answers: &mut Sections,
        learning: &mut Sections,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            exact: Column::load(learning)?,
            rounded: Column::load(answers)?,
        })
    }
}

fn dot<T: Copy>(weights: &[T], inputs: &[f32], read: impl Fn(T) -> f32) -> f32 {
    let (weights, last_weights) = weights.as_chunks::<LANES>();
    let (inputs, last_inputs) = inputs.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (weights, inputs) in weights.iter().zip(inputs) {
        for lane in 0..LANES {
            sums[lane] += read(weights[lane]) * inputs[lane];
        }
    }
    let last = last_weights.iter().zip(last_inputs);
    let last: f32 = last.map(|(weight, input)| read(*weight) * input).sum();
    sums.iter().sum::<f32>() + last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_the_same_exact_or_not() {
        let exact: Vec<f32> = (0..41)
            .map(|at| ((at * 37 % 41) as f32 - 20.0) / 7.0)
            .collect();
        let inputs: Vec<f32> = (0..20).map(|at| 1.0 - at as f32 / 9.0).collect();
        let mut weights = Weights::from(exact.clone());
        let read = |weights: &Weights| {
            let mut sums = vec![0.5; 20];
            weights.add_to(3..23, 1.5, &mut sums);
            (weights.dot(3..23, &inputs), sums)
        };
        let before = read(&weights);
        weights.keep_rounded();
        assert_eq!(read(&weights), before);
        assert!(!weights.is_exact() && weights.len() == 41);
        let plain: f32 = exact[3..23].iter().zip(&inputs).map(|(a, b)| a * b).sum();
        assert!((before.0 - plain).abs() < 0.02, "{} {plain}", before.0);
    }

    #[test]
    fn rounding_is_to_nearest() {
        for (weight, expected) in [
            (1.0, 1.0),
            (-0.0, 0.0),
            (1.003, 1.0),
            (1.005, 1.007_812_5),
            (-1_000.0, -1_000.0),
        ] {
            let read = as_read(weight);
            assert!(
                (read - expected).abs() <= f32::EPSILON * expected.abs(),
                "{read}"
            );
        }
    }
}
