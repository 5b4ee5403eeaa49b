//! What is said in words: what has no price, what is compared, what a unit costs.

use std::collections::BTreeMap;

use domain::cost::{CostReport, Meter, Unpriced, UnpricedReason};
use rust_decimal::Decimal;

use super::numbers;

/// What one unit of work costs.
pub(super) struct Unit {
    pub(super) label: &'static str,
    pub(super) cost: String,
}

/// A line for each meter that has usage without a price.
pub(super) fn unpriced(unpriced: &[Unpriced]) -> Vec<String> {
    let mut found: BTreeMap<(Meter, UnpricedReason), (u64, usize)> = BTreeMap::new();
    for one in unpriced {
        let (quantity, days) = found.entry((one.meter, one.reason)).or_default();
        *quantity = quantity.saturating_add(one.quantity);
        *days += 1;
    }
    let line = |((meter, reason), (quantity, days)): ((Meter, UnpricedReason), (u64, usize))| {
        let why = match reason {
            UnpricedReason::NoVersion => "no version of the price book is valid then",
            UnpricedReason::NoPrice => "the price book has no price for it",
        };
        let days = if days == 1 {
            "1 day".to_owned()
        } else {
            format!("{days} days")
        };
        format!(
            "{}: {} {} on {days}; {why}",
            meter.as_str(),
            numbers::grouped(Decimal::from(quantity)),
            meter.unit(),
        )
    };
    found.into_iter().map(line).collect()
}

/// What the changes are against.
pub(super) fn previous(report: &CostReport) -> Option<String> {
    let previous = report.previous.as_ref()?;
    Some(format!(
        "{}, up to {}",
        numbers::month_name(previous.month),
        numbers::long_day(previous.until)
    ))
}

/// What units of work cost, where there was any.
pub(super) fn units(report: &CostReport) -> Vec<Unit> {
    let units = &report.units;
    [
        ("a recommend", units.per_recommend),
        ("1,000 items ingested", units.per_1000_items),
        ("a retrain", units.per_retrain),
    ]
    .into_iter()
    .filter_map(|(label, cost)| {
        Some(Unit {
            label,
            cost: numbers::grouped(numbers::fixed(cost?, 6)),
        })
    })
    .collect()
}
