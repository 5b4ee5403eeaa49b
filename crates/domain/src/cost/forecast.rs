//! What a month will cost when it is over.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::allocate::accrued;
use super::group::{Bearer, Sums, rounded};
use super::line::days;
use super::money::{scaled, split};
use super::pricing::total;
use super::{AMOUNT_DECIMALS, CostError, CostInput, CostKind, Currency, MoneyError};

/// The expected totals of the whole month, of all bearers in their order, and their sum:
///
/// - usage, overhead and idle machines go on as on the average day covered, from the first start of the
///   platform on;
/// - late usage is not expected again;
/// - shared costs are those of the whole month by the price book, borne as they were so far.
pub(super) fn forecast(
    input: &CostInput<'_>,
    sums: &BTreeMap<Bearer, Sums>,
    currency: Currency,
) -> Result<(Decimal, Vec<Decimal>), CostError> {
    let there = |last: NaiveDate| -> u128 {
        let days = days(input.month.first(), last);
        days.map(|day| input.share_of(day).seconds()).sum()
    };
    let (covered, all) = match (there(input.until), there(input.month.last())) {
        // Usage from before the first start says nothing of the days to come.
        (0, _) => (1, 1),
        spans => spans,
    };
    let shared = whole_shared(input, sums)?;
    let mut exact = Vec::with_capacity(sums.len());
    for (own, shared) in sums.values().zip(shared) {
        let running = [CostKind::Direct, CostKind::Overhead, CostKind::Idle];
        let running = total(running.map(|kind| own.of(kind)))?;
        let running = scaled(running, all, covered).map_err(failed)?;
        exact.push(total([running, own.of(CostKind::Adjustment), shared])?);
    }
    let whole = currency.round(total(exact.iter().copied())?);
    let parts = rounded(whole, &exact, currency)?;
    Ok((whole, parts))
}

fn failed(source: MoneyError) -> CostError {
    CostError::Money {
        what: "the forecast".to_owned(),
        source,
    }
}

/// The shared costs of the whole month by bearer.
fn whole_shared(
    input: &CostInput<'_>,
    sums: &BTreeMap<Bearer, Sums>,
) -> Result<Vec<Decimal>, CostError> {
    let day_of = |day: NaiveDate| {
        let shared = input.book.at(day).map(|version| version.shared.as_slice());
        let costs = shared.unwrap_or_default().iter();
        let costs: Vec<Decimal> = costs
            .map(|cost| accrued(cost.monthly, day, input.share_of(day)))
            .collect::<Result<_, _>>()?;
        total(costs)
    };
    let mut whole = Decimal::ZERO;
    for day in days(input.month.first(), input.month.last()) {
        whole = total([whole, day_of(day)?])?;
    }
    let so_far: Vec<Decimal> = sums.values().map(|own| own.of(CostKind::Shared)).collect();
    if so_far.iter().all(Decimal::is_zero) {
        // Nothing says yet who will bear it. Nobody is the first bearer.
        let nobody = sums.keys().map(Option::is_none);
        let part = |nobody| if nobody { whole } else { Decimal::ZERO };
        return Ok(nobody.map(part).collect());
    }
    split(whole, &so_far, AMOUNT_DECIMALS).map_err(failed)
}
