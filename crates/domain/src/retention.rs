//! Which versions of a model may go.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

/// What is kept of a model's versions beside those that something needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelRetention {
    /// The newest versions; at least one is kept, whatever this says: the next version's number
    /// follows it.
    pub newest: u32,
    /// Versions younger than this.
    pub younger: TimeDelta,
}

/// The versions that may go, oldest first: not `needed` (by an alias, a policy, a roll-back), not
/// among the newest, not young. `versions` are all there are, with the time each was made.
#[must_use]
pub fn prunable(
    versions: &[(u64, DateTime<Utc>)],
    needed: &BTreeSet<u64>,
    retention: ModelRetention,
    now: DateTime<Utc>,
) -> Vec<u64> {
    let mut oldest_first: Vec<_> = versions.to_vec();
    oldest_first.sort_unstable_by_key(|(version, _)| *version);
    let newest = usize::try_from(retention.newest.max(1)).unwrap_or(usize::MAX);
    let old = oldest_first.len().saturating_sub(newest);
    oldest_first
        .into_iter()
        .take(old)
        .filter(|(version, made)| {
            !needed.contains(version) && now.signed_duration_since(*made) >= retention.younger
        })
        .map(|(version, _)| version)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn rules(newest: u32, days: i64) -> ModelRetention {
        ModelRetention {
            newest,
            younger: TimeDelta::days(days),
        }
    }

    /// One version a day, 1 to 20, on the days of their numbers.
    fn daily() -> Vec<(u64, DateTime<Utc>)> {
        (1..=20).map(|n| (n, day(n as i64))).rev().collect()
    }

    #[test]
    fn what_is_needed_new_or_young_stays() {
        let needed = BTreeSet::from([2, 7, 19]);
        let gone = prunable(&daily(), &needed, rules(5, 12), day(20));
        // 16 to 20 are the newest, 9 to 20 are younger than twelve days.
        assert_eq!(gone, [1, 3, 4, 5, 6, 8]);
        assert!(prunable(&daily(), &needed, rules(5, 12), day(0)).is_empty());
        assert!(prunable(&[], &needed, rules(5, 12), day(0)).is_empty());
    }

    #[test]
    fn the_newest_stays_whatever_the_rules_say() {
        for newest in 0..25 {
            for days in [0, 3, 400] {
                let gone = prunable(&daily(), &BTreeSet::new(), rules(newest, days), day(30));
                assert!(!gone.contains(&20), "{newest} {days}: {gone:?}");
                assert!(gone.len() <= 20 - newest.clamp(1, 20) as usize);
                assert!(gone.is_sorted());
            }
        }
    }
}
