//! What this process consumes: into the journal, from there into the store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use cpu_time::ProcessTime;
use domain::cost::{Meter, Service, UsageEntry};
use domain::{Clock, JobKind};
use metering::usage::micros;
use metering::{Journal, Operation, UsageRecorder, UsageSink};
use server::config::MeteringSection;
use storage::{JobFailure, JobRunner, JobWork, Outcome, Purpose, Retain, Store};
use tokio_util::sync::CancellationToken;

/// Between two looks at what the process took beyond what was metered.
const OVERHEAD_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at what may be closed and forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);
/// Looks at what is stored, which reads all of it, are one in so many of them: one an hour.
const SAMPLE_EVERY: u32 = 6;
/// Tenants whose sample is written down in one go, before requests have their turn.
const AT_ONCE: usize = 100;

/// Keeps entries in a journal.
struct JournalSink(Journal);

impl UsageSink for JournalSink {
    fn record(&self, entry: &UsageEntry) {
        self.0.keep(entry);
        // Totals only: a label for each tenant would make as many series as there are tenants.
        for (meter, quantity) in &entry.quantities {
            let labels = [
                ("service", entry.service.as_str()),
                ("meter", meter.as_str()),
            ];
            metrics::counter!("tenantry_usage_total", &labels).increment(*quantity);
        }
    }
}

/// The book that all work of the process is written into.
pub(crate) fn book(journal: &Journal, settings: &MeteringSection, clock: &Clock) -> UsageRecorder {
    if !settings.enabled {
        return UsageRecorder::disabled(clock.clone());
    }
    UsageRecorder::new(Arc::new(JournalSink(journal.clone())), clock.clone())
}

/// Makes a piece of work of each job.
pub(crate) struct MeteredJobs {
    pub runner: Arc<dyn JobRunner>,
    pub book: UsageRecorder,
}

#[async_trait]
impl JobRunner for MeteredJobs {
    fn kinds(&self) -> &'static [JobKind] {
        self.runner.kinds()
    }

    async fn run(&self, job: &JobWork) -> Result<Outcome, JobFailure> {
        if !self.book.is_enabled() {
            return self.runner.run(job).await;
        }
        let (service, cpu) = part_of(job.job.kind);
        let work = self.book.begin(Operation {
            service,
            name: job.job.kind.as_str().to_owned(),
            cpu,
        });
        // Erasure leaves nothing: what it takes is the platform's.
        if let Some(tenant) = &job.job.tenant
            && job.job.kind != JobKind::EraseTenant
        {
            work.set_tenant(tenant);
        }
        let outcome = work.run(self.runner.run(job)).await;
        let trains = matches!(job.job.kind, JobKind::Retrain | JobKind::TrainTier);
        if trains && outcome.is_ok() {
            work.add(Meter::Retrains, 1);
        }
        work.flush();
        outcome
    }
}

/// Which service does the jobs of a kind, and under which meter its own processor time goes.
fn part_of(kind: JobKind) -> (Service, Meter) {
    match kind {
        JobKind::IndexItems | JobKind::RebuildIndex | JobKind::SwitchSpace => {
            (Service::Ingest, Meter::RequestCpu)
        }
        JobKind::Retrain
        | JobKind::TrainTier
        | JobKind::CheckChampion
        | JobKind::ReproduceModel
        | JobKind::PruneModels => (Service::Trainer, Meter::TrainingCpu),
        JobKind::Precompute => (Service::Router, Meter::RequestCpu),
        JobKind::EraseTenant => (Service::Tenants, Meter::RequestCpu),
    }
}

