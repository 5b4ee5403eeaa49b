//! The table `tier_events`: every move of a tier's champion.

use domain::Alias;
use sea_orm::entity::prelude::*;

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
            reason: row.reason,
            actor: row.actor,
        })
    }
}
