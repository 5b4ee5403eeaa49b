//! How the tenant wants its requests routed.

use chrono::{DateTime, Utc};
use domain::{Change, RoutingPolicy, TaskId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::TenantTx;
use crate::Result;
use crate::convert::{micros, to_json};
use crate::rows::routing_policies::{Column, Entity, Model};

/// The tenant's routing policies, one a task.
#[derive(Debug, Clone, Copy)]
pub struct RoutingPolicies<'a> {
    pub(super) tx: &'a TenantTx,
}

/// A policy as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// The policy.
    pub policy: RoutingPolicy,
    /// Who set it.
    pub actor: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}

impl RoutingPolicies<'_> {
    /// The policy of the task; none was set when there is none, which means `AUTO`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "routing.get", skip_all)]
    pub async fn get(&self, task: &TaskId) -> Result<Option<StoredPolicy>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .one(db)
            .await?;
        row.map(StoredPolicy::try_from).transpose()
    }

    /// Sets the policy of the task, and records it in the audit trail.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "routing.set", skip_all)]
    pub async fn set(
        &self,
        task: &TaskId,
        policy: &RoutingPolicy,
        now: DateTime<Utc>,
    ) -> Result<StoredPolicy> {
        let db = self.tx.session().write_data().await?;
        let json = to_json("routing_policies.policy", policy)?;
        let detail = format!(
            "{task}: {}{}{}",
            policy.mode.as_str(),
            if policy.require_cost_effective {
                ", only if worth it"
            } else {
                ""
            },
            if policy.kill_switch {
                ", kill switch on"
            } else {
                ""
            }
        );
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task: task.to_string(),
            policy: json,
            actor: self.tx.actor().to_owned(),
            updated_at: micros(now),
        };
        Entity::insert(row.clone().into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Task])
                    .update_columns([Column::Policy, Column::Actor, Column::UpdatedAt])
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        let resource = format!("tenants/{}/routingPolicy", self.tx.tenant());
        self.tx
            .audit()
            .record("routing.update", &resource, &detail, now)
            .await?;
        self.tx.note(Change::Models);
        StoredPolicy::try_from(row)
    }
}
