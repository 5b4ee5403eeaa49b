//! The table `usage_records`: what single pieces of work consumed.

use sea_orm::{JsonValue, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_records")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Empty: the platform itself.
    pub tenant_id: String,
    pub at: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub entry: JsonValue,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
