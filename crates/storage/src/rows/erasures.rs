//! The table `erasures`: certificates, and tombstones of ids.

use sea_orm::{JsonValue, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "erasures")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub counts: JsonValue,
    pub started_at: i64,
    /// When the tenant was created: it bore its part of shared costs from then on. 0 for tenants that
    /// were erased before this was kept.
    pub tenant_created_at: i64,
    pub finished_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
