//! The table `api_keys`.

use domain::{ApiKey, KeyId, Role, TenantId};
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::{named, optional_time, parsed, time};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub tenant_id: Option<String>,
    pub role: String,
    pub display_name: String,
    pub secret_hash: Vec<u8>,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for ApiKey {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        let tenant = row.tenant_id.map(TenantId::parse).transpose();
        Ok(Self {
            id: parsed("api_keys.id", || KeyId::parse(row.id))?,
            tenant: parsed("api_keys.tenant_id", || tenant)?,
            role: named("api_keys.role", &row.role, Role::parse)?,
            display_name: row.display_name,
            created_at: time("api_keys.created_at", row.created_at)?,
            revoked_at: optional_time("api_keys.revoked_at", row.revoked_at)?,
        })
    }
}
