//! The workers' side of the job queue: take, hold, finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Change, Job, JobId, JobKind, JobProgress, JobState, TenantId};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, JsonValue, QueryFilter, QuerySelect, UpdateMany,
};

use super::take;
use crate::convert::{micros, time, to_json};
use crate::rows::jobs::{Column, Entity, Model};
use crate::session::{Scope, Session};
use crate::store::Inner;
use crate::{Result, StorageError};

/// The job queue as one worker sees it.
///
/// A worker takes a job with [`Queue::acquire`] in a short transaction and works outside of it,
/// holding a lease that it must renew. A worker that dies loses its lease, and the job is taken
/// again by another: so whatever a job does must bear to be done twice.
#[derive(Debug)]
pub struct Queue {
    store: Arc<Inner>,
    /// The version of its kinds of jobs that this worker has looked at.
    seen: AtomicU64,
}

/// Proof that a worker holds a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseToken {
    pub(super) job: JobId,
    pub(super) kind: JobKind,
    pub(super) tenant: Option<TenantId>,
    pub(super) secret: String,
}

impl LeaseToken {
    /// The job.
    #[must_use]
    pub fn job(&self) -> &JobId {
        &self.job
    }

    pub(crate) fn kind(&self) -> JobKind {
        self.kind
    }
}

/// A job in the hands of a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedJob {
    /// The job.
    pub job: Job,
    /// What it was enqueued with.
    pub payload: JsonValue,
    /// What the worker shows to renew and to finish.
    pub token: LeaseToken,
    /// Somebody has asked for it to stop, while another worker had it.
    pub cancel_requested: bool,
}

/// What came out of a job, as key and value.
pub type Outcome = Vec<(String, String)>;

/// How a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// Go on.
    Held,
    /// Held, but somebody asks for the job to stop: stop and call [`Queue::cancelled`].
    CancelRequested,
    /// Somebody else has the job, or it is gone: stop and touch nothing.
    Lost,
}

impl Clone for Queue {
    fn clone(&self) -> Self {
        let seen = AtomicU64::new(self.seen.load(Ordering::Acquire));
        Self {
            store: self.store.clone(),
            seen,
        }
    }
}

impl Queue {
    pub(crate) fn new(store: Arc<Inner>) -> Self {
        Self {
            store,
            seen: AtomicU64::new(0),
        }
    }

