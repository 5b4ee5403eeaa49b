//! Whose turn it is: choosing the next job, and taking back those whose worker is gone.

use chrono::{DateTime, Utc};
use domain::{Job, JobKind, JobState, TenantId, TenantState};
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait,
    FromQueryResult, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect, Statement,
    UpdateMany, Value,
};
use uuid::Uuid;

use super::queue::{LeaseToken, LeasedJob, ended};
use crate::Result;
use crate::convert::micros;
use crate::rows::jobs::{Column, Entity, Model, in_state, owner};

/// Any number, as long as it is always the same: who takes a job holds it.
const TURN_LOCK: i64 = 0x7465_6e71_7565;

/// Waits until no other worker is choosing.
///
/// Being fair needs to see what the others have taken. Choosing takes about a millisecond, and jobs
/// seconds or minutes, so this costs nothing; the rows of jobs that others *write* are skipped
/// (`SKIP LOCKED`), so that choosing never waits for a long transaction.
pub(super) async fn turn(db: &DatabaseTransaction) -> Result<()> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({TURN_LOCK})"))
            .await?;
    }
    Ok(())
}

/// Whether there may be a job to take, or one to take back.
pub(super) async fn may_take(
    db: &impl ConnectionTrait,
    kinds: &[JobKind],
    now: DateTime<Utc>,
) -> Result<bool> {
    if kinds.is_empty() {
        return Ok(false);
    }
    let asked = any_to_take(db.get_database_backend(), kinds, now);
    Ok(db.query_one_raw(asked).await?.is_some())
}

/// A row where there is a job to take or to take back. Asked as one condition with OR, SQLite would look at every
/// job there ever was.
fn any_to_take(backend: DbBackend, kinds: &[JobKind], now: DateTime<Utc>) -> Statement {
    let (values, kinds) = due(kinds, now);
    let sql = format!(
        "SELECT 1 AS found
         WHERE EXISTS (SELECT 1 FROM jobs WHERE state = '{queued}' AND due_at <= $1 AND kind IN ({kinds}))
            OR EXISTS (SELECT 1 FROM jobs WHERE state = '{running}' AND lease_until <= $1)",
        queued = JobState::Queued.as_str(),
        running = JobState::Running.as_str(),
    );
    Statement::from_sql_and_values(backend, sql, values)
}

/// The values of a statement about jobs of these kinds that are due, the time first, and the marks of the kinds.
fn due(kinds: &[JobKind], now: DateTime<Utc>) -> (Vec<Value>, String) {
    let mut values: Vec<Value> = vec![micros(now).into()];
    let mut marks = Vec::with_capacity(kinds.len());
    for kind in kinds {
        values.push(kind.as_str().into());
        marks.push(format!("${}", values.len()));
    }
    (values, marks.join(", "))
}

/// Takes back the jobs whose lease ran out: they wait again, or end when they were taken as often
/// as they may be or were asked to stop. Returns the tenants they belong to.
pub(super) async fn reap(
    db: &DatabaseTransaction,
    now: DateTime<Utc>,
) -> Result<Vec<Option<TenantId>>> {
    let expired = Entity::find()
        .filter(in_state(JobState::Running))
        .filter(Column::LeaseUntil.lte(micros(now)))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(db)
        .await?;
    let mut tenants = Vec::with_capacity(expired.len());
    for row in expired {
        let this = Entity::update_many().filter(Column::Id.eq(row.id.as_str()));
        let update = if row.cancel_requested {
            ended(this, JobState::Cancelled, now)
        } else if row.attempts >= row.max_attempts {
            let error = format!(
                "its worker stopped answering, and it was tried {} of {} times",
                row.attempts, row.max_attempts
            );
            ended(this, JobState::Failed, now).col_expr(Column::Error, Expr::value(error))
        } else {
            requeued(this, &row, db).await?
        };
        update.exec(db).await?;
        tenants.push(owner(row.tenant_id)?);
    }
    Ok(tenants)
}

/// The update that lets a job wait again. It loses its key when another job waits under it by now:
/// one would do, but this one has an id that somebody may be watching.
pub(super) async fn requeued(
    update: UpdateMany<Entity>,
    row: &Model,
    db: &DatabaseTransaction,
) -> Result<UpdateMany<Entity>> {
    let mut update = update
        .col_expr(Column::State, Expr::value(JobState::Queued.as_str()))
        .col_expr(Column::LeaseToken, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>));
    if let Some(key) = &row.dedup_key {
        let waiting = Entity::find()
            .filter(Column::TenantId.eq(row.tenant_id.as_str()))
            .filter(Column::DedupKey.eq(key.as_str()))
            .filter(in_state(JobState::Queued))
            .count(db)
            .await?;
        if waiting > 0 {
            update = update.col_expr(Column::DedupKey, Expr::value(None::<String>));
        }
    }
    Ok(update)
}

