//! A platform is charged from its first start on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::fixtures::*;
use super::*;

/// 300 a month that all share alike, and one core at 0.04 an hour whose idle time nobody bears.
fn prices() -> PriceBook {
    let mut prices = version("2020-01-01", None, &[("requests", "1")]);
    prices.shared = vec![shared("database", 300, Allocation::Even)];
    prices.idle = one_core(Allocation::None);
    book(vec![prices])
}

fn since(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn the_month_of_the_first_start_is_charged_from_that_moment() {
    let (book, tenants) = (prices(), [tenant("acme")]);
    let usage = [line("2026-11-17", "acme", Meter::Requests, 14_250)];
    let input = CostInput {
        // A quarter of the 16th is left.
        since: since("2026-11-16T18:00:00Z"),
        ..input("2026-11-20", &usage, &book, &tenants)
    };
    let report = report(&input, By::Day);
    let acme = &report.rows[0];
    // 4.25 of 30 days: 300 a month is 10 a day, a core 0.96.
    assert_eq!(
        (acme.shared, acme.direct),
        (decimal("42.50"), decimal("14.25"))
    );
    assert_eq!(report.unallocated.idle, decimal("4.08"));
    assert_eq!(report.total, decimal("60.83"));
    assert_eq!(report.price_book_total, report.total);
    assert_eq!(acme.parts[0].label, "2026-11-16");
    // 14.25 days in the end: usage and idle go on, and the database costs 10 a day.
    assert_eq!(acme.forecast, decimal("190.28"));
    assert_eq!(report.unallocated.forecast, decimal("13.68"));
}

#[test]
fn months_before_it_cost_nothing_and_are_not_compared_with() {
    let (book, tenants) = (prices(), [tenant("acme")]);
    let of = |until: &str, from: &str| CostInput {
        since: since(from),
        ..input(until, &[], &book, &tenants)
    };
    let before = report(&of("2026-10-31", "2026-11-16T18:00:00Z"), By::None);
    assert_eq!(
        (before.total, before.forecast),
        (decimal("0.00"), decimal("0.00"))
    );
    let compared = |until: &str, last: &str, from: &str| {
        let (now, then) = (of(until, from), of(last, from));
        let report = cost_report(&now, By::None, Some(&then), &BTreeMap::new()).unwrap();
        assert_eq!(
            report.rows[0].previous_total.is_some(),
            report.previous.is_some()
        );
        report.previous.map(|trend| trend.total)
    };
    // October never was; of November there are two weeks.
    let first = "2026-11-16T18:00:00Z";
    assert_eq!(compared("2026-11-20", "2026-10-31", first), None);
    assert_eq!(compared("2026-12-20", "2026-11-30", first), None);
    // A platform that began on the first of November is compared from December on.
    let whole = compared("2026-12-01", "2026-11-30", "2026-11-01T12:00:00Z");
    assert_eq!(whole, Some(decimal("5.48")));
}
