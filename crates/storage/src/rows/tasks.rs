//! The table `tasks`.

use domain::{Task, TaskDefinition};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{from_json, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: JsonValue,
    pub created_at: i64,
    pub updated_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for Task {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            definition: from_json::<TaskDefinition>("tasks.definition", row.definition)?,
            created_at: time("tasks.created_at", row.created_at)?,
            updated_at: time("tasks.updated_at", row.updated_at)?,
        })
    }
}
