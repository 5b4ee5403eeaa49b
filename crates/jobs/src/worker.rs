//! Workers: take jobs from the queue, run them outside any transaction, and settle them by lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Clock, Job, JobProgress};
use metering::{Operation, UsageRecorder};
use serde_json::Value;
use storage::{
    LeaseStatus, LeaseToken, LeasedJob, Outcome, Purpose, Queue, Result, StorageError, Store,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Handlers, JobFailure, JobWork};

/// How long a worker with nothing to do waits before it looks again, when nothing wakes it: another
/// process may have enqueued something.
const IDLE: Duration = Duration::from_secs(1);
/// The delay before the first retry; it doubles with each attempt.
const RETRY: Duration = Duration::from_secs(1);

/// How jobs are taken.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Jobs at a time.
    pub concurrency: usize,
    /// How long a job is held without renewing.
    pub lease: Duration,
    /// The clock.
    pub clock: Clock,
}

/// Takes the jobs that it has handlers for, and runs them.
#[derive(Clone)]
pub struct Worker {
    /// Where jobs wait.
    pub store: Store,
    /// What does them.
    pub handlers: Arc<Handlers>,
    /// What each consumes is recorded here.
    pub recorder: UsageRecorder,
    /// How they are taken.
    pub settings: WorkerSettings,
}

impl Worker {
    /// Takes and runs jobs until `stop`. A job that runs then is given back to the queue.
    pub async fn run(self, stop: CancellationToken) {
        let queue = self.queue();
        let kinds = self.handlers.kinds();
        let mut running = JoinSet::new();
        loop {
            let free = running.len() < self.settings.concurrency;
            let listen = free && !stop.is_cancelled();
            let taken = match listen {
                true => {
                    let now = self.settings.clock.now();
                    queue.acquire(&kinds, self.settings.lease, now).await
                }
                false => Ok(None),
            };
            match taken {
                Ok(Some(leased)) => {
                    running.spawn(self.clone().run_one(leased, stop.clone()));
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "no job could be taken"),
            }
            if stop.is_cancelled() && running.is_empty() {
                return;
            }
            // Who has no hand free does not listen for more work: what was enqueued meanwhile is still
            // there when a job ends, and listening would answer at once, again and again.
            tokio::select! {
                () = queue.wait(&kinds), if listen => {}
                () = tokio::time::sleep(IDLE), if listen => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a job's task ended badly; its lease will run out");
                    }
                }
            }
        }
    }

    fn queue(&self) -> Queue {
        self.store.maintenance(Purpose::Jobs).queue()
    }

    async fn run_one(self, leased: LeasedJob, stop: CancellationToken) {
        let queue = self.queue();
        let LeasedJob {
            job,
            payload,
            token,
            cancel_requested,
            ..
        } = leased;
        let (progress, mut news) = watch::channel(job.progress.clone());
        let job_stop = stop.child_token();
        if cancel_requested {
            job_stop.cancel();
        }
        let work = JobWork {
            job,
            progress,
            stop: job_stop.clone(),
            token: token.clone(),
            clock: self.settings.clock.clone(),
            is_complete: AtomicBool::new(false),
        };
        let lease = Lease {
            queue: &queue,
            token: &token,
            settings: &self.settings,
            stop: &job_stop,
        };
        // Side by side: a job in the middle of a transaction goes on while its lease waits for the same
        // connection.
        let result = tokio::select! {
            result = self.measured(&work, payload) => result,
            () = lease.keep(&mut news) => unreachable!("a lease is kept until the job ends"),
        };
        let (kind, id) = (work.job.kind.as_str(), work.job.id.to_string());
        if result.is_ok() && work.is_complete.load(Ordering::Acquire) {
            tracing::debug!(kind, job = id, "job settled with what it did");
            return;
        }
        match lease.settle(&work.job, result, stop.is_cancelled()).await {
            Ok(()) => tracing::debug!(kind, job = id, "job settled"),
            Err(StorageError::LeaseLost) => {
                tracing::warn!(kind, job = id, "lost the lease; another worker has the job");
            }
            Err(error) => tracing::error!(%error, job = id, "a job could not be settled"),
        }
    }

    /// Runs a job, and records what it consumes.
    async fn measured(&self, work: &JobWork, payload: Value) -> Result<Outcome, JobFailure> {
        let kind = work.job.kind;
        let Some(registered) = self.handlers.of(kind) else {
            // Only kinds with a handler are taken.
            return Err(JobFailure::fail("nothing here does jobs of this kind"));
        };
        if !self.recorder.is_enabled() {
            return registered.handler.run(work, payload).await;
        }
        let cost = registered.cost;
        let scope = self.recorder.begin(Operation {
            service: cost.service,
            name: kind.as_str().to_owned(),
            cpu: cost.cpu,
        });
        if let Some(tenant) = work.job.tenant.as_ref().filter(|_| cost.of_tenant) {
            scope.set_tenant(tenant);
        }
        let outcome = scope.run(registered.handler.run(work, payload)).await;
        if let Some(meter) = cost.counts.filter(|_| outcome.is_ok()) {
            scope.add(meter, 1);
        }
        scope.flush();
        outcome
    }
}

/// What it takes to hold a job while it runs.
struct Lease<'a> {
    queue: &'a Queue,
    token: &'a LeaseToken,
    settings: &'a WorkerSettings,
    /// Cancelled when the job has to end.
    stop: &'a CancellationToken,
}

impl Lease<'_> {
    /// Gives the job back with what came of it. `stopping`: the worker was told to end.
    async fn settle(
        &self,
        job: &Job,
        result: Result<Outcome, JobFailure>,
        stopping: bool,
    ) -> Result<()> {
        let (queue, token, now) = (self.queue, self.token, self.settings.clock.now());
        let (message, again) = match result {
            Ok(outcome) => return queue.complete(token, outcome, now).await,
            Err(JobFailure::Cancelled) if stopping => {
                ("the worker was stopped".to_owned(), Some(Duration::ZERO))
            }
            Err(JobFailure::Cancelled) => return queue.cancelled(token, now).await,
            Err(JobFailure::Retry(message)) => {
                let doubled = 2u32.saturating_pow(job.attempts.saturating_sub(1).min(8));
                (message, Some(RETRY * doubled))
            }
            Err(JobFailure::Fail(message)) => (message, None),
        };
        queue.fail(token, &message, again, now).await.map(drop)
    }

    /// Renews the lease, and writes down how far the job is; for as long as it is polled.
    async fn keep(&self, news: &mut watch::Receiver<JobProgress>) {
        let every = self.settings.lease / 3;
        // It was just taken: most jobs end before the first beat.
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        loop {
            // What was told since is written at once, but not more often than four times a second.
            tokio::select! {
                _ = beat.tick() => {}
                changed = news.changed() => match changed {
                    Ok(()) => tokio::time::sleep(Duration::from_millis(250)).await,
                    // Nobody tells anything any more: the beat alone goes on.
                    Err(_) => { beat.tick().await; }
                },
            }
            let told = news.borrow_and_update().clone();
            let renewed = self
                .queue
                .renew(
                    self.token,
                    Some(told),
                    self.settings.lease,
                    self.settings.clock.now(),
                )
                .await;
            match renewed {
                Ok(LeaseStatus::Held) => {}
                Ok(LeaseStatus::CancelRequested | LeaseStatus::Lost) => self.stop.cancel(),
                Err(error) => {
                    tracing::warn!(%error, job = %self.token.job(), "a lease could not be renewed");
                }
            }
        }
    }
}
