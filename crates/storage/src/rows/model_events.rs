//! The table `model_events`: every move of an alias.

use domain::AliasMoveCause;
use sea_orm::entity::prelude::*;

use super::model_aliases::alias;
use crate::convert::{count, named, time};
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
    /// None where a version was pruned, which moves no alias.
    pub cause: Option<String>,
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
            cause: cause("model_events.cause", row.cause.as_deref())?,
            reason: row.reason,
            actor: row.actor,
        })
    }
}

/// The stored cause of a move.
pub(crate) fn cause(
    field: &'static str,
    stored: Option<&str>,
) -> Result<AliasMoveCause, StorageError> {
    named(field, stored.unwrap_or_default(), AliasMoveCause::parse)
}
