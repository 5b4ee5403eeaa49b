//! How much an item counts by its age: by a power of its place in the history.
//!
//! Age is a share of the history: an item counts half when this share of the history is newer than it, the
//! item at place `p` of `n` counts `(p / n)^k` with `(1 - share)^k = 1/2`. People forget by a power as well
//! (Wixted and Ebbesen, "On the form of forgetting", 1991). With an exponential of a half-life that grows
//! with the history, each item would change how all others relate; with a power it changes all of them by the
//! same factor. So sums are kept of `p^k` and divided by `n^k` when they are read, and an item is added to
//! them once.

/// Places are counted in this unit, so that powers stay within what `f32` holds.
const UNIT: f64 = 4_096.0;

/// How much an item of some age counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HalfLife {
    /// All count the same.
    Never,
    /// Half, when this share of the history is newer.
    Share(f64),
}

impl HalfLife {
    /// The power of its place that an item counts by.
    pub(crate) fn power(self) -> f64 {
        match self {
            Self::Never => 0.0,
            Self::Share(share) => 0.5_f64.ln() / (1.0 - share).ln(),
        }
    }

    /// The weight of an item that `age` items are newer than, in a history of `n`.
    pub(crate) fn weight(self, age: usize, n: usize) -> f32 {
        let place = n.saturating_sub(age) as f64;
        (place / n.max(1) as f64).powf(self.power()) as f32
    }

    /// What the item at a position (from 0) adds to sums.
    pub(crate) fn unscaled(self, position: usize) -> f64 {
        ((position + 1) as f64 / UNIT).powf(self.power())
    }

    /// How many times as much the `n`-th item counts as the one before it.
    pub(crate) fn growth(self, n: usize) -> f64 {
        match n {
            0 | 1 => 1.0,
            _ => (n as f64 / (n - 1) as f64).powf(self.power()),
        }
    }

    /// What sums of a history of `n` are divided by.
    pub(crate) fn scale(self, n: usize) -> f64 {
        self.unscaled(n.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_counts_half_when_the_share_of_the_history_is_newer() {
        let half = HalfLife::Share(0.1);
        assert!((half.weight(100, 1_000) - 0.5).abs() < 1e-6);
        assert!((half.weight(10, 100) - 0.5).abs() < 1e-6);
        assert_eq!(half.weight(0, 7), 1.0);
        assert_eq!(half.weight(7, 7), 0.0);
        assert_eq!(HalfLife::Never.weight(99, 100), 1.0);
        assert_eq!(HalfLife::Never.weight(0, 0), 1.0);
    }

    #[test]
    fn sums_are_what_weights_add_up_to() {
        let half = HalfLife::Share(0.25);
        let sum: f64 = (0..500).map(|at| half.unscaled(at)).sum();
        let weights: f64 = (0..500)
            .map(|at| f64::from(half.weight(499 - at, 500)))
            .sum();
        assert!((sum / half.scale(500) - weights).abs() < 1e-3);
    }

    #[test]
    fn a_million_items_fit() {
        for half in [0.03, 0.1, 0.25].map(HalfLife::Share) {
            let most = half.unscaled(1_000_000);
            assert!(most.is_finite() && half.unscaled(0) > 0.0, "{half:?}");
        }
        assert!((HalfLife::Share(0.1).unscaled(1_000_000) as f32).is_finite());
    }
}
