//! What of a tenant decides what it is served with, in one look.

use chrono::{DateTime, Utc};
use domain::cost::ValueVerdict;
use domain::{Alias, DEFAULT_EMBEDDING_MODEL, SpaceState, TaskId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::TenantTx;
use crate::convert::{count, named, optional_time};
use crate::{Result, StorageError};

/// What a tenant is served with now: the same twice means that nothing has changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingState {
    /// The space that it is searched in.
    pub space: String,
    /// The number of the newest change of its items.
    pub items: u64,
    /// The number of the newest change that the index of its space has.
    pub indexed: u64,
    /// How many experts are listed, and when one changed last.
    pub experts: (u64, Option<DateTime<Utc>>),
    /// When the task's routing policy was set.
    pub policy: Option<DateTime<Utc>>,
    /// The version that serves the task.
    pub champion: Option<u64>,
    /// The version that is tried against it.
    pub challenger: Option<u64>,
    /// The newest version.
    pub newest: Option<u64>,
    /// Whether the tenant's own model pays for itself, as it was worked out last.
    pub own_model: Option<ValueVerdict>,
}

#[derive(FromQueryResult)]
struct Row {
    space: Option<String>,
    items: Option<i64>,
    indexed: Option<i64>,
    experts: Option<i64>,
    experts_changed: Option<i64>,
    policy: Option<i64>,
    champion: Option<i64>,
    challenger: Option<i64>,
    newest: Option<i64>,
    own_model: Option<String>,
}

/// One statement, because it is asked at each change of a tenant.
const STATE: &str = "SELECT
    (SELECT space FROM tenant_spaces WHERE tenant_id = $1 AND state = $3) AS space,
    (SELECT item_change FROM tenant_counters WHERE tenant_id = $1) AS items,
    (SELECT watermark FROM index_state WHERE tenant_id = $1 AND space = COALESCE(
        (SELECT space FROM tenant_spaces WHERE tenant_id = $1 AND state = $3), $4)) AS indexed,
    (SELECT COUNT(*) FROM experts WHERE tenant_id = $1) AS experts,
    (SELECT MAX(updated_at) FROM experts WHERE tenant_id = $1) AS experts_changed,
    (SELECT updated_at FROM routing_policies WHERE tenant_id = $1 AND task = $2) AS policy,
    (SELECT version FROM model_aliases
        WHERE tenant_id = $1 AND task = $2 AND alias = $5) AS champion,
    (SELECT version FROM model_aliases
        WHERE tenant_id = $1 AND task = $2 AND alias = $6) AS challenger,
    (SELECT MAX(version) FROM models WHERE tenant_id = $1 AND task = $2) AS newest,
    (SELECT verdict FROM tenant_values WHERE tenant_id = $1
        ORDER BY month DESC LIMIT 1) AS own_model";

impl TenantTx {
    /// What the tenant is served with now.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "serving_state", skip_all)]
    pub async fn serving_state(&self, task: &TaskId) -> Result<ServingState> {
        let db = self.session().read().await?;
        let values = [
            self.id().into(),
            task.as_str().into(),
            SpaceState::Active.as_str().into(),
            DEFAULT_EMBEDDING_MODEL.into(),
            Alias::Champion.as_str().into(),
            Alias::Challenger.as_str().into(),
        ];
        let asked = Statement::from_sql_and_values(db.get_database_backend(), STATE, values);
        let row = Row::find_by_statement(asked).one(db).await?;
        // Without a table to select from there is always one row.
        let row = row.ok_or_else(|| StorageError::corrupt("serving_state", "no row"))?;
        let verdict = row.own_model.map(|verdict| {
            let field = "tenant_values.verdict";
            named(field, &verdict, ValueVerdict::parse)
        });
        Ok(ServingState {
            space: row
                .space
                .unwrap_or_else(|| DEFAULT_EMBEDDING_MODEL.to_owned()),
            items: count(row.items.unwrap_or(0)),
            indexed: count(row.indexed.unwrap_or(0)),
            experts: (
                count(row.experts.unwrap_or(0)),
                optional_time("experts.updated_at", row.experts_changed)?,
            ),
            policy: optional_time("routing_policies.updated_at", row.policy)?,
            champion: row.champion.map(count),
            challenger: row.challenger.map(count),
            newest: row.newest.map(count),
            own_model: verdict.transpose()?,
        })
    }
}
