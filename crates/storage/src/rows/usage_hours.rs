//! The table `usage_hours`: what was consumed, by hour.

use domain::cost::{Meter, Service};
use sea_orm::entity::prelude::*;

use super::usage_days::tier_of;
use crate::convert::{count, named, time};
use crate::{StorageError, UsageHour};

/// Of an hour, in microseconds.
pub(crate) const HOUR: i64 = 3_600_000_000;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_hours")]
pub(crate) struct Model {
    /// Hours since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    /// Empty: the platform itself.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub service: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub meter: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub rpc: String,
    /// Empty: no model did the work.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tier: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    pub quantity: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for UsageHour {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            hour: time("usage_hours.hour", row.hour.saturating_mul(HOUR))?,
            service: named("usage_hours.service", &row.service, Service::parse)?,
            meter: named("usage_hours.meter", &row.meter, Meter::parse)?,
            rpc: row.rpc,
            tier: tier_of("usage_hours.tier", &row.tier)?,
            model: row.model,
            quantity: count(row.quantity),
        })
    }
}
