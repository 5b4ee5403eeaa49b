//! Jobs that work for the platform and not for one tenant. Each method is a transaction of its own.

use chrono::{DateTime, Utc};
use domain::{Job, JobId, JobKind, JobState};

use super::Platform;
use crate::session::Session;
use crate::{Jobs, NewJob, Result};

impl Platform {
    /// Enqueues a job, or returns the one that waits with the same key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn enqueue(&self, new: NewJob, now: DateTime<Utc>) -> Result<Job> {
        let session = self.session();
        let job = own(&session).enqueue(new, now).await?;
        session.commit().await?;
        Ok(job)
    }

    /// The job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>> {
        own(&self.session()).get(id).await
    }

    /// At most `limit` jobs, newest first, those before `before`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_jobs(
        &self,
        before: Option<JobId>,
        limit: u32,
        kind: Option<JobKind>,
        state: Option<JobState>,
    ) -> Result<Vec<Job>> {
        let session = self.session();
        own(&session).list(before, limit, kind, state).await
    }

    /// Asks for a job to stop: see [`Jobs::request_cancel`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn request_cancel(&self, id: &JobId, now: DateTime<Utc>) -> Result<Option<Job>> {
        let session = self.session();
        let job = own(&session).request_cancel(id, now).await?;
        session.commit().await?;
        Ok(job)
    }
}

fn own(session: &Session) -> Jobs<'_> {
    Jobs {
        session,
        owner: None,
    }
}
