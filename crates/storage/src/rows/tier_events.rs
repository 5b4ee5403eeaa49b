//! The table `tier_events`: every move of a tier's champion.

use domain::Alias;
use sea_orm::entity::prelude::*;

use super::model_events::cause;
use crate::convert::{count, time};
use crate::{AliasEvent, StorageError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub owner: String,
    pub task: String,
    pub from_version: Option<i64>,
    pub to_version: Option<i64>,
    /// None where a version was pruned, which moves no alias.
    pub cause: Option<String>,
    pub reason: String,
    pub actor: String,
    pub at: i64,
    /// `champion`, or `pruned`.
    pub alias: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for AliasEvent {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            at: time("tier_events.at", row.at)?,
            alias: Alias::Champion,
            from: row.from_version.map(count),
            to: row.to_version.map(count),
            cause: cause("tier_events.cause", row.cause.as_deref())?,
            reason: row.reason,
            actor: row.actor,
        })
    }
}
