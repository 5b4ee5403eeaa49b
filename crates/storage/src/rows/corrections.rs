//! The table `corrections`.

use domain::{Correction, Target};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{from_json, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "corrections")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: String,
    pub text: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub target: JsonValue,
    pub given_at: i64,
    /// When it was taken back; none while it counts.
    pub withdrawn_at: Option<i64>,
}

super::tenant_rows!();

impl TryFrom<Model> for Correction {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            request_id: row.request_id,
            text: row.text,
            target: from_json::<Target>("corrections.target", row.target)?,
            given_at: time("corrections.given_at", row.given_at)?,
        })
    }
}
