//! The ledger: usage on its way from the journal into the store, where days are closed and what is old
//! is deleted.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use cpu_time::ProcessTime;
use domain::Clock;
use domain::cost::{Meter, Service, UsageEntry};
use storage::{Platform, Purpose, Retain, Store};
use tokio_util::sync::CancellationToken;

use crate::usage::micros;
use crate::{Journal, UsageRecorder};

/// Between two samples of the processor time that was not metered.
const OVERHEAD_EVERY: Duration = Duration::from_secs(5);
/// Between two runs of closing and deleting.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
/// What is stored is sampled, which reads all of it, in one run of so many: once an hour.
const SAMPLE_EVERY: u32 = 6;
/// Tenants whose sample is recorded in one go, before requests have their turn.
const AT_ONCE: usize = 100;

/// How long usage is kept, level by level.
#[derive(Debug, Clone, Copy)]
pub struct UsageRetention {
    /// Days of single entries.
    pub entries_days: u32,
    /// Days of sums by hour.
    pub hours_days: u32,
    /// Days of sums by day.
    pub days_days: u32,
}

/// The usage of this process, in its journal and in the store. Clones are the same.
#[derive(Debug, Clone)]
pub struct Ledger {
    journal: Journal,
    store: Store,
    clock: Clock,
}

impl Ledger {
    /// A ledger that takes its entries from `journal`.
    #[must_use]
    pub fn new(journal: Journal, store: Store, clock: Clock) -> Self {
        Self {
            journal,
            store,
            clock,
        }
    }

    /// A recorder into the journal.
    #[must_use]
    pub fn recorder(&self) -> UsageRecorder {
        UsageRecorder::new(Arc::new(self.journal.clone()), self.clock.clone())
    }

    /// Brings what is in the journal to the store; returns whether all of it is there.
    ///
    /// A segment is removed after its entries were committed: when the process ends in between, the
    /// store recognises them by their ids.
    pub async fn flush(&self) -> bool {
        let taking = self.journal.clone();
        let segments = match tokio::task::spawn_blocking(move || taking.take()).await {
            Ok(Ok(segments)) => segments,
            Ok(Err(error)) => {
                tracing::error!(%error, "the journal of usage cannot be taken");
                return false;
            }
            Err(_) => return false,
        };
        for segment in segments {
            let entries = match segment.entries() {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::error!(%error, "a segment of usage cannot be read");
                    return false;
                }
            };
            let usage = self.platform().usage();
            match usage.add(entries, self.clock.now()).await {
                Ok(booked) => {
                    metrics::counter!("tenantry_usage_entries_total").increment(booked.new);
                    metrics::counter!("tenantry_usage_late_total").increment(booked.late);
                }
                Err(error) => {
                    // It stays where it is, and is tried again.
                    tracing::warn!(%error, "usage could not be stored yet");
                    return false;
                }
            }
            if let Err(error) = segment.remove() {
                tracing::error!(%error, "a segment of usage cannot be removed");
                return false;
            }
        }
        true
    }

    /// Flushes every so often until `stop`, and once after it.
    pub async fn flush_loop(self, every: Duration, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
            self.flush().await;
        }
    }

    /// Records the processor time of the process beyond what is metered, until `stop`.
    pub async fn overhead_loop(self, stop: CancellationToken) {
        // From the start of the process on: what it took to open is overhead, too.
        let mut recorded = Duration::ZERO;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(OVERHEAD_EVERY) => {}
            }
            let all = ProcessTime::now().as_duration();
            let metered = Duration::from_micros(self.journal.cpu());
            // Operations are recorded when they end: a long one takes back what seemed to be overhead.
            let overhead = all.saturating_sub(metered);
            let more = overhead.checked_sub(recorded);
            let Some(more) = more.filter(|more| !more.is_zero()) else {
                continue;
            };
            recorded += more;
            let quantities = vec![(Meter::OverheadCpu, micros(more))];
            let entry = entry(Service::Platform, self.clock.now(), quantities);
            self.journal.record_overhead(&entry);
        }
    }

    /// Samples what is stored, closes days `close_hour` hours after their end, and deletes what is
    /// old, until `stop`.
    pub async fn run_retention(
        self,
        close_hour: u32,
        retention: UsageRetention,
        stop: CancellationToken,
    ) {
        for round in (0..SAMPLE_EVERY).cycle() {
            let now = self.clock.now();
            if round == 0
                && let Err(error) = self.sample(now).await
            {
                tracing::warn!(%error, "what is stored could not be sampled");
            }
            let usage = self.platform().usage();
            let done = async {
                usage.close_before(closed_before(now, close_hour)).await?;
                usage.forget(retention.at(now)).await
            };
            if let Err(error) = done.await {
                tracing::warn!(%error, "usage could not be closed or deleted");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETENTION_EVERY) => {}
            }
        }
    }

    async fn sample(&self, now: DateTime<Utc>) -> storage::Result<()> {
        let recorder = self.recorder();
        let all = self.platform().usage().stored().await?;
        for (number, (tenant, stored)) in all.into_iter().enumerate() {
            if number % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            metrics::histogram!("tenantry_tenant_vectors").record(stored.vectors as f64);
            metrics::histogram!("tenantry_tenant_bytes").record(stored.bytes as f64);
            let quantities = vec![
                (Meter::StoredVectors, stored.vectors),
                (Meter::StoredBytes, stored.bytes),
            ];
            recorder.record(&UsageEntry {
                tenant: Some(tenant),
                ..entry(Service::Ingest, now, quantities)
            });
        }
        Ok(())
    }

    fn platform(&self) -> Platform {
        self.store.maintenance(Purpose::Metering)
    }
}

