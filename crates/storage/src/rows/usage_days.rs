//! The table `usage_days`: what was consumed, by day.

use chrono::NaiveDate;
use domain::cost::{Meter, Service, UsageLine};
use domain::{TenantId, Tier};
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::{count, named, parsed};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_days")]
pub(crate) struct Model {
    /// Days since 1970: the one it is booked on.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i64,
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
    /// The day it was consumed on: an earlier one makes it an adjustment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub for_day: i64,
    pub quantity: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Days since 1970.
pub(crate) fn number_of(day: NaiveDate) -> i64 {
    i64::from(day.to_epoch_days())
}

/// The day of a number.
pub(crate) fn day_of(field: &'static str, number: i64) -> Result<NaiveDate, StorageError> {
    i32::try_from(number)
        .ok()
        .and_then(NaiveDate::from_epoch_days)
        .ok_or_else(|| StorageError::corrupt(field, format!("{number} is not a day")))
}

/// The tenant of a column that is empty for the platform.
pub(crate) fn tenant_of(field: &'static str, id: String) -> Result<Option<TenantId>, StorageError> {
    match id.is_empty() {
        true => Ok(None),
        false => parsed(field, || TenantId::parse(id)).map(Some),
    }
}

/// The tier of a column that is empty without one.
pub(crate) fn tier_of(field: &'static str, tier: &str) -> Result<Option<Tier>, StorageError> {
    match tier.is_empty() {
        true => Ok(None),
        false => named(field, tier, Tier::parse).map(Some),
    }
}

impl TryFrom<Model> for UsageLine {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        let adjustment = row.for_day != row.day;
        let for_day = day_of("usage_days.for_day", row.for_day)?;
        Ok(Self {
            day: day_of("usage_days.day", row.day)?,
            tenant: tenant_of("usage_days.tenant_id", row.tenant_id)?,
            service: named("usage_days.service", &row.service, Service::parse)?,
            meter: named("usage_days.meter", &row.meter, Meter::parse)?,
            rpc: row.rpc,
            tier: tier_of("usage_days.tier", &row.tier)?,
            model: row.model,
            quantity: count(row.quantity),
            adjustment,
            for_day: adjustment.then_some(for_day),
        })
    }
}
