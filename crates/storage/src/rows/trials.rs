//! The table `trials`: what searches over hyper-parameters tried.

use domain::Trial;
use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{count, from_json, parsed, small_count, time};
use crate::{StorageError, StoredTrial};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "trials")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub parameters: JsonValue,
    /// As text: a seed may be any u64.
    pub seed: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub metrics: JsonValue,
    pub seconds: f64,
    pub chosen: bool,
    pub created_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for StoredTrial {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            version: count(row.version),
            trial: Trial {
                number: small_count(row.number),
                parameters: from_json("trials.parameters", row.parameters)?,
                seed: parsed("trials.seed", || row.seed.parse::<u64>())?,
                metrics: from_json("trials.metrics", row.metrics)?,
                seconds: row.seconds,
                chosen: row.chosen,
            },
            created_at: time("trials.created_at", row.created_at)?,
        })
    }
}
