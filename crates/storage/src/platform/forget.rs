//! Forgetting what only grows and nobody asks for any more: jobs that ended, answers that no feedback
//! will join.

use chrono::{DateTime, Utc};
use domain::JobState;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::Platform;
use crate::Result;
use crate::convert::micros;

/// Rows of one transaction: others can write between two of them.
const ROWS_PER_TRANSACTION: u64 = 2_000;

impl Platform {
    /// Forgets the jobs of all tenants and of the platform that ended before `before`; returns how
    /// many.
    ///
    /// # Errors
    /// The database fails; what was forgotten stays forgotten.
    #[tracing::instrument(level = "debug", name = "platform.forget_jobs", skip_all)]
    pub async fn forget_jobs(&self, before: DateTime<Utc>) -> Result<u64> {
        // A job that waits or runs has no end. What erased a tenant stays to be asked how it went.
        let ended = [JobState::Succeeded, JobState::Failed, JobState::Cancelled];
        let states = ended
            .map(|state| format!("'{}'", state.as_str()))
            .join(", ");
        let which = format!("finished_at < $1 AND state IN ({states}) AND kind <> 'ERASE_TENANT'");
        self.forget("jobs", &which, before).await
    }

    /// Forgets what was answered before `before`, to requests for experts and to tasks; returns how
    /// many answers. Feedback and corrections that came stay.
    ///
    /// # Errors
    /// The database fails; what was forgotten stays forgotten.
    #[tracing::instrument(level = "debug", name = "platform.forget_answers", skip_all)]
    pub async fn forget_answers(&self, before: DateTime<Utc>) -> Result<u64> {
        let mut forgotten = 0;
        for table in ["answers", "classifications"] {
            forgotten += self.forget(table, "answered_at < $1", before).await?;
        }
        Ok(forgotten)
    }

    /// Deletes the rows of `table` that `which` describes, some at a time.
    async fn forget(&self, table: &str, which: &str, before: DateTime<Utc>) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let session = self.session();
            let db = session.write().await?;
            let backend = db.get_database_backend();
            // A DELETE with a bound, which neither database has: by the rows' physical places.
            let place = match backend {
                DbBackend::Postgres => "ctid",
                _ => "rowid",
            };
            let sql = format!(
                "DELETE FROM {table} WHERE {place} IN (SELECT {place} FROM {table} \
                 WHERE {which} LIMIT {ROWS_PER_TRANSACTION})"
            );
            let values = [micros(before).into()];
            let deleted = db
                .execute_raw(Statement::from_sql_and_values(backend, sql, values))
                .await?
                .rows_affected();
            session.commit().await?;
            forgotten += deleted;
            if deleted < ROWS_PER_TRANSACTION {
                return Ok(forgotten);
            }
        }
    }
}
