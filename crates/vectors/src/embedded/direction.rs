//! The directions of vectors, as 16-bit fixed-point numbers.
//!
//! Cosine similarity knows directions only, so a vector is kept at length 1 and each of its numbers
//! as `round(x * 32767)`. Half the bytes of `f32`, and a score's error, the sum of many
//! independent roundings, has a standard deviation of 0.000012 whatever the dimensions. By Cauchy-Schwarz a sum of products of two such
//! vectors, and each partial sum, stays within an `i32`; compilers turn such a sum into
//! multiply-and-add instructions on every x86-64 and AArch64 processor.

/// What 1.0 becomes.
const ONE: f32 = 32_767.0;

/// The direction of a vector; of zeros where its length is zero.
pub(super) fn direction(vector: &[f32]) -> Vec<i16> {
    let length = vector
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    if length == 0.0 {
        return vec![0; vector.len()];
    }
    let scale = f64::from(ONE) / length;
    let fixed = vector.iter().map(|x| (f64::from(*x) * scale).round());
    fixed.map(|x| x as i16).collect()
}

/// Cosine similarity of two directions of the same length.
pub(super) fn cosine(a: &[i16], b: &[i16]) -> f32 {
    let products = a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y));
    products.sum::<i32>() as f32 / (ONE * ONE)
}

/// As bytes for a file, least significant first.
pub(super) fn to_bytes(direction: &[i16]) -> Vec<u8> {
    direction.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Appends a direction that [`to_bytes`] wrote; `false` when its length is not `dimensions`.
pub(super) fn append_bytes(bytes: &[u8], dimensions: usize, to: &mut Vec<i16>) -> bool {
    let (numbers, rest) = bytes.as_chunks::<2>();
    to.extend(numbers.iter().map(|two| i16::from_le_bytes(*two)));
    rest.is_empty() && numbers.len() == dimensions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(a: &[f32], b: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| {
            let products = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y));
            products.sum::<f64>()
        };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    proptest! {
        #[test]
        fn scores_are_the_exact_ones_but_for_roundings(
            a in prop::collection::vec(-3.0_f32..3.0, 384),
            b in prop::collection::vec(-3.0_f32..3.0, 384),
        ) {
            let found = f64::from(cosine(&direction(&a), &direction(&b)));
            prop_assert!((found - exact(&a, &b)).abs() < 7e-5);
            prop_assert!((cosine(&direction(&a), &direction(&a)) - 1.0).abs() < 1e-4);
        }

        #[test]
        fn bytes_come_back(a in prop::collection::vec(-1.0_f32..1.0, 0..40)) {
            let mut back = vec![7];
            prop_assert!(append_bytes(&to_bytes(&direction(&a)), a.len(), &mut back));
            prop_assert_eq!(&back[1..], direction(&a));
        }
    }

    #[test]
    fn sums_of_the_widest_vectors_do_not_overflow() {
        // All weight in one number, and spread evenly over the most numbers that a space may have.
        for vector in [vec![f32::MAX, 0.0], vec![1e-30; 4_096]] {
            let one = direction(&vector);
            let other = direction(&vector.iter().map(|x| -x).collect::<Vec<_>>());
            assert!((cosine(&one, &one) - 1.0).abs() < 0.01, "{vector:?}");
            assert!((cosine(&one, &other) + 1.0).abs() < 0.01, "{vector:?}");
        }
        assert_eq!(
            cosine(&direction(&[0.0, 0.0]), &direction(&[1.0, 0.0])),
            0.0
        );
    }

    #[test]
    fn a_direction_of_another_length_is_told() {
        let mut read = Vec::new();
        assert!(!append_bytes(&[0; 6], 2, &mut read));
        assert!(!append_bytes(&[0; 3], 1, &mut read));
    }
}