/// Brings what is in the journal to the store; returns whether all of it is there.
///
/// A segment is removed after its entries were committed: when the process ends in between, the store
/// knows them by their ids.
pub(crate) async fn flush(journal: &Journal, store: &Store, now: DateTime<Utc>) -> bool {
    let taking = journal.clone();
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
        match store
            .maintenance(Purpose::Metering)
            .usage()
            .add(entries, now)
            .await
        {
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

/// Flushes the journal every now and then until `stop`, and once after it.
pub(crate) async fn keep_flushing(
    journal: Journal,
    store: Store,
    clock: Clock,
    every: Duration,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
        flush(&journal, &store, clock.now()).await;
    }
}

/// Writes down what the process takes of the processor beyond what is metered, until `stop`.
pub(crate) async fn keep_overhead(journal: Journal, clock: Clock, stop: CancellationToken) {
    // From the start of the process on: what it took to open is overhead, too.
    let mut written = Duration::ZERO;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(OVERHEAD_EVERY) => {}
        }
        let all = ProcessTime::now().as_duration();
        let metered = Duration::from_micros(journal.cpu());
        // Work is written down when it ends: a long one brings back what seemed to be overhead.
        let overhead = all.saturating_sub(metered);
        let Some(more) = overhead.checked_sub(written).filter(|more| !more.is_zero()) else {
            continue;
        };
        written += more;
        journal.keep_overhead(&UsageEntry {
            id: uuid::Uuid::now_v7().to_string(),
            tenant: None,
            at: clock.now(),
            service: Service::Platform,
            rpc: String::new(),
            tier: None,
            model: String::new(),
            quantities: vec![(Meter::OverheadCpu, micros(more))],
        });
    }
}

/// Samples what is stored, closes days and forgets what is old, until `stop`.
pub(crate) async fn keep_house(
    store: Store,
    book: UsageRecorder,
    clock: Clock,
    settings: MeteringSection,
    stop: CancellationToken,
) {
    for round in (0..SAMPLE_EVERY).cycle() {
        let now = clock.now();
        if round == 0
            && let Err(error) = sample(&store, &book, now).await
        {
            tracing::warn!(%error, "what is stored could not be sampled");
        }
        let usage = store.maintenance(Purpose::Metering).usage();
        let done = async {
            usage
                .close_before(closed_before(now, settings.close_hour))
                .await?;
            usage.forget(retain(now, &settings)).await
        };
        if let Err(error) = done.await {
            tracing::warn!(%error, "usage could not be closed or forgotten");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP_EVERY) => {}
        }
    }
}

async fn sample(store: &Store, book: &UsageRecorder, now: DateTime<Utc>) -> storage::Result<()> {
    let all = store
        .maintenance(Purpose::Metering)
        .usage()
        .stored()
        .await?;
    for (number, (tenant, stored)) in all.into_iter().enumerate() {
        if number % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        metrics::histogram!("tenantry_tenant_vectors").record(stored.vectors as f64);
        metrics::histogram!("tenantry_tenant_bytes").record(stored.bytes as f64);
        book.record(&UsageEntry {
            id: uuid::Uuid::now_v7().to_string(),
            tenant: Some(tenant),
            at: now,
            service: Service::Ingest,
            rpc: String::new(),
            tier: None,
            model: String::new(),
            quantities: vec![
                (Meter::StoredVectors, stored.vectors),
                (Meter::StoredBytes, stored.bytes),
            ],
        });
    }
    Ok(())
}

/// The first day that is open at `now`: a day is closed some hours after its end.
fn closed_before(now: DateTime<Utc>, close_hour: u32) -> NaiveDate {
    let today = now.date_naive();
    match now.hour() >= close_hour {
        true => today,
        false => today.pred_opt().unwrap_or(today),
    }
}

fn retain(now: DateTime<Utc>, settings: &MeteringSection) -> Retain {
    let before = |days: u32| {
        let span = TimeDelta::days(i64::from(days));
        now.checked_sub_signed(span).unwrap_or(DateTime::UNIX_EPOCH)
    };
    Retain {
        entries_from: before(settings.entries_days),
        hours_from: before(settings.hours_days),
        days_from: before(settings.days_days).date_naive(),
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
    fn what_is_old_goes_by_level() {
        let retain = retain(at("2026-11-30T12:00:00Z"), &MeteringSection::default());
        assert_eq!(retain.entries_from, at("2026-11-23T12:00:00Z"));
        assert_eq!(retain.hours_from, at("2026-08-30T12:00:00Z"));
        assert_eq!(retain.days_from, day("2023-11-28"));
    }
}
