//! A tenant's usage in pages, the oldest first.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use domain::Tier;
use domain::cost::{Meter, Service, UsageLine};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::TenantTx;
use crate::Result;
use crate::convert::micros;
use crate::rows::usage_days::{self, number_of};
use crate::rows::usage_hours::{self, HOUR};

/// Between the parts of a key as text; it is in no name.
const SEPARATOR: char = '\u{1f}';

/// The place of a sum in a tenant's usage: after it the next page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageKey {
    span: i64,
    service: String,
    meter: String,
    rpc: String,
    tier: String,
    model: String,
    for_day: i64,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no place in a list of usage")]
pub struct NoUsageKey;

impl fmt::Display for UsageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (span, for_day) = (self.span.to_string(), self.for_day.to_string());
        let names = [
            &self.service,
            &self.meter,
            &self.rpc,
            &self.tier,
            &self.model,
        ];
        let mut parts = vec![span.as_str(), for_day.as_str()];
        parts.extend(names.into_iter().map(String::as_str));
        f.write_str(&parts.join(&SEPARATOR.to_string()))
    }
}

impl FromStr for UsageKey {
    type Err = NoUsageKey;

    fn from_str(text: &str) -> std::result::Result<Self, NoUsageKey> {
        let parts: Vec<&str> = text.split(SEPARATOR).collect();
        let [span, for_day, service, meter, rpc, tier, model] = parts[..] else {
            return Err(NoUsageKey);
        };
        Ok(Self {
            span: span.parse().map_err(|_| NoUsageKey)?,
            for_day: for_day.parse().map_err(|_| NoUsageKey)?,
            service: service.to_owned(),
            meter: meter.to_owned(),
            rpc: rpc.to_owned(),
            tier: tier.to_owned(),
            model: model.to_owned(),
        })
    }
}

/// The usage of one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHour {
    /// When the hour begins.
    pub hour: DateTime<Utc>,
    /// Which service did the work.
    pub service: Service,
    /// What was consumed.
    pub meter: Meter,
    /// The RPC; may be empty.
    pub rpc: String,
    /// The tier of the model, if one did the work.
    pub tier: Option<Tier>,
    /// The name of the model; may be empty.
    pub model: String,
    /// How much, in the meter's base unit.
    pub quantity: u64,
}

/// What the tenant consumed.
#[derive(Debug, Clone, Copy)]
pub struct TenantUsage<'a> {
    pub(super) tx: &'a TenantTx,
}

impl TenantUsage<'_> {
    /// At most `limit` of the tenant's sums by hour, of the hours that begin in `from..to`, those
    /// after `after`; with the key of each.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.hours_page", skip_all)]
    pub async fn hours_page(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<UsageKey>,
        limit: u32,
    ) -> Result<Vec<(UsageKey, UsageHour)>> {
        use usage_hours::{Column, Entity};
        let hours = |at| micros(at).saturating_add(HOUR - 1).div_euclid(HOUR);
        let mut cursor = Entity::find()
            .filter(Column::TenantId.eq(self.tx.id()))
            .filter(Column::Hour.gte(hours(from)))
            .filter(Column::Hour.lt(hours(to)))
            .cursor_by((
                Column::Hour,
                Column::Service,
                Column::Meter,
                Column::Rpc,
                Column::Tier,
                Column::Model,
            ));
        if let Some(key) = after {
            let names = (key.service, key.meter, key.rpc, key.tier, key.model);
            let (service, meter, rpc, tier, model) = names;
            cursor.after((key.span, service, meter, rpc, tier, model));
        }
        let rows = cursor
            .first(u64::from(limit))
            .all(self.tx.session().read().await?)
            .await?;
        rows.into_iter()
            .map(|row| {
                let key = UsageKey {
                    span: row.hour,
                    for_day: 0,
                    service: row.service.clone(),
                    meter: row.meter.clone(),
                    rpc: row.rpc.clone(),
                    tier: row.tier.clone(),
                    model: row.model.clone(),
                };
                Ok((key, row.try_into()?))
            })
            .collect()
    }

    /// The same by day, of the days `from` to `to`, both included.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.days_page", skip_all)]
    pub async fn days_page(
        &self,
        from: NaiveDate,
        to: NaiveDate,
        after: Option<UsageKey>,
        limit: u32,
    ) -> Result<Vec<(UsageKey, UsageLine)>> {
        use usage_days::{Column, Entity};
        let mut cursor = Entity::find()
            .filter(Column::TenantId.eq(self.tx.id()))
            .filter(Column::Day.between(number_of(from), number_of(to)))
            .cursor_by((
                Column::Day,
                Column::Service,
                Column::Meter,
                Column::Rpc,
                Column::Tier,
                Column::Model,
                Column::ForDay,
            ));
        if let Some(key) = after {
            let names = (key.service, key.meter, key.rpc, key.tier, key.model);
            let (service, meter, rpc, tier, model) = names;
            cursor.after((key.span, service, meter, rpc, tier, model, key.for_day));
        }
        let rows = cursor
            .first(u64::from(limit))
            .all(self.tx.session().read().await?)
            .await?;
        rows.into_iter()
            .map(|row| {
                let key = UsageKey {
                    span: row.day,
                    for_day: row.for_day,
                    service: row.service.clone(),
                    meter: row.meter.clone(),
                    rpc: row.rpc.clone(),
                    tier: row.tier.clone(),
                    model: row.model.clone(),
                };
                Ok((key, UsageLine::try_from(row)?))
            })
            .collect()
    }
}
