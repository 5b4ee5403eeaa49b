//! The owner's side of the job queue: enqueue, look, cancel. Workers take jobs from
//! [`crate::Queue`].

use chrono::{DateTime, Utc};
use domain::{Change, Job, JobId, JobKind, JobState, TenantId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, JsonValue, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use super::all;
use crate::convert::{micros, small_int};
use crate::platform::queue::{self, LeaseToken, Outcome};
use crate::rows::jobs::{Column, Entity, Model, in_state};
use crate::session::Session;
use crate::{Result, StorageError};

/// The jobs of a tenant, or of the platform.
#[derive(Debug, Clone, Copy)]
pub struct Jobs<'a> {
    pub(crate) session: &'a Session,
    /// None: the platform.
    pub(crate) owner: Option<&'a TenantId>,
}

/// A job to enqueue, in the form that is stored; `jobs::JobSpec` makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// What the worker needs to know: ids, never texts.
    pub payload: JsonValue,
    /// While a job with this key waits, no second one is made.
    pub dedup_key: Option<String>,
    /// How often it may be taken before it fails for good; at least 1.
    pub max_attempts: u32,
}

impl Jobs<'_> {
    /// Enqueues a job, or returns the one that waits with the same key.
    ///
    /// The job can be taken once this transaction is committed. That holds for a job that waited
    /// already, too: whoever works on it sees what is committed with this.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased (but the erasure itself can be enqueued), or
    /// the database fails.
    #[tracing::instrument(level = "debug", name = "jobs.enqueue", skip_all)]
    pub async fn enqueue(&self, new: NewJob, now: DateTime<Utc>) -> Result<Job> {
        self.enqueue_due(new, now, now).await
    }

    /// [`Jobs::enqueue`], but it is not taken before `due`; one that waits with the same key keeps
    /// its own time.
    ///
    /// # Errors
    /// As there.
    #[tracing::instrument(level = "debug", name = "jobs.enqueue_due", skip_all)]
    pub async fn enqueue_due(
        &self,
        new: NewJob,
        due: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Job> {
        let db = match new.kind {
            JobKind::EraseTenant => self.session.write().await?,
            _ => self.session.write_data().await?,
        };
        let id = self.session.store().new_job_id(now)?;
        let row = Model {
            due_at: micros(due),
            ..self.row(&id, &new, now)
        };
        self.session.note(Change::Jobs(self.owner.cloned()));
        self.session.note_takeable(&[new.kind]);
        let Some(key) = &new.dedup_key else {
            Entity::insert(row.clone().into_active_model())
                .exec_without_returning(db)
                .await?;
            return Job::try_from(row);
        };
        // A waiting job can be taken between the two statements, but not often in a row.
        for _ in 0..8 {
            let inserted = Entity::insert(row.clone().into_active_model())
                .on_conflict(
                    OnConflict::columns([Column::TenantId, Column::DedupKey])
                        .target_and_where(in_state(JobState::Queued))
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(db)
                .await?;
            if inserted == 1 {
                return Job::try_from(row);
            }
            // Shared lock: no worker takes it (they skip locked rows) before this is committed.
            let waiting = self
                .find()
                .filter(Column::DedupKey.eq(key.as_str()))
                .filter(in_state(JobState::Queued))
                .lock_shared()
                .one(db)
                .await?;
            if let Some(waiting) = waiting {
                return Job::try_from(waiting);
            }
        }
        Err(StorageError::conflict("jobs with the same key come and go"))
    }

    /// The job.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "jobs.get", skip_all)]
    pub async fn get(&self, id: &JobId) -> Result<Option<Job>> {
        let db = self.session.read().await?;
        let row = self
            .find()
            .filter(Column::Id.eq(id.as_str()))
            .one(db)
            .await?;
        row.map(Job::try_from).transpose()
    }

    /// At most `limit` jobs, newest first, those before `before`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "jobs.list", skip_all)]
    pub async fn list(
        &self,
        before: Option<JobId>,
        limit: u32,
        kind: Option<JobKind>,
        state: Option<JobState>,
    ) -> Result<Vec<Job>> {
        let db = self.session.read().await?;
        let mut query = self.find().order_by_desc(Column::Id);
        if let Some(before) = before {
            query = query.filter(Column::Id.lt(before.as_str()));
        }
        if let Some(kind) = kind {
            query = query.filter(Column::Kind.eq(kind.as_str()));
        }
        if let Some(state) = state {
            query = query.filter(Column::State.eq(state.as_str()));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// Asks for a job to stop. One that waits is cancelled at once; the worker of one that runs is
    /// told when it renews its lease; one that has ended stays as it is.
    ///
    /// Returns the job as it is then, or `None` when there is none.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "jobs.request_cancel", skip_all)]
    pub async fn request_cancel(&self, id: &JobId, now: DateTime<Utc>) -> Result<Option<Job>> {
        let db = self.session.write().await?;
        let state = |state: JobState| Column::State.eq(state.as_str());
        let this = || {
            Entity::update_many()
                .filter(Column::TenantId.eq(self.owner_id()))
                .filter(Column::Id.eq(id.as_str()))
        };
        let stopped = this()
            .filter(state(JobState::Queued))
            .col_expr(Column::State, Expr::value(JobState::Cancelled.as_str()))
            .col_expr(Column::CancelRequested, Expr::value(true))
            .col_expr(Column::FinishedAt, Expr::value(micros(now)))
            .exec(db)
            .await?;
        if stopped.rows_affected == 0 {
            this()
                .filter(state(JobState::Running))
                .col_expr(Column::CancelRequested, Expr::value(true))
                .exec(db)
                .await?;
        }
        let job = self.get(id).await?;
        if job.is_some() {
            self.session.note(Change::Jobs(self.owner.cloned()));
        }
        Ok(job)
    }

    /// The job that `token` holds is done, if what this transaction writes is kept. Who has lost the job
    /// keeps nothing.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`]; the database fails.
    #[tracing::instrument(level = "debug", name = "jobs.complete", skip_all)]
    pub async fn complete(
        &self,
        token: &LeaseToken,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let db = self.session.write().await?;
        queue::complete(token, &outcome, now, db).await?;
        self.session.note(Change::Jobs(self.owner.cloned()));
        // A tenant has one job of a kind running: the next one may begin.
        self.session.note_takeable(&[token.kind()]);
        Ok(())
    }

    fn owner_id(&self) -> &str {
        self.owner.map_or("", TenantId::as_str)
    }

    /// A query over this owner's jobs.
    fn find(&self) -> Select<Entity> {
        Entity::find().filter(Column::TenantId.eq(self.owner_id()))
    }

    fn row(&self, id: &JobId, new: &NewJob, now: DateTime<Utc>) -> Model {
        Model {
            id: id.to_string(),
            tenant_id: self.owner_id().to_owned(),
            kind: new.kind.as_str().to_owned(),
            state: JobState::Queued.as_str().to_owned(),
            payload: new.payload.clone(),
            dedup_key: new.dedup_key.clone(),
            attempts: 0,
            max_attempts: small_int(Ord::max(new.max_attempts, 1)),
            progress_fraction: 0.0,
            progress_step: String::new(),
            outcome: JsonValue::Array(Vec::new()),
            error: None,
            cancel_requested: false,
            lease_token: None,
            lease_until: None,
            due_at: micros(now),
            created_at: micros(now),
            started_at: None,
            finished_at: None,
        }
    }
}
