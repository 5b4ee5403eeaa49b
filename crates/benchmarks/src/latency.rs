//! How long calls took.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

/// Durations in microseconds, to three digits, up to ten minutes.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never with these bounds.
    pub fn new() -> Result<Self> {
        Ok(Self(
            Histogram::new_with_bounds(1, 600_000_000, 3).context("histogram bounds")?,
        ))
    }

    /// Adds one; what is out of bounds counts as the bound.
    pub fn record(&mut self, took: Duration) {
        self.0
            .saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// The duration that a share of the calls did not exceed.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// How many were recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new().unwrap();
        (1..=100).for_each(|step| latencies.record(Duration::from_millis(step)));
        let near = |share, millis: f64| {
            (latencies.at(share).as_secs_f64() * 1e3 - millis).abs() < millis * 0.01
        };
        assert!(near(0.5, 50.0) && near(0.99, 99.0) && latencies.len() == 100);
    }
}