    /// Takes a job of one of these kinds for `lease`, if one can be taken.
    ///
    /// Of those that are due: first of the tenant with the fewest running jobs, then of the tenant
    /// that was served longest ago, then the oldest. A tenant never has two jobs of a kind running.
    /// Tenants that are not active are passed over, but for their erasure. Jobs whose lease ran out
    /// are taken again, or failed when they were taken too often.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "queue.acquire", skip_all)]
    pub async fn acquire(
        &self,
        kinds: &[JobKind],
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<LeasedJob>> {
        // Read before looking: what comes while we look wakes the next `wait`.
        let version = self.store.changes.takeable().borrow().version(kinds);
        self.seen.store(version, Ordering::Release);
        // Nearly always there is nothing: that is found without the lock of those who write.
        if !take::may_take(&self.session().read_once().await?, kinds, now).await? {
            return Ok(None);
        }
        let session = self.session();
        let db = session.write().await?;
        take::turn(db).await?;
        for tenant in take::reap(db, now).await? {
            session.note(Change::Jobs(tenant));
            session.note_takeable(&JobKind::ALL);
        }
        let taken = take::next(db, kinds, deadline(now, lease), now).await?;
        if let Some(leased) = &taken {
            session.note(Change::Jobs(leased.job.tenant.clone()));
        }
        session.commit().await?;
        Ok(taken)
    }

    /// Holds the lease for `lease` from now on, and says how far the job is.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "queue.renew", skip_all)]
    pub async fn renew(
        &self,
        token: &LeaseToken,
        progress: Option<JobProgress>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<LeaseStatus> {
        let session = self.session();
        let db = session.write().await?;
        let mut update = held(token).col_expr(
            Column::LeaseUntil,
            Expr::value(micros(deadline(now, lease))),
        );
        if let Some(progress) = progress {
            update = update
                .col_expr(Column::ProgressFraction, Expr::value(progress.fraction))
                .col_expr(Column::ProgressStep, Expr::value(progress.step));
            session.note(Change::Jobs(token.tenant.clone()));
        }
        if update.exec(db).await?.rows_affected == 0 {
            return Ok(LeaseStatus::Lost);
        }
        let asked_to_stop: Option<bool> = Entity::find_by_id(token.job.as_str())
            .select_only()
            .column(Column::CancelRequested)
            .into_tuple()
            .one(db)
            .await?;
        session.commit().await?;
        Ok(match asked_to_stop {
            Some(true) => LeaseStatus::CancelRequested,
            Some(false) => LeaseStatus::Held,
            None => LeaseStatus::Lost,
        })
    }

    /// The job is done.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`]; the database fails.
    #[tracing::instrument(level = "debug", name = "queue.complete", skip_all)]
    pub async fn complete(
        &self,
        token: &LeaseToken,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let session = self.session();
        complete(token, &outcome, now, session.write().await?).await?;
        self.finish(session, token).await
    }

    /// The job failed; `message` is safe to show. With `retry_after` it is tried again then, if it
    /// may be taken once more; else it has failed for good. Returns which.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`]; the database fails.
    #[tracing::instrument(level = "debug", name = "queue.fail", skip_all)]
    pub async fn fail(
        &self,
        token: &LeaseToken,
        message: &str,
        retry_after: Option<Duration>,
        now: DateTime<Utc>,
    ) -> Result<JobState> {
        let session = self.session();
        let db = session.write().await?;
        let row = find_held(token, db).await?.ok_or(StorageError::LeaseLost)?;
        let error = Expr::value(crate::convert::storable(message));
        let state = match retry_after {
            _ if row.cancel_requested => JobState::Cancelled,
            Some(_) if row.attempts < row.max_attempts => JobState::Queued,
            _ => JobState::Failed,
        };
        let update = match retry_after {
            Some(delay) if state == JobState::Queued => {
                let due = micros(deadline(now, delay));
                take::requeued(held(token), &row, db)
                    .await?
                    .col_expr(Column::DueAt, Expr::value(due))
            }
            _ => ended(held(token), state, now),
        };
        apply(update.col_expr(Column::Error, error), db).await?;
        self.finish(session, token).await?;
        Ok(state)
    }

    /// The job was stopped because it was asked to.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`]; the database fails.
    #[tracing::instrument(level = "debug", name = "queue.cancelled", skip_all)]
    pub async fn cancelled(&self, token: &LeaseToken, now: DateTime<Utc>) -> Result<()> {
        let session = self.session();
        apply(
            ended(held(token), JobState::Cancelled, now),
            session.write().await?,
        )
        .await?;
        self.finish(session, token).await
    }

    /// Resolves when a job of one of these kinds may have become takeable since this worker's last
    /// [`Queue::acquire`] of the same kinds: one was enqueued or ended, in this process, or, on
    /// PostgreSQL, something about jobs changed in another. Nothing that comes between the two is
    /// missed, so keep one `Queue` a worker. Combine it with [`Queue::next_due`] and a timer.
    pub async fn wait(&self, kinds: &[JobKind]) {
        let seen = self.seen.load(Ordering::Acquire);
        let mut takeable = self.store.changes.takeable();
        // Fails only when the store is gone; then there is nothing to wait for.
        let _ = takeable
            .wait_for(|takeable| takeable.version(kinds) != seen)
            .await;
    }

    /// The next time after `now` at which a job becomes due or a lease runs out.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "queue.next_due", skip_all)]
    pub async fn next_due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let session = self.session();
        let db = session.read().await?;
        let mut next: Option<i64> = None;
        for (state, column) in [
            (JobState::Queued, Column::DueAt),
            (JobState::Running, Column::LeaseUntil),
        ] {
            let earliest: Option<Option<i64>> = Entity::find()
                .select_only()
                .expr(Func::min(Expr::col(column)))
                .filter(Column::State.eq(state.as_str()))
                .filter(column.gt(micros(now)))
                .into_tuple()
                .one(db)
                .await?;
            next = [next, earliest.flatten()].into_iter().flatten().min();
        }
        next.map(|at| time("jobs.due_at", at)).transpose()
    }

    async fn finish(&self, session: Session, token: &LeaseToken) -> Result<()> {
        session.note(Change::Jobs(token.tenant.clone()));
        // A tenant has one job of a kind running: the next one may begin, or this one again.
        session.note_takeable(&[token.kind]);
        session.commit().await
    }

    fn session(&self) -> Session {
        Session::new(self.store.clone(), Scope::Platform)
    }
}

/// Writes that the job that `token` holds is done.
pub(crate) async fn complete(
    token: &LeaseToken,
    outcome: &Outcome,
    now: DateTime<Utc>,
    db: &DatabaseTransaction,
) -> Result<()> {
    let done = ended(held(token), JobState::Succeeded, now)
        .col_expr(
            Column::Outcome,
            Expr::value(to_json("jobs.outcome", outcome)?),
        )
        .col_expr(Column::ProgressFraction, Expr::value(1.0_f32))
        .col_expr(Column::Error, Expr::value(None::<String>));
    apply(done, db).await
}

/// An update of the job that `token` holds, and of nothing when it holds none.
fn held(token: &LeaseToken) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Id.eq(token.job.as_str()))
        .filter(Column::State.eq(JobState::Running.as_str()))
        .filter(Column::LeaseToken.eq(token.secret.as_str()))
}

async fn find_held(token: &LeaseToken, db: &DatabaseTransaction) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(token.job.as_str())
        .filter(Column::State.eq(JobState::Running.as_str()))
        .filter(Column::LeaseToken.eq(token.secret.as_str()))
        .lock_exclusive()
        .one(db)
        .await?)
}

/// The update that ends a job in `state`.
pub(super) fn ended(
    update: UpdateMany<Entity>,
    state: JobState,
    now: DateTime<Utc>,
) -> UpdateMany<Entity> {
    update
        .col_expr(Column::State, Expr::value(state.as_str()))
        .col_expr(Column::FinishedAt, Expr::value(micros(now)))
        .col_expr(Column::LeaseToken, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
}

async fn apply(update: UpdateMany<Entity>, db: &DatabaseTransaction) -> Result<()> {
    match update.exec(db).await?.rows_affected {
        0 => Err(StorageError::LeaseLost),
        _ => Ok(()),
    }
}

/// `after` from `now`; the far future when that is beyond what a time can say.
fn deadline(now: DateTime<Utc>, after: Duration) -> DateTime<Utc> {
    chrono::TimeDelta::from_std(after)
        .ok()
        .and_then(|after| now.checked_add_signed(after))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
