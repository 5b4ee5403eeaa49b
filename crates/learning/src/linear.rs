//! Solving symmetric positive definite systems (Cholesky).

use ndarray::Array2;

/// Solves `a x = b` for a symmetric positive definite `a` (n by n) and `b` (n by m); none when `a` is
/// not positive definite. Only the lower half of `a` is read.
pub(crate) fn solve(mut a: Array2<f64>, b: &Array2<f64>) -> Option<Array2<f64>> {
    let n = a.nrows();
    // The factor takes the place of the lower half, row by row: dot products of two rows.
    for i in 0..n {
        let (above, mut rest) = a.view_mut().split_at(ndarray::Axis(0), i);
        let mut row = rest.row_mut(0);
        let row = row.as_slice_mut()?;
        for j in 0..i {
            let other = above.row(j);
            let other = other.as_slice()?;
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let square = row[i] - dot(&row[..i], &row[..i]);
        // NaN is not positive either.
        if square.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        row[i] = square.sqrt();
    }
    // Both triangular systems, all right sides at once: rows of `x` stay contiguous.
    let mut x = b.clone();
    for i in 0..n {
        let (done, mut rest) = x.view_mut().split_at(ndarray::Axis(0), i);
        let mut here = rest.row_mut(0);
        for (j, other) in done.outer_iter().enumerate() {
            here.scaled_add(-a[[i, j]], &other);
        }
        here /= a[[i, i]];
    }
    for i in (0..n).rev() {
        let (mut before, done) = x.view_mut().split_at(ndarray::Axis(0), i + 1);
        let mut here = before.row_mut(i);
        for (offset, other) in done.outer_iter().enumerate() {
            here.scaled_add(-a[[i + 1 + offset, i]], &other);
        }
        here /= a[[i, i]];
    }
    Some(x)
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
        let n = 37;
        let z = Array2::from_shape_fn((60, n), |(i, j)| ((i * 31 + j * 17) % 23) as f64 / 23.0);
        let a = z.t().dot(&z) + Array2::<f64>::eye(n) * 0.1;
        let b = Array2::from_shape_fn((n, 3), |(i, j)| (i + j) as f64);
        let x = solve(a.clone(), &b).unwrap();
        assert!((a.dot(&x) - &b).iter().all(|d| d.abs() < 1e-8));
    }
}
