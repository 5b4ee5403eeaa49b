//! One job in the hands of a worker.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Clock, Job, JobProgress, TenantContext, TenantId};
use serde::Serialize;
use storage::{LeaseToken, TenantTx};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::JobFailure;
use crate::outcome::pairs;

/// One job in the hands of a worker: how it tells how far it is, and hears that it should end.
#[derive(Debug)]
pub struct JobWork {
    /// The job.
    pub job: Job,
    pub(crate) progress: watch::Sender<JobProgress>,
    pub(crate) stop: CancellationToken,
    pub(crate) token: LeaseToken,
    pub(crate) clock: Clock,
    /// Whether it was completed with what it wrote: the worker has nothing left to settle then.
    pub(crate) is_complete: AtomicBool,
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
    pub fn tenant(&self) -> Result<&TenantId, JobFailure> {
        let missing = || JobFailure::fail("the job names no tenant; start it again");
        self.job.tenant.as_ref().ok_or_else(missing)
    }

    /// Access to the data of the tenant it works for, as `actor` in the record of what is done.
    ///
    /// # Errors
    /// As [`JobWork::tenant`].
    pub fn context(&self, actor: &'static str) -> Result<TenantContext, JobFailure> {
        Ok(TenantContext::for_background_work(self.tenant()?, actor))
    }

    /// Has the job end with the outcome that its handler is about to return, in the transaction that
    /// holds what it did: both are kept or neither is, and a worker that has lost the job keeps
    /// nothing. To be committed before the handler returns.
    ///
    /// # Errors
    /// Another worker has the job by now; the database fails.
    pub async fn complete_in(
        &self,
        tx: &TenantTx,
        outcome: &(impl Serialize + Sync),
    ) -> storage::Result<()> {
        let (outcome, now) = (pairs(outcome), self.clock.now());
        tx.jobs().complete(&self.token, outcome, now).await?;
        self.is_complete.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether it should end: cancelled, its lease lost, or the process stopping.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// [`JobFailure::Cancelled`] when it should end: to be asked between two steps.
    ///
    /// # Errors
    /// When it should end.
    pub fn proceed(&self) -> Result<(), JobFailure> {
        if self.should_stop() {
            return Err(JobFailure::Cancelled);
        }
        Ok(())
    }

    /// The token behind [`JobWork::should_stop`], for work on other threads.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}
