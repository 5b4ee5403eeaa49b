//! Usage times prices.
//!
//! A day's usage of a meter is priced as a whole and then split over its lines, so that no rounding
//! comes between the lines and their sum.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::money::{scaled, split_by, sum};
use super::{
    AMOUNT_DECIMALS, CostError, CostKind, CostLine, Currency, Meter, MoneyError, PriceBook,
    PriceVersion, Unpriced, UnpricedReason, UsageLine,
};

/// Usage with and without a price.
pub(super) struct PricedUsage {
    pub(super) lines: Vec<CostLine>,
    pub(super) unpriced: Vec<Unpriced>,
}

/// Usage that is priced together: booked on one day, of one meter, at the prices of the version
/// that begins on the last.
type Group = (NaiveDate, Meter, NaiveDate);

/// The price of usage, by the version of the day it was consumed on: late usage costs what it would
/// have cost in time. Where that day's version has another currency than the month, the version of
/// the day it is booked on stands in.
pub(super) fn price_for<'a>(
    book: &'a PriceBook,
    line: &UsageLine,
    currency: Currency,
) -> Result<(&'a PriceVersion, Decimal), UnpricedReason> {
    let version = match book.at(line.consumed_on()) {
        Some(version) if version.currency != currency => book.at(line.day),
        found => found,
    };
    let version = version
        .filter(|version| version.currency == currency)
        .ok_or(UnpricedReason::NoVersion)?;
    let price = version
        .price_of(line.meter)
        .ok_or(UnpricedReason::NoPrice)?;
    Ok((version, price))
}

/// What a quantity of a meter costs, to ten decimals, half to even.
pub(super) fn cost_of(meter: Meter, quantity: u128, price: Decimal) -> Result<Decimal, CostError> {
    scaled(price, quantity, meter.billed_per().base_units.into())
        .map_err(|source| in_cost_of(meter, source))
}

fn in_cost_of(meter: Meter, source: MoneyError) -> CostError {
    CostError::Money {
        what: format!("the cost of {}", meter.as_str()),
        source,
    }
}

/// Prices merged usage.
pub(super) fn price_usage(
    book: &PriceBook,
    usage: &[UsageLine],
    currency: Currency,
) -> Result<PricedUsage, CostError> {
    let mut groups: BTreeMap<Group, (Decimal, Vec<&UsageLine>)> = BTreeMap::new();
    let mut unpriced: BTreeMap<(NaiveDate, Meter, UnpricedReason), u64> = BTreeMap::new();
    for line in usage {
        if line.quantity == 0 || !line.meter.is_priced() {
            continue;
        }
        match price_for(book, line, currency) {
            Ok((version, price)) => {
                let group = (line.day, line.meter, version.valid_from);
                let (_, lines) = groups.entry(group).or_insert((price, Vec::new()));
                lines.push(line);
            }
            Err(reason) => {
                let key = (line.consumed_on(), line.meter, reason);
                let quantity = unpriced.entry(key).or_default();
                *quantity = quantity.saturating_add(line.quantity);
            }
        }
    }
    let mut lines = Vec::new();
    for ((_, meter, _), (price, group)) in groups {
        price_group(&mut lines, meter, price, &group)?;
    }
    let told = |((day, meter, reason), quantity)| Unpriced {
        day,
        meter,
        reason,
        quantity,
    };
    Ok(PricedUsage {
        lines,
        unpriced: unpriced.into_iter().map(told).collect(),
    })
}

fn price_group(
    lines: &mut Vec<CostLine>,
    meter: Meter,
    price: Decimal,
    group: &[&UsageLine],
) -> Result<(), CostError> {
    let quantities: Vec<u128> = group.iter().map(|line| line.quantity.into()).collect();
    let cost = cost_of(meter, quantities.iter().sum(), price)?;
    let costs =
        split_by(cost, &quantities, AMOUNT_DECIMALS).map_err(|source| in_cost_of(meter, source))?;
    let made = group.iter().zip(costs);
    lines.extend(made.map(|(line, cost)| cost_line(line, price, cost)));
    Ok(())
}

fn cost_line(line: &UsageLine, unit_price: Decimal, cost: Decimal) -> CostLine {
    let kind = match (line.adjustment, &line.tenant) {
        (true, _) => CostKind::Adjustment,
        (false, Some(_)) => CostKind::Direct,
        (false, None) => CostKind::Overhead,
    };
    CostLine {
        day: line.day,
        tenant: line.tenant.clone(),
        service: Some(line.service),
        meter: Some(line.meter),
        rpc: line.rpc.clone(),
        tier: line.tier,
        model: line.model.clone(),
        kind,
        name: String::new(),
        quantity: line.quantity,
        unit_price,
        cost,
    }
}

/// The sum of costs.
pub(super) fn total(costs: impl IntoIterator<Item = Decimal>) -> Result<Decimal, CostError> {
    sum(costs).map_err(|source| CostError::Money {
        what: "the sum of costs".to_owned(),
        source,
    })
}
