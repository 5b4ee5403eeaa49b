//! The total of the price book: what a month costs, worked out without tenants.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::allocate::{accrued, idle};
use super::line::days;
use super::pricing::{cost_of, price_for, total};
use super::{CostError, CostInput, Currency, Meter, UsageLine};

/// All usage times its prices, and all amounts: what the rows of a report have to sum to. It knows
/// no tenants, no splits and no rounding to minor units.
pub(super) fn price_book_total(
    input: &CostInput<'_>,
    usage: &[UsageLine],
    currency: Currency,
) -> Result<Decimal, CostError> {
    let mut whole = Decimal::ZERO;
    for day in days(input.month.first(), input.until) {
        // Usage comes sorted by day.
        let begin = usage.partition_point(|line| line.day < day);
        let end = usage.partition_point(|line| line.day <= day);
        let of_day = day_total(input, day, &usage[begin..end], currency)?;
        whole = total([whole, of_day])?;
    }
    Ok(whole)
}

fn day_total(
    input: &CostInput<'_>,
    day: NaiveDate,
    usage: &[UsageLine],
    currency: Currency,
) -> Result<Decimal, CostError> {
    // By meter and by the version that prices it, for late usage has the prices of another day.
    let mut quantities: BTreeMap<(Meter, NaiveDate), (u128, Decimal)> = BTreeMap::new();
    for line in usage.iter().filter(|line| line.meter.is_priced()) {
        if let Ok((version, price)) = price_for(input.book, line, currency) {
            let key = (line.meter, version.valid_from);
            let (quantity, _) = quantities.entry(key).or_insert((0, price));
            *quantity += u128::from(line.quantity);
        }
    }
    let (mut whole, mut cpu) = (Decimal::ZERO, Decimal::ZERO);
    for ((meter, _), (quantity, price)) in quantities {
        let cost = cost_of(meter, quantity, price)?;
        whole = total([whole, cost])?;
        if meter.is_cpu() {
            cpu = total([cpu, cost])?;
        }
    }
    let Some(version) = input.book.at(day) else {
        return Ok(whole);
    };
    let share = input.share_of(day);
    for shared in &version.shared {
        whole = total([whole, accrued(shared.monthly, day, share)?])?;
    }
    total([whole, idle(version, share, cpu)?])
}
