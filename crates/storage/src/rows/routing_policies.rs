//! The table `routing_policies`.

use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{from_json, time};
use crate::{StorageError, StoredPolicy};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "routing_policies")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub policy: JsonValue,
    pub actor: String,
    pub updated_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for StoredPolicy {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            policy: from_json("routing_policies.policy", row.policy)?,
            actor: row.actor,
            updated_at: time("routing_policies.updated_at", row.updated_at)?,
        })
    }
}
