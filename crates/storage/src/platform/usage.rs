//! What was consumed: taken in once, summed by hour and by day.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::TenantId;
use domain::Tier;
use domain::cost::{Meter, MeterKind, Service, UsageEntry, UsageLine};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::Platform;
use super::marks::closed_before;
use crate::Result;
use crate::convert::{int, micros, parsed, time, to_json};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::usage_days::{self, number_of};
use crate::rows::usage_hours::{self, HOUR};
use crate::rows::{erasures, usage_records};

/// What was consumed. Each method is a transaction of its own.
#[derive(Debug, Clone)]
pub struct Usage {
    pub(super) platform: Platform,
}

/// What became of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Booked {
    /// Entries that were new.
    pub new: u64,
    /// Entries that were known already: nothing was added.
    pub known: u64,
    /// Of the new ones, those of a day that was closed: they are adjustments of today.
    pub late: u64,
}

/// A tenant that is being erased, or is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// The day that it came.
    pub created: NaiveDate,
    /// The day that its erasure began.
    pub erased: NaiveDate,
}

/// From when on usage is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retain {
    /// Single entries from this time on.
    pub entries_from: DateTime<Utc>,
    /// Sums by hour from this time on.
    pub hours_from: DateTime<Utc>,
    /// Sums by day from this day on.
    pub days_from: NaiveDate,
}

/// All that tells one sum of a span of time from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    span: i64,
    for_day: i64,
    tenant: String,
    service: Service,
    meter: Meter,
    rpc: String,
    tier: String,
    model: String,
}

type Sums = BTreeMap<Key, u64>;

impl Platform {
    /// What was consumed.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            platform: self.clone(),
        }
    }
}

impl Usage {
    /// Takes entries in. One that is known by its id is passed over; one of a day that is closed is
    /// booked today, as an adjustment for its day; one from the future is booked now: a clock was
    /// wrong. Of a tenant that is being erased or gone only the sum of the day is kept.
    ///
    /// # Errors
    /// The database fails; then none is taken in.
    #[tracing::instrument(level = "debug", name = "usage.add", skip_all)]
    pub async fn add(&self, entries: Vec<UsageEntry>, now: DateTime<Utc>) -> Result<Booked> {
        let session = self.platform.session();
        let db = session.write().await?;
        // Also keeps others from taking in the same entries at the same time.
        let closed = closed_before(db, true).await?;
        let known = known(db, &entries).await?;
        let erased = erased(db, &entries).await?;
        let mut booked = Booked::default();
        let (mut seen, mut rows) = (HashSet::new(), Vec::new());
        let (mut hours, mut days) = (Sums::new(), Sums::new());
        for entry in entries {
            if known.contains(&entry.id) || !seen.insert(entry.id.clone()) {
                booked.known += 1;
                continue;
            }
            booked.new += 1;
            let at = entry.at.min(now);
            let consumed = number_of(at.date_naive());
            let late = consumed < closed;
            booked.late += u64::from(late);
            let day = match late {
                true => number_of(now.date_naive()).max(closed),
                false => consumed,
            };
            let gone = entry.tenant.as_ref();
            let gone = gone.is_some_and(|tenant| erased.contains(tenant.as_str()));
            for (meter, quantity) in &entry.quantities {
                let key = Key::of(&entry, *meter);
                if !gone {
                    let span = micros(at).div_euclid(HOUR);
                    let key = key.clone();
                    put(&mut hours, Key { span, ..key }, *quantity);
                }
                let key = Key {
                    span: day,
                    for_day: consumed,
                    ..key
                };
                put(&mut days, key, *quantity);
            }
            if !gone {
                rows.push(record_of(&entry, at)?);
            }
        }
        insert_all(db, rows, ROWS_PER_INSERT, None).await?;
        add_hours(db, hours).await?;
        add_days(db, days).await?;
        session.commit().await?;
        Ok(booked)
    }

