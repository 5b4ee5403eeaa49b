//! Usage: what was consumed, as it is recorded and as it is summed by day.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::{Meter, MeterKind, Service};
use crate::{FieldViolation, TenantId, Tier};

/// One thing that was consumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageRecord {
    /// Its id; the same id again is the same record.
    pub id: String,
    /// Who caused it; none: the platform itself.
    pub tenant: Option<TenantId>,
    /// When.
    pub at: DateTime<Utc>,
    /// Which service did the work.
    pub service: Service,
    /// What was consumed.
    pub meter: Meter,
    /// The RPC it was consumed for, for example `RecommendExperts`; may be empty.
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    pub tier: Option<Tier>,
    /// The name of the model that did the work; may be empty.
    pub model: String,
    /// How much, in the meter's base unit.
    pub quantity: u64,
}

/// The usage of one day, one tenant, service, meter, RPC and model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageLine {
    /// The day it is booked on (UTC).
    pub day: NaiveDate,
    /// Who caused it; none: the platform itself.
    pub tenant: Option<TenantId>,
    /// Which service did the work.
    pub service: Service,
    /// What was consumed.
    pub meter: Meter,
    /// The RPC it was consumed for; may be empty.
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    pub tier: Option<Tier>,
    /// The name of the model that did the work; may be empty.
    pub model: String,
    /// The sum of the day, or its highest, in the meter's base unit.
    pub quantity: u64,
    /// It became known after its day was closed. Of a meter that takes the highest of a day, it
    /// carries what goes beyond the highest that the closed day has.
    pub adjustment: bool,
    /// Of an adjustment: the day it was consumed on. None: the day it is booked on.
    pub for_day: Option<NaiveDate>,
}

/// Longest id, RPC and model name of a record, in characters.
const MAX_TEXT_CHARS: usize = 300;

impl UsageRecord {
    /// Checks that the record can be kept.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate(&self) -> Result<(), FieldViolation> {
        if self.id.is_empty() {
            return Err(FieldViolation::new(
                "id",
                "is empty; send one that is never used again",
            ));
        }
        for (field, text) in [("id", &self.id), ("rpc", &self.rpc), ("model", &self.model)] {
            if text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control) {
                let message = format!("send at most {MAX_TEXT_CHARS} characters on one line");
                return Err(FieldViolation::new(field, message));
            }
        }
        if !(1970..=9999).contains(&self.at.year()) {
            let message = "is in no year from 1970 to 9999; look at the clock";
            return Err(FieldViolation::new("at", message));
        }
        if self.meter == Meter::OverheadCpu && self.tenant.is_some() {
            let message = "overhead is what no tenant caused; send it without tenant";
            return Err(FieldViolation::new("tenant", message));
        }
        Ok(())
    }

    /// The line of this record alone.
    #[must_use]
    pub fn line(&self) -> UsageLine {
        UsageLine {
            day: self.at.date_naive(),
            tenant: self.tenant.clone(),
            service: self.service,
            meter: self.meter,
            rpc: self.rpc.clone(),
            tier: self.tier,
            model: self.model.clone(),
            quantity: self.quantity,
            adjustment: false,
            for_day: None,
        }
    }
}

impl UsageLine {
    /// The day it was consumed on.
    #[must_use]
    pub fn consumed_on(&self) -> NaiveDate {
        self.for_day.unwrap_or(self.day)
    }

    /// The same usage when the days up to `closed_until` are closed: booked on the first open day
    /// as an adjustment where it is of a closed one, so that what was reported stays as it was.
    #[must_use]
    pub fn booked_after(mut self, closed_until: NaiveDate) -> Self {
        if let Some(open) = closed_until.succ_opt().filter(|open| self.day < *open) {
            self.for_day.get_or_insert(self.day);
            self.adjustment = true;
            self.day = open;
        }
        self
    }
}

/// The usage of each day, sorted. The order of the records does not matter, and a record that is
/// there twice counts once; of two that have the same id and say different things, the one that
/// sorts first counts.
///
/// A sum beyond `u64` stays at its highest value, which no price makes a possible amount of.
#[must_use]
pub fn roll_up<'a>(records: impl IntoIterator<Item = &'a UsageRecord>) -> Vec<UsageLine> {
    let mut once: BTreeMap<&str, &UsageRecord> = BTreeMap::new();
    for record in records {
        let known = once.entry(&record.id).or_insert(record);
        *known = record.min(*known);
    }
    merge(once.into_values().map(UsageRecord::line))
}

