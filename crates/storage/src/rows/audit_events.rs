//! The table `audit_events`.

use domain::AuditEvent;
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::time;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub tenant_id: Option<String>,
    pub at: i64,
    pub actor: String,
    pub action: String,
    pub resource: String,
    pub detail: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for AuditEvent {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            sequence: row.sequence,
            at: time("audit_events.at", row.at)?,
            actor: row.actor,
            action: row.action,
            resource: row.resource,
            detail: row.detail,
        })
    }
}
