//! The record of administrative acts.

use chrono::{DateTime, Utc};
use domain::{AuditEvent, TenantId};
use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::TenantTx;
use crate::Result;
use crate::convert::{micros, storable};
use crate::rows::audit_events::{ActiveModel, Column, Entity};
use crate::session::Session;

/// The tenant's audit trail; it is read through [`crate::Store::audit_events`].
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

/// At most `limit` events, newest first, those before the sequence `before`: of one tenant, or of all.
pub(crate) async fn list(
    session: &Session,
    tenant: Option<&TenantId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEvent>> {
    let mut query = Entity::find();
    if let Some(tenant) = tenant {
        query = query.filter(Column::TenantId.eq(tenant.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(Column::Sequence.lt(before));
    }
    let query = query
        .order_by_desc(Column::Sequence)
        .limit(u64::from(limit));
    let rows = query.all(session.read().await?).await?;
    rows.into_iter().map(AuditEvent::try_from).collect()
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
