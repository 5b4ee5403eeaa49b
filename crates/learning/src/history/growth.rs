//! When what is updated item by item is solved for again: each time the history has grown by a tenth.
//!
//! Solving costs the same at any length, so at these lengths it costs less for each item the longer the history
//! is. The lengths are the same for everybody: a history that grew item by item and one that was read at once
//! have solved for the same at the same items.

/// By how much, as a share.
pub(crate) const GROWTH: f64 = 1.0 / ONE_IN as f64;
const ONE_IN: usize = 10;

/// The length at which was solved last, of a history of `n` items.
pub(crate) fn solved_at(n: usize) -> usize {
    if n <= ONE_IN {
        return n;
    }
    let mut at = ONE_IN;
    while at + at / ONE_IN <= n {
        at += at / ONE_IN;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_far_behind_and_the_same_for_a_while() {
        assert_eq!(
            [0, 1, 10, 11, 19, 20, 21, 22].map(solved_at),
            [0, 1, 10, 11, 19, 20, 20, 22]
        );
        for n in (1..5_000).chain([100_000, 1_000_000]) {
            let at = solved_at(n);
            assert!(at <= n && n - at <= n / ONE_IN, "{n}: {at}");
            assert_eq!(solved_at(at), at);
        }
        let all: std::collections::BTreeSet<usize> = (1_000..2_000).map(solved_at).collect();
        assert!(all.len() <= 10, "{all:?}");
    }
}
