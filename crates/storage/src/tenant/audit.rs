//! The record of administrative acts.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue, DatabaseTransaction, EntityTrait};

use super::TenantTx;
use crate::Result;
use crate::convert::{micros, storable};
use crate::rows::audit_events::{ActiveModel, Entity};

/// The tenant's audit trail; it is read through [`crate::Platform::audit_events`].
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Audit<'_> {
    /// Records an act of the one for whom this transaction was opened. `detail` must be safe to
    /// show.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "audit.record", skip_all)]
    pub async fn record(
        &self,
        action: &str,
        resource: &str,
        detail: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let actor = self.tx.actor();
        let event = Event {
            tenant: Some(self.tx.id()),
            actor,
            action,
            resource,
            detail,
        };
        record(self.tx.session().write().await?, event, now).await
    }
}

/// An act to record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    /// None: the act is about the platform.
    pub tenant: Option<&'a str>,
    pub actor: &'a str,
    pub action: &'a str,
    pub resource: &'a str,
    pub detail: &'a str,
}

/// Records an act.
pub(crate) async fn record(
    db: &DatabaseTransaction,
    event: Event<'_>,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = ActiveModel {
        sequence: ActiveValue::NotSet,
        tenant_id: ActiveValue::Set(event.tenant.map(str::to_owned)),
        at: ActiveValue::Set(micros(now)),
        actor: ActiveValue::Set(storable(event.actor)),
        action: ActiveValue::Set(event.action.to_owned()),
        resource: ActiveValue::Set(storable(event.resource)),
        detail: ActiveValue::Set(storable(event.detail)),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