/// An entry of no operation.
fn entry(service: Service, at: DateTime<Utc>, quantities: Vec<(Meter, u64)>) -> UsageEntry {
    UsageEntry {
        id: uuid::Uuid::now_v7().to_string(),
        tenant: None,
        at,
        service,
        rpc: String::new(),
        tier: None,
        model: String::new(),
        quantities,
    }
}

/// The first day that is open at `now`: a day is closed some hours after its end.
fn closed_before(now: DateTime<Utc>, close_hour: u32) -> NaiveDate {
    let today = now.date_naive();
    match now.hour() >= close_hour {
        true => today,
        false => today.pred_opt().unwrap_or(today),
    }
}

impl UsageRetention {
    fn at(&self, now: DateTime<Utc>) -> Retain {
        let before = |days: u32| {
            let span = TimeDelta::days(i64::from(days));
            now.checked_sub_signed(span).unwrap_or(DateTime::UNIX_EPOCH)
        };
        Retain {
            entries_from: before(self.entries_days),
            hours_from: before(self.hours_days),
            days_from: before(self.days_days).date_naive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_closed_some_hours_after_its_end() {
        assert_eq!(
            closed_before(at("2026-11-02T05:59:59Z"), 6),
            day("2026-11-01")
        );
        assert_eq!(
            closed_before(at("2026-11-02T06:00:00Z"), 6),
            day("2026-11-02")
        );
        assert_eq!(
            closed_before(at("2026-11-02T00:00:00Z"), 0),
            day("2026-11-02")
        );
    }

    #[test]
    fn what_is_old_is_deleted_level_by_level() {
        let retention = UsageRetention {
            entries_days: 7,
            hours_days: 92,
            days_days: 3 * 366,
        };
        let retain = retention.at(at("2026-11-30T12:00:00Z"));
        assert_eq!(retain.entries_from, at("2026-11-23T12:00:00Z"));
        assert_eq!(retain.hours_from, at("2026-08-30T12:00:00Z"));
        assert_eq!(retain.days_from, day("2023-11-28"));
    }
}
