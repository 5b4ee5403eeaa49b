//! The table `training_signals`: what a tenant gives for training the tiers above it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "training_signals")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    pub artifact_path: String,
    pub checksum: String,
    pub size: i64,
    pub queries: i64,
    pub dataset: i64,
    pub made_at: i64,
}

super::tenant_rows!();
