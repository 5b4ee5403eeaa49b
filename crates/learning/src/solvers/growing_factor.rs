//! A Cholesky factor to which rows are added one by one.

use std::io;

use ndarray::{Array1, Array2, ArrayView1};

use super::cholesky::Factor;
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// The upper factor `r` of a symmetric positive definite matrix `r' r`.
#[derive(Debug, Clone)]
pub(crate) struct GrowingFactor {
    size: usize,
    /// Its rows, each from the diagonal on.
    rows: Column<f32>,
}

impl GrowingFactor {
    /// The factor of a matrix with `diagonal` on the diagonal and zeros elsewhere.
    pub(crate) fn new(size: usize, diagonal: f32) -> Self {
        let mut diagonals = Array2::zeros((size, size));
        diagonals.diag_mut().fill(f64::from(diagonal.sqrt()));
        Self::of(&diagonals)
    }

    /// Of the lower factor.
    fn of(lower: &Array2<f64>) -> Self {
        let size = lower.nrows();
        let row = |at: usize| (at..size).map(move |column| lower[[column, at]] as f32);
        Self {
            size,
            rows: (0..size).flat_map(row).collect::<Vec<f32>>().into(),
        }
    }

    /// Multiplies the matrix by a number above zero.
    pub(crate) fn scale(&mut self, by: f32) {
        let root = by.sqrt();
        let rows = self.rows.to_mut().iter_mut();
        rows.for_each(|value| *value *= root);
    }

    /// Bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Writes it as the next section.
    pub(crate) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.rows.save(to)
    }

    /// Reads the next section, the factor of a matrix of this size.
    pub(crate) fn load(size: usize, from: &mut Sections) -> Result<Self, LayoutError> {
        let rows = Column::load(from)?;
        match rows.len() == size * (size + 1) / 2 {
            true => Ok(Self { size, rows }),
            false => Err(LayoutError::Malformed),
        }
    }

    /// Adds `row' row` to the matrix, by rotations (Golub and Van Loan, "Matrix computations", section 6.5.4).
    pub(crate) fn add(&mut self, mut row: Array1<f32>) {
        let mut rest = &mut self.rows.to_mut()[..];
        let row = row.as_slice_mut().unwrap_or_default();
        for at in 0..self.size {
            let (own, below) = rest.split_at_mut(self.size - at);
            let (new, old) = (row[at], own[0]);
            let length = old.hypot(new);
            let (cosine, sine) = (old / length, new / length);
            own[0] = length;
            for (own, new) in own[1..].iter_mut().zip(&mut row[at + 1..]) {
                let rotated = cosine * *own + sine * *new;
                *new = cosine * *new - sine * *own;
                *own = rotated;
            }
            rest = below;
        }
    }

    /// Solves `r' r x = b`.
    pub(crate) fn solve(&self, mut b: Array1<f32>) -> Array1<f32> {
        let values = b.as_slice_mut().unwrap_or_default();
        let mut rest = self.rows.as_slice();
        for at in 0..self.size {
            let (own, below) = rest.split_at(self.size - at);
            let value = values[at] / own[0];
            values[at] = value;
            for (other, own) in values[at + 1..].iter_mut().zip(&own[1..]) {
                *other -= value * own;
            }
            rest = below;
        }
        let mut rest = self.rows.as_slice();
        for at in (0..self.size).rev() {
            let (above, own) = rest.split_at(rest.len() - (self.size - at));
            let known = ArrayView1::from(&own[1..]).dot(&ArrayView1::from(&values[at + 1..]));
            values[at] = (values[at] - known) / own[0];
            rest = above;
        }
        b
    }
}

impl From<&Factor> for GrowingFactor {
    fn from(factor: &Factor) -> Self {
        Self::of(factor.lower())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cholesky::factor;
    use super::*;

    #[test]
    fn rows_that_were_added_are_in_the_matrix() {
        let n = 21;
        let rows = Array2::from_shape_fn((40, n), |(i, j)| {
            ((i * i * 31 + j * 17) % 101) as f32 / 101.0 - 0.4
        });
        let mut grown = GrowingFactor::new(n, 0.5);
        for row in rows.outer_iter() {
            grown.add(row.to_owned());
        }
        grown.scale(3.0);
        let rows = rows.mapv(f64::from);
        let matrix = (rows.t().dot(&rows) + Array2::<f64>::eye(n) * 0.5) * 3.0;
        let whole = GrowingFactor::from(&factor(matrix.clone()).unwrap());
        let pairs = || grown.rows.iter().zip(whole.rows.iter());
        assert!(pairs().all(|(a, b)| (a - b).abs() < 1e-3));
        let b = Array1::from_shape_fn(n, |at| at as f32);
        let x = grown.solve(b.clone()).mapv(f64::from);
        let back = matrix.dot(&x);
        assert!(
            back.iter()
                .zip(&b)
                .all(|(a, b)| (*a as f32 - b).abs() < 1e-2)
        );
    }
}
