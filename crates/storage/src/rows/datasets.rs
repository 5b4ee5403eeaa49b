//! The table `datasets`.

use domain::Dataset;
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{count, from_json, optional_time, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "datasets")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub watermark: i64,
    pub content_hash: String,
    pub items: i64,
    pub experts: i64,
    pub first_at: Option<i64>,
    pub last_at: Option<i64>,
    #[sea_orm(column_type = "JsonBinary")]
    pub report: JsonValue,
    pub created_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for Dataset {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            number: count(row.number),
            watermark: count(row.watermark),
            content_hash: row.content_hash,
            items: count(row.items),
            experts: count(row.experts),
            first_at: optional_time("datasets.first_at", row.first_at)?,
            last_at: optional_time("datasets.last_at", row.last_at)?,
            report: from_json("datasets.report", row.report)?,
            created_at: time("datasets.created_at", row.created_at)?,
        })
    }
}
