//! Ordinal bins: a number is predicted as a share of each of a few values, and answered by the median of that
//! distribution, which is the answer with the smallest mean absolute error (Frank and Hall,
//! 2001, learn ordered values as classes; the median as minimizer goes back to Laplace).

use serde::{Deserialize, Serialize};

use super::recipe::BINS;

/// The values that shares are predicted of, ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OrdinalBins {
    /// The median of the values of each bin.
    values: Vec<f64>,
    /// The lowest value of each bin but the first.
    from: Vec<f64>,
    /// The bins are all the values there are: nothing lies between them.
    exact: bool,
}

impl OrdinalBins {
    /// The values themselves where they are few, else ranges with about as many values each.
    pub(super) fn new(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        let exact = distinct.len() <= BINS;
        let mut from = match exact {
            true => distinct.get(1..).unwrap_or_default().to_vec(),
            false => (1..BINS)
                .map(|bin| sorted[bin * sorted.len() / BINS])
                .filter(|from| *from > sorted[0])
                .collect(),
        };
        from.dedup();
        let mut made = Self {
            values: Vec::new(),
            from,
            exact,
        };
        let own = |bin: usize| -> Vec<f64> {
            let all = sorted.iter().copied();
            all.filter(|value| made.bin(*value) == bin).collect()
        };
        let medians = (0..=made.from.len()).map(|bin| {
            let own = own(bin);
            own.get(own.len() / 2).copied().unwrap_or(0.0)
        });
        made.values = medians.collect();
        made
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The bin of a value.
    pub(super) fn bin(&self, value: f64) -> usize {
        self.from.partition_point(|from| *from <= value)
    }

    /// The median of a distribution: of exact bins one of them, else a value between two.
    pub(super) fn median(&self, shares: &[f32]) -> f64 {
        let half = shares.iter().map(|share| f64::from(*share)).sum::<f64>() / 2.0;
        let mut below = 0.0;
        // The share of a bin counts half below its value and half above.
        let (mut last, mut reached) = (self.values[0], 0.0);
        for (value, share) in self.values.iter().zip(shares) {
            let share = f64::from(*share);
            if self.exact {
                below += share;
                if below >= half {
                    return *value;
                }
                continue;
            }
            let at = below + share / 2.0;
            if at >= half {
                let part = if at > reached {
                    (half - reached) / (at - reached)
                } else {
                    1.0
                };
                return last + (value - last) * part.clamp(0.0, 1.0);
            }
            (last, reached, below) = (*value, at, below + share);
        }
        self.values.last().copied().unwrap_or(0.0)
    }

    /// Whether it can be what training made: an artifact can be anything.
    pub(super) fn is_sound(&self) -> bool {
        self.values.len() == self.from.len() + 1 && self.values.iter().all(|v| v.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_steps_themselves() {
        let bins = OrdinalBins::new(&[5.0, 1.0, 3.0, 1.0, 1.0]);
        assert_eq!(
            (bins.len(), bins.values.as_slice()),
            (3, &[1.0, 3.0, 5.0][..])
        );
        assert_eq!(
            [0.0, 1.0, 2.9, 3.0, 9.0].map(|v| bins.bin(v)),
            [0, 0, 0, 1, 2]
        );
        assert_eq!(bins.median(&[0.4, 0.3, 0.3]), 3.0, "never between two");
        assert_eq!(bins.median(&[0.6, 0.2, 0.2]), 1.0);
        assert!(bins.is_sound());
    }

    #[test]
    fn many_values_become_ranges() {
        let values: Vec<f64> = (0..1_000).map(|n| f64::from(n) / 1_000.0).collect();
        let bins = OrdinalBins::new(&values);
        assert_eq!(bins.len(), BINS);
        let mut counts = vec![0; bins.len()];
        values
            .iter()
            .for_each(|value| counts[bins.bin(*value)] += 1);
        assert!(counts.iter().all(|n| (70..100).contains(n)), "{counts:?}");
        let even = vec![1.0 / BINS as f32; BINS];
        assert!((bins.median(&even) - 0.5).abs() < 0.05);
        let mut sure = vec![0.0; BINS];
        sure[BINS - 1] = 1.0;
        assert!(bins.median(&sure) > 0.9);
        // Mostly one value: it takes most ranges, and they fall together.
        let tail: Vec<f64> = (0..100).map(|n| f64::from((n - 80).max(0))).collect();
        let bins = OrdinalBins::new(&tail);
        assert!(bins.len() < BINS && bins.is_sound(), "{bins:?}");
        assert_eq!(bins.bin(0.0), 0);
    }
}
