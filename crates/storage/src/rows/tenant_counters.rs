//! The table `tenant_counters`: numbers that rise inside a tenant.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_counters")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    pub item_change: i64,
    pub dataset: i64,
    pub rejection: i64,
    pub feedback: i64,
    pub model_event: i64,
    /// How many items there are now.
    pub items: i64,
}

super::tenant_rows!();
