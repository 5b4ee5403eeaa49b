//! Solving symmetric positive definite systems (Cholesky).

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis, s};

/// Rows and columns that are worked on together: what lies before them is a product of matrices.
const BLOCK: usize = 48;

/// Solves `a x = b` for a symmetric positive definite `a` (n by n) and `b` (n by m); none when `a` is
/// not positive definite. Only the lower half of `a` is read.
pub(crate) fn solve(a: Array2<f64>, b: &Array2<f64>) -> Option<Array2<f64>> {
    Some(factor(a)?.solve(b))
}

/// The factor of a symmetric positive definite matrix, of which only the lower half is read; none when it is
/// not positive definite.
pub(crate) fn factor(mut a: Array2<f64>) -> Option<Factor> {
    let n = a.nrows();
    for from in (0..n).step_by(BLOCK) {
        columns(&mut a, from, (from + BLOCK).min(n))?;
    }
    Some(Factor(a))
}

/// The lower factor `l` of a matrix `l l'`.
pub(crate) struct Factor(Array2<f64>);

impl Factor {
    /// The factor; what is above its diagonal means nothing.
    pub(crate) fn lower(&self) -> &Array2<f64> {
        &self.0
    }

    /// Solves `l l' x = b`.
    pub(crate) fn solve(&self, b: &Array2<f64>) -> Array2<f64> {
        let (a, n) = (&self.0, self.0.nrows());
        // Both triangular systems, all right sides at once: rows of `x` stay contiguous.
        let mut x = b.clone();
        for from in (0..n).step_by(BLOCK) {
            let to = (from + BLOCK).min(n);
            let (done, mut rest) = x.view_mut().split_at(Axis(0), from);
            let mut here = rest.slice_mut(s![..to - from, ..]);
            general_mat_mul(-1.0, &a.slice(s![from..to, ..from]), &done, 1.0, &mut here);
            for i in from..to {
                let (done, mut rest) = here.view_mut().split_at(Axis(0), i - from);
                let mut here = rest.row_mut(0);
                for (j, other) in done.outer_iter().enumerate() {
                    here.scaled_add(-a[[i, from + j]], &other);
                }
                here /= a[[i, i]];
            }
        }
        for from in (0..n).step_by(BLOCK).rev() {
            let to = (from + BLOCK).min(n);
            let (mut before, done) = x.view_mut().split_at(Axis(0), to);
            let mut here = before.slice_mut(s![from.., ..]);
            general_mat_mul(
                -1.0,
                &a.slice(s![to.., from..to]).t(),
                &done,
                1.0,
                &mut here,
            );
            for i in (from..to).rev() {
                let (mut before, done) = here.view_mut().split_at(Axis(0), i + 1 - from);
                let mut here = before.row_mut(i - from);
                for (offset, other) in done.outer_iter().enumerate() {
                    here.scaled_add(-a[[i + 1 + offset, i]], &other);
                }
                here /= a[[i, i]];
            }
        }
        x
    }
}

/// Puts the columns `from..to` of the factor in the place of the lower half's, where those before are done.
fn columns(a: &mut Array2<f64>, from: usize, to: usize) -> Option<()> {
    let (before, mut own) = a.multi_slice_mut((s![from.., ..from], s![from.., from..to]));
    let top = before.slice(s![..to - from, ..]);
    general_mat_mul(-1.0, &before, &top.t(), 1.0, &mut own);
    for i in 0..own.nrows() {
        let (above, mut rest) = own.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let row = row.as_slice_mut()?;
        for j in 0..i.min(to - from) {
            let other = above.row(j);
            let other = other.as_slice()?;
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        if i < to - from {
            let square = row[i] - dot(&row[..i], &row[..i]);
            // NaN is not positive either.
            if square.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
                return None;
            }
            row[i] = square.sqrt();
        }
    }
    Some(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums, so that they can be computed side by side; always added in the same order.
    let mut sums = [0.0; 4];
    let (a4, a1) = a.as_chunks::<4>();
    let (b4, b1) = b.as_chunks::<4>();
    for (a, b) in a4.iter().zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a1.iter().zip(b1).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn solves_and_refuses() {
        let a = array![[4.0, 2.0, 0.6], [2.0, 3.0, 0.4], [0.6, 0.4, 2.0]];
        let b = array![[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]];
        let x = solve(a.clone(), &b).unwrap();
        let back = a.dot(&x);
        assert!((&back - &b).iter().all(|d| d.abs() < 1e-12), "{back}");
        assert!(solve(array![[1.0, 2.0], [2.0, 1.0]], &array![[1.0], [1.0]]).is_none());
        assert!(solve(array![[f64::NAN]], &array![[1.0]]).is_none());
    }

    #[test]
    fn larger_systems_too() {
        // More than two blocks, and a part of one.
        let n = 2 * BLOCK + 7;
        let z = Array2::from_shape_fn((3 * n, n), |(i, j)| {
            ((i * i * 31 + j * 17) % 101) as f64 / 101.0
        });
        let a = z.t().dot(&z) + Array2::<f64>::eye(n) * 0.1;
        let b = Array2::from_shape_fn((n, 3), |(i, j)| (i + j) as f64);
        let x = solve(a.clone(), &b).unwrap();
        assert!((a.dot(&x) - &b).iter().all(|d| d.abs() < 1e-8));
    }
}
