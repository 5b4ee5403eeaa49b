//! The table `model_events`: every move of an alias.

use sea_orm::entity::prelude::*;

use super::model_aliases::alias;
use crate::convert::{count, time};
use crate::{AliasEvent, StorageError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "model_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub task: String,
    pub alias: String,
    pub from_version: Option<i64>,
    pub to_version: Option<i64>,
    pub reason: String,
    pub actor: String,
    pub at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for AliasEvent {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            at: time("model_events.at", row.at)?,
            alias: alias("model_events.alias", &row.alias)?,
            from: row.from_version.map(count),
            to: row.to_version.map(count),
            reason: row.reason,
            actor: row.actor,
        })
    }
}
