//! The table `merge_traces`: what a merge of experts changed, as it was before.

use sea_orm::{JsonValue, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "merge_traces")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    /// Of the merge.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// `ITEM`, `FEEDBACK` or `ANSWER`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// The item's id, the feedback's sequence, the answer's request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub before: JsonValue,
}

super::tenant_rows!();
