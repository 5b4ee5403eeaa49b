//! The table `tenants`.

use domain::{Tenant, TenantId, TenantState, VerticalId};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{from_json, named, parsed, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub display_name: String,
    pub vertical: String,
    pub state: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub settings: JsonValue,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Tenant {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: parsed("tenants.id", || TenantId::parse(row.id))?,
            display_name: row.display_name,
            vertical: parsed("tenants.vertical", || VerticalId::parse(row.vertical))?,
            state: named("tenants.state", &row.state, TenantState::parse)?,
            settings: from_json("tenants.settings", row.settings)?,
            created_at: time("tenants.created_at", row.created_at)?,
            updated_at: time("tenants.updated_at", row.updated_at)?,
        })
    }
}
