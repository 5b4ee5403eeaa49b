//! The table `rejections`: rows in quarantine.

use domain::{Rejection, RejectionReason, RowIssue};
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::{count, named, time};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rejections")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub batch: String,
    pub line: i64,
    pub item_id: String,
    pub reason: String,
    pub field: String,
    pub message: String,
    pub excerpt: String,
    pub rejected_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for Rejection {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            sequence: row.sequence,
            batch: row.batch,
            line: count(row.line),
            item_id: row.item_id,
            issue: RowIssue {
                reason: named("rejections.reason", &row.reason, RejectionReason::parse)?,
                field: row.field,
                message: row.message,
            },
            excerpt: row.excerpt,
            rejected_at: time("rejections.rejected_at", row.rejected_at)?,
        })
    }
}
