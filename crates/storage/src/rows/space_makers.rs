//! The table `space_makers`: by which model files the vectors of a space were made.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "space_makers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub space: String,
    pub fingerprint: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
