//! Tenants that suddenly cost far more than they used to.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::{CostKind, CostLine};
use crate::TenantId;

/// Days before the one looked at that say what is usual.
const USUAL_DAYS: u64 = 7;
/// Of those, days with usage that it takes to know what is usual.
const LEAST_DAYS: usize = 3;
/// A jump is more than so many times what is usual.
const TIMES: Decimal = Decimal::from_parts(3, 0, 0, false, 0);
/// And more than so much above it, in units of the currency: three times a cent alarms nobody.
const LEAST_MORE: Decimal = Decimal::ONE;

/// A tenant whose cost jumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The tenant.
    pub tenant: TenantId,
    /// Its direct cost of the day.
    pub cost: Decimal,
    /// Its mean direct cost of a day with usage, in the week before.
    pub usual: Decimal,
}

/// The tenants whose direct cost of `day` is more than three times the mean of the days with usage
/// in the week before it, and more than one unit of the currency above it. One without three such
/// days is new: nothing is usual for it yet. Lines of other days are passed over.
#[must_use]
pub fn jumps<'a>(lines: impl IntoIterator<Item = &'a CostLine>, day: NaiveDate) -> Vec<Jump> {
    let from = day.checked_sub_days(Days::new(USUAL_DAYS)).unwrap_or(day);
    let mut by_tenant: BTreeMap<&TenantId, BTreeMap<NaiveDate, Decimal>> = BTreeMap::new();
    let lines = lines.into_iter();
    for line in lines.filter(|line| line.kind == CostKind::Direct) {
        let near = (from..=day).contains(&line.day);
        if let Some(tenant) = line.tenant.as_ref().filter(|_| near) {
            let of_day = by_tenant.entry(tenant).or_default().entry(line.day);
            let of_day = of_day.or_default();
            // Sums of these lines have been checked on their way to a report's total.
            *of_day = of_day.saturating_add(line.cost);
        }
    }
    let found = by_tenant.into_iter().filter_map(|(tenant, mut days)| {
        let cost = days.remove(&day)?;
        if days.len() < LEAST_DAYS {
            return None;
        }
        let sum = days
            .values()
            .fold(Decimal::ZERO, |sum, of| sum.saturating_add(*of));
        let usual = sum.checked_div(Decimal::from(days.len()))?;
        let far = cost > usual.saturating_mul(TIMES);
        (far && cost.saturating_sub(usual) > LEAST_MORE).then(|| Jump {
            tenant: tenant.clone(),
            cost,
            usual,
        })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{book, day, decimal, input, line, version};
    use super::super::{Meter, UsageLine, cost_lines};
    use super::*;

    /// Thousands of requests, at 1 each.
    fn used(on: &str, who: &str, thousands: u64) -> UsageLine {
        line(on, who, Meter::Requests, thousands * 1_000)
    }

    fn found(usage: &[UsageLine]) -> Vec<(String, Decimal, Decimal)> {
        let book = book(vec![version("2026-01-01", None, &[("requests", "1")])]);
        let priced = cost_lines(&input("2026-11-20", usage, &book, &[])).unwrap();
        let found = jumps(&priced.lines, day("2026-11-20"));
        let short = |jump: Jump| (jump.tenant.to_string(), jump.cost, jump.usual);
        found.into_iter().map(short).collect()
    }

    #[test]
    fn more_than_three_times_the_week_before_is_a_jump() {
        let week =
            |who: &str| ["2026-11-14", "2026-11-17", "2026-11-19"].map(|on| used(on, who, 2));
        let mut usage: Vec<_> = ["calm", "wild"].iter().flat_map(|who| week(who)).collect();
        // Before the week: nobody remembers.
        usage.push(used("2026-11-12", "wild", 900));
        usage.push(used("2026-11-20", "calm", 6));
        usage.push(used("2026-11-20", "wild", 7));
        let wild = ("wild".to_owned(), decimal("7"), decimal("2"));
        assert_eq!(found(&usage), [wild]);
    }

    #[test]
    fn new_tenants_and_cents_alarm_nobody() {
        let mut usage = vec![used("2026-11-18", "new", 1), used("2026-11-19", "new", 1)];
        usage.push(used("2026-11-20", "new", 50));
        for on in ["2026-11-17", "2026-11-18", "2026-11-19"] {
            usage.push(line(on, "tiny", Meter::Requests, 10));
        }
        usage.push(line("2026-11-20", "tiny", Meter::Requests, 900));
        assert_eq!(found(&usage), []);
    }
}