/// Lines that differ in nothing but their quantity made one, sorted: by the sum, or by the highest
/// where the meter takes the highest of a day. Adjustments are sums always. Merging what was merged
/// changes nothing.
#[must_use]
pub fn merge(lines: impl IntoIterator<Item = UsageLine>) -> Vec<UsageLine> {
    let mut merged: BTreeMap<UsageLine, u64> = BTreeMap::new();
    for mut line in lines {
        let quantity = std::mem::take(&mut line.quantity);
        let highest = line.meter.kind() == MeterKind::HighestOfDay && !line.adjustment;
        let so_far = merged.entry(line).or_default();
        *so_far = if highest {
            quantity.max(*so_far)
        } else {
            quantity.saturating_add(*so_far)
        };
    }
    let whole = |(line, quantity)| UsageLine { quantity, ..line };
    merged.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(id: &str, at: &str, meter: Meter, quantity: u64) -> UsageRecord {
        UsageRecord {
            id: id.to_owned(),
            tenant: Some(TenantId::parse("acme").unwrap()),
            at: at.parse().unwrap(),
            service: Service::Router,
            meter,
            rpc: "RecommendExperts".to_owned(),
            tier: Some(Tier::Global),
            model: String::new(),
            quantity,
        }
    }

    #[test]
    fn days_are_sums_or_highest() {
        let all = [
            record("1", "2026-11-01T00:00:00Z", Meter::Requests, 2),
            record("2", "2026-11-01T23:59:59.9Z", Meter::Requests, 3),
            record("3", "2026-11-02T00:00:00Z", Meter::Requests, 5),
            record("4", "2026-11-01T01:00:00Z", Meter::StoredVectors, 70),
            record("5", "2026-11-01T02:00:00Z", Meter::StoredVectors, 90),
            record("6", "2026-11-01T03:00:00Z", Meter::StoredVectors, 80),
            record("2", "2026-11-01T23:59:59.9Z", Meter::Requests, 3),
        ];
        let lines = roll_up(&all);
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line.day.to_string(), line.quantity))
            .collect();
        let day = str::to_owned;
        assert_eq!(
            told,
            [
                (day("2026-11-01"), 5),
                (day("2026-11-01"), 90),
                (day("2026-11-02"), 5)
            ]
        );
    }

    #[test]
    fn what_is_late_is_booked_on_the_first_open_day() {
        let closed: NaiveDate = "2026-11-03".parse().unwrap();
        let line = record("1", "2026-11-01T08:00:00Z", Meter::StoredBytes, 4).line();
        let late = line.clone().booked_after(closed);
        assert!(late.adjustment);
        assert_eq!(
            (late.day.to_string(), late.consumed_on()),
            ("2026-11-04".to_owned(), line.day)
        );
        assert_eq!(late.clone().booked_after(closed), late);
        let later = late.clone().booked_after("2026-11-09".parse().unwrap());
        assert_eq!(later.consumed_on(), line.day);
        // Each adjustment is what goes beyond the ones before it, so they add up.
        assert_eq!(merge([late.clone(), late])[0].quantity, 8);
        let open = record("1", "2026-11-04T00:00:00Z", Meter::Requests, 4).line();
        assert_eq!(open.clone().booked_after(closed), open);
        assert_eq!(open.clone().booked_after(NaiveDate::MAX), open);
    }

    #[test]
    fn records_are_checked() {
        let good = record("1", "2026-11-01T08:00:00Z", Meter::Requests, 4);
        assert!(good.validate().is_ok());
        let field = |change: fn(&mut UsageRecord)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.validate().unwrap_err().field
        };
        assert_eq!(field(|record| record.id.clear()), "id");
        assert_eq!(field(|record| record.rpc = "a\nb".to_owned()), "rpc");
        assert_eq!(field(|record| record.model = "m".repeat(301)), "model");
        assert_eq!(field(|record| record.at = DateTime::<Utc>::MAX_UTC), "at");
        assert_eq!(field(|record| record.meter = Meter::OverheadCpu), "tenant");
    }

    fn records() -> impl Strategy<Value = Vec<UsageRecord>> {
        let one = (0..30_u8, 1..4_u32, 0..Meter::ALL.len(), any::<u64>());
        prop::collection::vec(one, 0..40).prop_map(|all| {
            all.into_iter()
                .map(|(id, day, meter, quantity)| {
                    let at = format!("2026-11-{day:02}T10:00:00Z");
                    record(&id.to_string(), &at, Meter::ALL[meter], quantity)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn neither_order_nor_repeats_matter(all in records(), turn in 0..40_usize) {
            let lines = roll_up(&all);
            let mut turned = all.clone();
            turned.rotate_left(turn.min(all.len()));
            turned.reverse();
            turned.extend(all.iter().cloned());
            prop_assert_eq!(&roll_up(&turned), &lines);
            prop_assert_eq!(merge(lines.clone()), lines);
        }
    }
}