/// Takes the job whose turn it is.
pub(super) async fn next(
    db: &DatabaseTransaction,
    kinds: &[JobKind],
    lease_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<LeasedJob>> {
    if kinds.is_empty() {
        return Ok(None);
    }
    let chosen = choice(db.get_database_backend(), kinds, now);
    let Some(row) = Model::find_by_statement(chosen).one(db).await? else {
        return Ok(None);
    };
    let secret = Uuid::new_v4().to_string();
    let row = Model {
        state: JobState::Running.as_str().to_owned(),
        attempts: row.attempts + 1,
        lease_token: Some(secret.clone()),
        lease_until: Some(micros(lease_until)),
        started_at: row.started_at.or(Some(micros(now))),
        ..row
    };
    Entity::update(row.clone().into_active_model().reset_all())
        .exec(db)
        .await?;
    note_turn(db, &row.tenant_id, now).await?;
    let payload = row.payload.clone();
    let cancel_requested = row.cancel_requested;
    let job = Job::try_from(row)?;
    let token = LeaseToken {
        job: job.id.clone(),
        kind: job.kind,
        tenant: job.tenant.clone(),
        secret,
    };
    Ok(Some(LeasedJob {
        job,
        payload,
        token,
        cancel_requested,
    }))
}

/// Fewest running jobs, then served longest ago, then oldest.
fn choice(backend: DbBackend, kinds: &[JobKind], now: DateTime<Utc>) -> Statement {
    let (values, kinds) = due(kinds, now);
    let skip = match backend {
        DbBackend::Postgres => "FOR UPDATE OF j SKIP LOCKED",
        _ => "",
    };
    let sql = format!(
        "SELECT j.* FROM jobs j
         LEFT JOIN tenants t ON t.id = j.tenant_id
         LEFT JOIN job_turns s ON s.tenant_id = j.tenant_id
         LEFT JOIN (SELECT tenant_id, COUNT(*) AS running FROM jobs
                    WHERE state = '{running}' GROUP BY tenant_id) r ON r.tenant_id = j.tenant_id
         WHERE j.state = '{queued}' AND j.due_at <= $1 AND j.kind IN ({kinds})
           AND (t.state = '{active}' OR j.kind = '{erase}' OR j.tenant_id = '')
           AND NOT EXISTS (SELECT 1 FROM jobs b WHERE b.tenant_id = j.tenant_id
                           AND b.kind = j.kind AND b.state = '{running}')
         ORDER BY COALESCE(r.running, 0), COALESCE(s.served_at, 0), j.id
         LIMIT 1 {skip}",
        running = JobState::Running.as_str(),
        queued = JobState::Queued.as_str(),
        active = TenantState::Active.as_str(),
        erase = JobKind::EraseTenant.as_str(),
    );
    Statement::from_sql_and_values(backend, sql, values)
}

async fn note_turn(db: &DatabaseTransaction, tenant: &str, now: DateTime<Utc>) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "INSERT INTO job_turns (tenant_id, served_at) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET served_at = excluded.served_at",
        [tenant.into(), micros(now).into()],
    );
    db.execute_raw(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use migrations::Migrator;
    use sea_orm::Database;
    use sea_orm_migration::MigratorTrait;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_each_job_reads_no_job_that_has_ended() {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        let kinds = [JobKind::IndexItems, JobKind::RebuildIndex];
        let now = DateTime::UNIX_EPOCH;
        for asked in [
            any_to_take(DbBackend::Sqlite, &kinds, now),
            choice(DbBackend::Sqlite, &kinds, now),
        ] {
            let plan = Statement {
                sql: format!("EXPLAIN QUERY PLAN {}", asked.sql),
                ..asked
            };
            let steps = db.query_all_raw(plan).await.unwrap();
            let steps = steps.iter().map(|row| row.try_get("", "detail").unwrap());
            let steps: Vec<String> = steps.collect();
            let of_jobs = |step: &&String| {
                ["jobs", "j", "b"].iter().any(|name| {
                    let names = [format!("SCAN {name}"), format!("SEARCH {name}")];
                    names
                        .iter()
                        .any(|name| step.as_str() == name || step.starts_with(&format!("{name} ")))
                })
            };
            let of_jobs: Vec<&String> = steps.iter().filter(of_jobs).collect();
            assert!(of_jobs.len() > 1, "{steps:?}");
            for step in of_jobs {
                let reads_part = step.contains("jobs_queued") || step.contains("jobs_running_once");
                assert!(reads_part, "{step} in {steps:?}");
            }
        }
    }
}
