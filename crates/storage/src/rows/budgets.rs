//! The table `budgets`: what may be spent in a month.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "budgets")]
pub(crate) struct Model {
    /// Empty: all tenants together.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    /// A decimal number.
    pub monthly: String,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