    /// The usage that is booked on the days `from` to `to`, both included; of one tenant, or of all
    /// and the platform itself.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.lines", skip_all)]
    pub async fn lines(
        &self,
        tenant: Option<&TenantId>,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<UsageLine>> {
        use usage_days::{Column, Entity};
        let session = self.platform.session();
        let mut query = Entity::find()
            .filter(Column::Day.between(number_of(from), number_of(to)))
            .order_by_asc(Column::Day)
            .order_by_asc(Column::TenantId)
            .order_by_asc(Column::Service)
            .order_by_asc(Column::Meter);
        if let Some(tenant) = tenant {
            query = query.filter(Column::TenantId.eq(tenant.as_str()));
        }
        let rows = query.all(session.read().await?).await?;
        rows.into_iter().map(UsageLine::try_from).collect()
    }

    /// The tenants whose erasure began on `from` or later.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.erased_since", skip_all)]
    pub async fn erased_since(&self, from: NaiveDate) -> Result<Vec<ErasedTenant>> {
        let session = self.platform.session();
        let begun = from.and_time(NaiveTime::MIN).and_utc();
        let rows = erasures::Entity::find()
            .filter(erasures::Column::StartedAt.gte(micros(begun)))
            .all(session.read().await?)
            .await?;
        let gone = rows.into_iter().map(|row| {
            Ok(ErasedTenant {
                tenant: parsed("erasures.tenant_id", || TenantId::parse(row.tenant_id))?,
                created: time("erasures.tenant_created_at", row.tenant_created_at)?.date_naive(),
                erased: time("erasures.started_at", row.started_at)?.date_naive(),
            })
        });
        gone.collect()
    }

    /// Forgets usage that is older than it is kept; returns how many rows of all kinds. An entry that
    /// comes a second time after it was forgotten counts again.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.forget", skip_all)]
    pub async fn forget(&self, retain: Retain) -> Result<u64> {
        let session = self.platform.session();
        let db = session.write().await?;
        let entries = usage_records::Entity::delete_many()
            .filter(usage_records::Column::At.lt(micros(retain.entries_from)))
            .exec(db)
            .await?;
        let hours = usage_hours::Entity::delete_many()
            .filter(usage_hours::Column::Hour.lt(micros(retain.hours_from).div_euclid(HOUR)))
            .exec(db)
            .await?;
        let days = usage_days::Entity::delete_many()
            .filter(usage_days::Column::Day.lt(number_of(retain.days_from)))
            .exec(db)
            .await?;
        session.commit().await?;
        Ok(entries.rows_affected + hours.rows_affected + days.rows_affected)
    }
}

impl Key {
    fn of(entry: &UsageEntry, meter: Meter) -> Self {
        Self {
            span: 0,
            for_day: 0,
            tenant: entry
                .tenant
                .as_ref()
                .map_or("", TenantId::as_str)
                .to_owned(),
            service: entry.service,
            meter,
            rpc: entry.rpc.clone(),
            tier: entry.tier.map_or("", Tier::as_str).to_owned(),
            model: entry.model.clone(),
        }
    }
}

fn put(sums: &mut Sums, key: Key, quantity: u64) {
    let kind = key.meter.kind();
    let sum = sums.entry(key).or_default();
    *sum = match kind {
        MeterKind::Sum => sum.saturating_add(quantity),
        MeterKind::HighestOfDay => (*sum).max(quantity),
    };
}

fn record_of(entry: &UsageEntry, at: DateTime<Utc>) -> Result<usage_records::Model> {
    Ok(usage_records::Model {
        id: entry.id.clone(),
        tenant_id: entry
            .tenant
            .as_ref()
            .map_or("", TenantId::as_str)
            .to_owned(),
        at: micros(at),
        entry: to_json("usage_records.entry", entry)?,
    })
}

/// The tenants of entries that are being erased, or are gone.
async fn erased(db: &DatabaseTransaction, entries: &[UsageEntry]) -> Result<HashSet<String>> {
    let tenants = entries.iter().filter_map(|entry| entry.tenant.as_ref());
    let tenants: HashSet<&str> = tenants.map(TenantId::as_str).collect();
    let tenants: Vec<&str> = tenants.into_iter().collect();
    let mut erased = HashSet::new();
    for tenants in tenants.chunks(ROWS_PER_INSERT) {
        let found: Vec<String> = erasures::Entity::find()
            .select_only()
            .column(erasures::Column::TenantId)
            .filter(erasures::Column::TenantId.is_in(tenants.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        erased.extend(found);
    }
    Ok(erased)
}

async fn known(db: &DatabaseTransaction, entries: &[UsageEntry]) -> Result<HashSet<String>> {
    let mut known = HashSet::new();
    for entries in entries.chunks(ROWS_PER_INSERT) {
        let ids = entries.iter().map(|entry| entry.id.as_str());
        let found: Vec<String> = usage_records::Entity::find()
            .select_only()
            .column(usage_records::Column::Id)
            .filter(usage_records::Column::Id.is_in(ids))
            .into_tuple()
            .all(db)
            .await?;
        known.extend(found);
    }
    Ok(known)
}

/// Adds to the quantity that is there; of a meter that takes the highest, the higher one stays.
fn added(table: &str, kind: MeterKind) -> String {
    match kind {
        MeterKind::Sum => format!("{table}.quantity + excluded.quantity"),
        MeterKind::HighestOfDay => format!(
            "CASE WHEN excluded.quantity > {table}.quantity THEN excluded.quantity ELSE {table}.quantity END"
        ),
    }
}

async fn add_hours(db: &DatabaseTransaction, sums: Sums) -> Result<()> {
    use usage_hours::{ActiveModel, Column, Model};
    for kind in [MeterKind::Sum, MeterKind::HighestOfDay] {
        let of_kind = sums.iter().filter(|(key, _)| key.meter.kind() == kind);
        let rows: Vec<ActiveModel> = of_kind
            .map(|(key, quantity)| {
                let key = key.clone();
                let row = Model {
                    hour: key.span,
                    tenant_id: key.tenant,
                    service: key.service.as_str().to_owned(),
                    meter: key.meter.as_str().to_owned(),
                    rpc: key.rpc,
                    tier: key.tier,
                    model: key.model,
                    quantity: int(*quantity),
                };
                row.into_active_model()
            })
            .collect();
        let conflict = OnConflict::columns([
            Column::Hour,
            Column::TenantId,
            Column::Service,
            Column::Meter,
            Column::Rpc,
            Column::Tier,
            Column::Model,
        ])
        .value(Column::Quantity, Expr::cust(added("usage_hours", kind)))
        .to_owned();
        insert_all(db, rows, ROWS_PER_INSERT, Some(&conflict)).await?;
    }
    Ok(())
}

async fn add_days(db: &DatabaseTransaction, sums: Sums) -> Result<()> {
    use usage_days::{ActiveModel, Column, Model};
    for kind in [MeterKind::Sum, MeterKind::HighestOfDay] {
        let of_kind = sums.iter().filter(|(key, _)| key.meter.kind() == kind);
        let mut rows: Vec<ActiveModel> = Vec::new();
        for (key, quantity) in of_kind {
            let mut quantity = int(*quantity);
            if kind == MeterKind::HighestOfDay && key.span != key.for_day {
                quantity = beyond(db, key, quantity).await?;
                if quantity == 0 {
                    continue;
                }
            }
            let key = key.clone();
            let row = Model {
                day: key.span,
                tenant_id: key.tenant,
                service: key.service.as_str().to_owned(),
                meter: key.meter.as_str().to_owned(),
                rpc: key.rpc,
                tier: key.tier,
                model: key.model,
                for_day: key.for_day,
                quantity,
            };
            rows.push(row.into_active_model());
        }
        let conflict = OnConflict::columns([
            Column::Day,
            Column::TenantId,
            Column::Service,
            Column::Meter,
            Column::Rpc,
            Column::Tier,
            Column::Model,
            Column::ForDay,
        ])
        .value(Column::Quantity, Expr::cust(added("usage_days", kind)))
        .to_owned();
        insert_all(db, rows, ROWS_PER_INSERT, Some(&conflict)).await?;
    }
    Ok(())
}

/// What a late quantity adds to the highest that its closed day has, adjustments included.
async fn beyond(db: &DatabaseTransaction, key: &Key, quantity: i64) -> Result<i64> {
    use usage_days::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::ForDay.eq(key.for_day))
        .filter(Column::TenantId.eq(&key.tenant))
        .filter(Column::Service.eq(key.service.as_str()))
        .filter(Column::Meter.eq(key.meter.as_str()))
        .filter(Column::Rpc.eq(&key.rpc))
        .filter(Column::Tier.eq(&key.tier))
        .filter(Column::Model.eq(&key.model))
        .all(db)
        .await?;
    let so_far: i64 = rows.iter().map(|row| row.quantity).sum();
    // Today's adjustment is replaced by the higher one: it has to carry what it had.
    let today = rows.iter().find(|row| row.day == key.span);
    let more = quantity.saturating_sub(so_far).max(0);
    Ok(match more {
        0 => 0,
        more => more + today.map_or(0, |row| row.quantity),
    })
}
