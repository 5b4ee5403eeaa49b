//! The table `space_comparisons`: the newest comparison of embedding spaces, of tenants that have one.

use sea_orm::{JsonValue, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "space_comparisons")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    pub chosen: String,
    pub comparison: JsonValue,
}

super::tenant_rows!();
