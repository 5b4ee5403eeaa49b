//! Usage: what was consumed, summed by day.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Meter, MeterKind, Service};
use crate::{TenantId, Tier};

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

impl UsageLine {
    /// The day it was consumed on.
    #[must_use]
    pub fn consumed_on(&self) -> NaiveDate {
        self.for_day.unwrap_or(self.day)
    }
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
    use super::super::fixtures::{day, line};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_sums_or_highest() {
        let all = [
            line("2026-11-01", "acme", Meter::Requests, 2),
            line("2026-11-02", "acme", Meter::Requests, 5),
            line("2026-11-01", "acme", Meter::Requests, 3),
            line("2026-11-01", "acme", Meter::StoredVectors, 70),
            line("2026-11-01", "acme", Meter::StoredVectors, 90),
            line("2026-11-01", "acme", Meter::StoredVectors, 80),
        ];
        let told: Vec<_> = merge(all)
            .into_iter()
            .map(|line| (line.day, line.quantity))
            .collect();
        let (first, second) = (day("2026-11-01"), day("2026-11-02"));
        assert_eq!(told, [(first, 5), (first, 90), (second, 5)]);
    }

    #[test]
    fn adjustments_add_up() {
        let late = UsageLine {
            adjustment: true,
            for_day: Some(day("2026-11-01")),
            ..line("2026-11-04", "acme", Meter::StoredBytes, 4)
        };
        assert_eq!(late.consumed_on(), day("2026-11-01"));
        // Each is what goes beyond the ones before it.
        assert_eq!(merge([late.clone(), late])[0].quantity, 8);
    }

    fn lines() -> impl Strategy<Value = Vec<UsageLine>> {
        let one = (1..4_u32, 0..Meter::ALL.len(), any::<u64>());
        prop::collection::vec(one, 0..40).prop_map(|all| {
            all.into_iter()
                .map(|(day, meter, quantity)| {
                    let on = format!("2026-11-{day:02}");
                    line(&on, "acme", Meter::ALL[meter], quantity)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(all in lines(), turn in 0..40_usize) {
            let merged = merge(all.clone());
            let mut turned = all.clone();
            turned.rotate_left(turn.min(all.len()));
            turned.reverse();
            prop_assert_eq!(&merge(turned), &merged);
            prop_assert_eq!(merge(merged.clone()), merged);
        }
    }
}
