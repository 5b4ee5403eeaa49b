//! Workers: take jobs from the queue, run them outside any transaction, and settle them by lease.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Clock, Job, JobKind, JobProgress, TenantId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{LeaseStatus, LeaseToken, LeasedJob, Purpose, Queue, Result, StorageError, Store};

/// How long a worker with nothing to do waits before it looks again, when nothing wakes it: another
/// process may have enqueued something.
const IDLE: Duration = Duration::from_secs(1);
/// The delay before the first retry; it doubles with each attempt.
const RETRY: Duration = Duration::from_secs(1);

/// What came out of a job, as key and value.
pub type Outcome = Vec<(String, String)>;

/// Why a job did not succeed.
#[derive(Debug)]
pub enum JobFailure {
    /// It may work later: something it needs was away.
    Retry(String),
    /// It will not work, however often it is tried. The sentence is for the tenant.
    Fail(String),
    /// It saw that it was asked to stop.
    Cancelled,
}

/// Does jobs of some kinds.
#[async_trait]
pub trait JobRunner: Send + Sync + 'static {
    /// The kinds it does.
    fn kinds(&self) -> &'static [JobKind];

    /// Does one job. It may be done a second time after a crash: running it twice must leave the
    /// same as running it once.
    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure>;
}

/// One job in the hands of a worker.
#[derive(Debug)]
pub struct JobWork {
    /// The job.
    pub job: Job,
    /// What it was enqueued with.
    pub payload: serde_json::Value,
    progress: watch::Sender<JobProgress>,
    stop: CancellationToken,
}

impl JobWork {
    /// Tells how far it is: `fraction` from 0 to 1, and what it does now.
    pub fn progress(&self, fraction: f32, step: impl Into<String>) {
        self.progress.send_replace(JobProgress {
            fraction,
            step: step.into(),
        });
    }

    /// The tenant it works for.
    ///
    /// # Errors
    /// A failure for good when it works for none: it was enqueued wrongly.
    pub fn tenant(&self) -> std::result::Result<&TenantId, JobFailure> {
        let missing = || JobFailure::Fail("the job names no tenant; start it again".to_owned());
        self.job.tenant.as_ref().ok_or_else(missing)
    }

    /// Whether it should end: cancelled, its lease lost, or the process stopping.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The token behind [`JobWork::should_stop`], for work on other threads.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

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

/// Takes and runs jobs until `stop`. A job that runs then is given back to the queue.
pub async fn run_jobs(
    store: Store,
    runner: Arc<dyn JobRunner>,
    settings: WorkerSettings,
    stop: CancellationToken,
) {
    let queue = store.maintenance(Purpose::Jobs).queue();
    let mut running = JoinSet::new();
    loop {
        let free = running.len() < settings.concurrency;
        let taken = match free && !stop.is_cancelled() {
            true => {
                queue
                    .acquire(runner.kinds(), settings.lease, settings.clock.now())
                    .await
            }
            false => Ok(None),
        };
        match taken {
            Ok(Some(leased)) => {
                let (queue, runner) = (store.maintenance(Purpose::Jobs).queue(), runner.clone());
                running.spawn(run_one(
                    queue,
                    runner,
                    leased,
                    settings.clone(),
                    stop.clone(),
                ));
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
        let listen = free && !stop.is_cancelled();
        tokio::select! {
            () = queue.wait(), if listen => {}
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

async fn run_one(
    queue: Queue,
    runner: Arc<dyn JobRunner>,
    leased: LeasedJob,
    settings: WorkerSettings,
    stop: CancellationToken,
) {
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
    let name = (job.kind.as_str(), job.id.to_string());
    let attempts = job.attempts;
    let work = JobWork {
        job,
        payload,
        progress,
        stop: job_stop.clone(),
    };
    let lease = Lease {
        queue: &queue,
        token: &token,
        settings: settings.clone(),
        stop: &job_stop,
    };
    // Side by side: a job in the middle of a transaction goes on while its lease waits for the same
    // connection.
    let result = tokio::select! {
        result = runner.run(&work) => result,
        () = lease.keep(&mut news) => unreachable!("a lease is kept until the job ends"),
    };
    let now = settings.clock.now();
    let settled = match result {
        Ok(outcome) => queue.complete(&token, outcome, now).await,
        Err(JobFailure::Cancelled) if stop.is_cancelled() => {
            let again = Some(Duration::ZERO);
            queue
                .fail(&token, "the worker was stopped", again, now)
                .await
                .map(drop)
        }
        Err(JobFailure::Cancelled) => queue.cancelled(&token, now).await,
        Err(JobFailure::Retry(message)) => {
            let delay = RETRY * 2u32.saturating_pow(attempts.saturating_sub(1).min(8));
            queue
                .fail(&token, &message, Some(delay), now)
                .await
                .map(drop)
        }
        Err(JobFailure::Fail(message)) => queue.fail(&token, &message, None, now).await.map(drop),
    };
    match settled {
        Ok(()) => tracing::debug!(kind = name.0, job = name.1, "job settled"),
        Err(StorageError::LeaseLost) => {
            tracing::warn!(
                kind = name.0,
                job = name.1,
                "lost the lease; another worker has the job"
            );
        }
        Err(error) => tracing::error!(%error, job = name.1, "a job could not be settled"),
    }
}

/// What it takes to hold a job while it runs.
struct Lease<'a> {
    queue: &'a Queue,
    token: &'a LeaseToken,
    settings: WorkerSettings,
    /// Cancelled when the job has to end.
    stop: &'a CancellationToken,
}

impl Lease<'_> {
    /// Renews the lease, and writes down how far the job is; for as long as it is polled.
    async fn keep(&self, news: &mut watch::Receiver<JobProgress>) {
        let mut beat = tokio::time::interval(self.settings.lease / 3);
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
