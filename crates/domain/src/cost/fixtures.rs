//! What the tests of reports are made from.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::*;
use crate::TenantId;

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(super) fn version(from: &str, until: Option<&str>, prices: &[(&str, &str)]) -> PriceVersion {
    let owned = |(meter, price): &(&str, &str)| ((*meter).to_owned(), (*price).to_owned());
    let draft = PriceVersionDraft {
        valid_from: day(from),
        valid_until: until.map(day),
        currency: "EUR".to_owned(),
        cpu_hour: "0.04".to_owned(),
        prices: prices.iter().map(owned).collect(),
        shared: Vec::new(),
        idle: None,
        note: String::new(),
        example: false,
    };
    draft.build().unwrap()
}

pub(super) fn shared(name: &str, monthly: i64, allocation: Allocation) -> SharedCost {
    SharedCost {
        name: name.to_owned(),
        monthly: monthly.into(),
        allocation,
    }
}

pub(super) fn one_core(allocation: Allocation) -> Option<IdleCost> {
    let cores = Decimal::ONE;
    Some(IdleCost { cores, allocation })
}

pub(super) fn book(versions: Vec<PriceVersion>) -> PriceBook {
    PriceBook { versions }
}

/// Usage of the router for recommendations.
pub(super) fn line(on: &str, who: &str, meter: Meter, quantity: u64) -> UsageLine {
    UsageLine {
        day: day(on),
        tenant: (!who.is_empty()).then(|| tenant(who)),
        service: Service::Router,
        meter,
        rpc: "RecommendExperts".to_owned(),
        tier: None,
        model: String::new(),
        quantity,
        adjustment: false,
        for_day: None,
    }
}

pub(super) fn input<'a>(
    until: &str,
    lines: &'a [UsageLine],
    book: &'a PriceBook,
    tenants: &'a [TenantId],
) -> CostInput<'a> {
    CostInput {
        month: Month::of(day(until)),
        until: day(until),
        lines,
        book,
        tenants,
        there: None,
        since: None,
    }
}

pub(super) fn report(input: &CostInput<'_>, by: By) -> CostReport {
    cost_report(input, by, None, &BTreeMap::new()).unwrap()
}

pub(super) fn refused(input: &CostInput<'_>) -> CostError {
    cost_report(input, By::None, None, &BTreeMap::new()).unwrap_err()
}

pub(super) const CPU_HOUR: u64 = 3_600_000_000;

/// A database for 300 a month that all share alike, support for 90 by usage, and one core whose
/// idle time nobody bears.
pub(super) fn example_book() -> PriceBook {
    let mut prices = version("2026-10-01", None, &[("requests", "0.05")]);
    prices.shared = vec![
        shared("database", 300, Allocation::Even),
        shared("support", 90, Allocation::ByUsage),
    ];
    prices.idle = one_core(Allocation::None);
    book(vec![prices])
}
