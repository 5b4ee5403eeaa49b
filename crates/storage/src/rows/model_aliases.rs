//! The table `model_aliases`.

use domain::Alias;
use sea_orm::entity::prelude::*;

use crate::Result;
use crate::convert::named;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "model_aliases")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub alias: String,
    pub version: i64,
}

super::tenant_rows!();

/// The alias that a stored name stands for.
pub(crate) fn alias(field: &'static str, text: &str) -> Result<Alias> {
    named(field, text, |text| {
        [Alias::Champion, Alias::Challenger]
            .into_iter()
            .find(|alias| alias.as_str() == text)
    })
}
