//! The table `jobs`.

use domain::{Job, JobId, JobKind, JobProgress, JobState, TenantId};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{from_json, named, optional_time, parsed, small_count, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Empty for a job of the platform.
    pub tenant_id: String,
    pub kind: String,
    pub state: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: JsonValue,
    pub dedup_key: Option<String>,
    pub attempts: i32,
    pub max_attempts: i32,
    pub progress_fraction: f32,
    pub progress_step: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub outcome: JsonValue,
    pub error: Option<String>,
    pub cancel_requested: bool,
    /// The secret of the worker that holds the job; only while it runs.
    pub lease_token: Option<String>,
    pub lease_until: Option<i64>,
    /// Not to be taken before.
    pub due_at: i64,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

super::tenant_rows!();

impl TryFrom<Model> for Job {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: parsed("jobs.id", || JobId::parse(row.id))?,
            tenant: owner(row.tenant_id)?,
            kind: named("jobs.kind", &row.kind, JobKind::parse)?,
            state: named("jobs.state", &row.state, JobState::parse)?,
            progress: JobProgress {
                fraction: row.progress_fraction,
                step: row.progress_step,
            },
            attempts: small_count(row.attempts),
            outcome: from_json("jobs.outcome", row.outcome)?,
            error: row.error,
            created_at: time("jobs.created_at", row.created_at)?,
            started_at: optional_time("jobs.started_at", row.started_at)?,
            finished_at: optional_time("jobs.finished_at", row.finished_at)?,
        })
    }
}

/// The tenant that a stored job works for; none for one of the platform.
pub(crate) fn owner(tenant_id: String) -> crate::Result<Option<TenantId>> {
    if tenant_id.is_empty() {
        return Ok(None);
    }
    parsed("jobs.tenant_id", || TenantId::parse(tenant_id)).map(Some)
}

/// The condition that a job is in `state`, as the indexes of the waiting and of the running jobs have it, word
/// for word: a bound value would not be recognized as the same, and all jobs there ever were be looked at.
pub(crate) fn in_state(state: JobState) -> Expr {
    Expr::col(Column::State).eq(Expr::cust(format!("'{}'", state.as_str())))
}
