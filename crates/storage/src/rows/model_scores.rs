//! The table `model_scores`: how versions do on what came after their training.

use domain::{OnlineEvaluation, Tally};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{count, from_json, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "model_scores")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub against: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub tally: JsonValue,
    pub covered_until: i64,
    pub updated_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for OnlineEvaluation {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            version: count(row.version),
            reference_model: row.against,
            tally: from_json::<Tally>("model_scores.tally", row.tally)?,
            covered_until: time("model_scores.covered_until", row.covered_until)?,
            updated_at: time("model_scores.updated_at", row.updated_at)?,
        })
    }
}
