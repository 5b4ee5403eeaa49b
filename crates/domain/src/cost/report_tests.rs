//! Rules of the report, one by one.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::fixtures::*;
use super::*;

#[test]
fn every_day_has_the_prices_of_its_version() {
    let mut dearer = version("2026-11-16", None, &[("requests", "3")]);
    dearer.shared = vec![shared("database", 60, Allocation::None)];
    let mut cheap = version("2026-01-01", Some("2026-11-15"), &[("requests", "1")]);
    cheap.shared = vec![shared("database", 30, Allocation::None)];
    let book = book(vec![dearer, cheap]);
    let usage = [
        line("2026-11-15", "acme", Meter::Requests, 1_000),
        line("2026-11-16", "acme", Meter::Requests, 1_000),
        line("2026-12-01", "acme", Meter::Requests, 1_000),
    ];
    let report = report(&input("2026-11-30", &usage, &book, &[]), By::None);
    assert_eq!(report.rows[0].direct, decimal("4"));
    // Fifteen days at 1 a day, fifteen at 2.
    assert_eq!(report.unallocated.shared, decimal("45"));
}

#[test]
fn late_usage_has_its_own_column_and_the_prices_of_its_day() {
    let mut second = version("2026-11-01", None, &[("requests", "3")]);
    second.idle = one_core(Allocation::None);
    second.shared = vec![shared("database", 30, Allocation::Even)];
    let first = version("2026-01-01", Some("2026-10-31"), &[("requests", "1")]);
    let mut book = book(vec![first, second]);
    let late = |meter, quantity| UsageLine {
        adjustment: true,
        for_day: Some(day("2026-10-30")),
        ..line("2026-11-02", "gone", meter, quantity)
    };
    let usage = [
        late(Meter::Requests, 1_000),
        late(Meter::SearchCpu, CPU_HOUR),
    ];
    let tenants = [tenant("acme")];
    let told = report(&input("2026-11-02", &usage, &book, &tenants), By::None);
    let gone = told
        .rows
        .iter()
        .find(|row| row.tenant == Some(tenant("gone")))
        .unwrap();
    assert_eq!(
        (gone.adjustment, gone.total),
        (decimal("1.04"), decimal("1.04"))
    );
    // Two days of 0.96, less the hour that is paid for by the adjustment.
    assert_eq!(told.unallocated.idle, decimal("1.88"));
    // Who has only late usage bears nothing of what all share; late usage is not expected again.
    assert_eq!(gone.forecast, decimal("1.04"));
    assert_eq!(gone.units, UnitCosts::default());

    // In another currency the prices of that day are no help; those of the day of booking are.
    book.versions[0].currency = Currency::USD;
    let told = report(&input("2026-11-02", &usage, &book, &tenants), By::None);
    assert_eq!(told.currency, Currency::EUR);
    assert_eq!(
        told.rows.iter().map(|row| row.adjustment).sum::<Decimal>(),
        decimal("3.04")
    );
}

#[test]
fn usage_without_a_price_is_listed_and_costs_nothing() {
    let book = book(vec![version("2026-11-10", None, &[("requests", "1")])]);
    let usage = [
        line("2026-11-09", "acme", Meter::Requests, 5),
        line("2026-11-09", "globex", Meter::Requests, 6),
        line("2026-11-10", "acme", Meter::BytesOut, 7),
        line("2026-11-10", "acme", Meter::TrainingPeakBytes, 8),
    ];
    let told = report(&input("2026-11-30", &usage, &book, &[]), By::None);
    let unpriced = |on: &str, meter, reason, quantity| Unpriced {
        day: day(on),
        meter,
        reason,
        quantity,
    };
    let expected = [
        unpriced("2026-11-09", Meter::Requests, UnpricedReason::NoVersion, 11),
        unpriced("2026-11-10", Meter::BytesOut, UnpricedReason::NoPrice, 7),
    ];
    assert_eq!(told.unpriced, expected);
    assert_eq!((told.total, told.rows.len()), (Decimal::ZERO, 2));
    // Before the first version there is a currency still.
    let early = report(&input("2025-05-31", &[], &book, &[]), By::None);
    assert_eq!(
        (early.currency, early.total),
        (Currency::EUR, Decimal::ZERO)
    );
}

#[test]
fn what_nobody_can_bear_is_unallocated() {
    let mut prices = version("2026-11-01", None, &[]);
    prices.shared = vec![
        shared("even", 30, Allocation::Even),
        shared("by usage", 60, Allocation::ByUsage),
    ];
    prices.idle = one_core(Allocation::ByUsage);
    let book = book(vec![prices]);
    let told = report(&input("2026-11-01", &[], &book, &[]), By::None);
    assert!(told.rows.is_empty());
    assert_eq!(told.unallocated.total, decimal("3.96"));
    let tenants = [tenant("idler"), tenant("idler")];
    let told = report(&input("2026-11-01", &[], &book, &tenants), By::None);
    assert_eq!((told.rows.len(), told.rows[0].total), (1, decimal("1.00")));
    // More CPU time than is paid for: nothing is idle, and nothing is given back.
    let busy = [line("2026-11-01", "acme", Meter::ModelCpu, 100 * CPU_HOUR)];
    let told = report(&input("2026-11-01", &busy, &book, &[]), By::None);
    assert_eq!(
        (told.rows[0].direct, told.rows[0].idle),
        (decimal("4"), Decimal::ZERO)
    );
}

#[test]
fn unit_costs_are_those_of_the_service_that_does_the_work() {
    let of = |service, rpc: &str, meter, quantity| UsageLine {
        service,
        rpc: rpc.to_owned(),
        ..line("2026-11-01", "acme", meter, quantity)
    };
    let usage = [
        of(Service::Ingest, "IngestItems", Meter::ItemsIngested, 500),
        of(Service::Ingest, "", Meter::EmbeddingCpu, CPU_HOUR),
        of(Service::Trainer, "", Meter::Retrains, 4),
        of(Service::Trainer, "", Meter::TrainingCpu, 10 * CPU_HOUR),
        of(Service::Router, "BatchRecommendExperts", Meter::Requests, 8),
        of(
            Service::Router,
            "RecommendExperts",
            Meter::ModelCpu,
            CPU_HOUR,
        ),
        of(Service::Router, "Classify", Meter::ModelCpu, 50 * CPU_HOUR),
        of(Service::Router, "", Meter::ModelMemory, 50 * CPU_HOUR),
    ];
    let prices = [
        ("items_ingested", "0"),
        ("retrains", "0.1"),
        ("model_memory", "9"),
    ];
    let book = book(vec![version("2026-11-01", None, &prices)]);
    // Requests have no price here, and are counted all the same.
    let told = report(&input("2026-11-30", &usage, &book, &[]), By::None);
    let expected = UnitCosts {
        per_recommend: Some(decimal("0.005")),
        per_1000_items: Some(decimal("0.08")),
        per_retrain: Some(decimal("0.2")),
    };
    assert_eq!(told.units, expected);
    assert_eq!(told.rows[0].units, expected);
}

#[test]
fn what_cannot_be_reported_is_refused_with_a_remedy() {
    let good = example_book();
    let mut wrong = input("2026-11-10", &[], &good, &[]);
    wrong.until = day("2026-12-01");
    assert_eq!(refused(&wrong).reason(), "DAY_OUTSIDE_MONTH");
    let empty = PriceBook::default();
    assert_eq!(
        refused(&input("2026-11-10", &[], &empty, &[])).reason(),
        "PRICE_BOOK_EMPTY"
    );
    let mut negative = example_book();
    negative.versions[0].cpu_hour = Some(Decimal::NEGATIVE_ONE);
    let error = refused(&input("2026-11-10", &[], &negative, &[]));
    assert_eq!(error.reason(), "PRICE_BOOK_INVALID");
    assert!(
        error.to_string().contains("versions[0].cpu_hour"),
        "{error}"
    );

    let dear = book(vec![version(
        "2026-11-01",
        None,
        &[("retrains", "1000000000")],
    )]);
    let absurd = [line("2026-11-01", "acme", Meter::Retrains, u64::MAX)];
    let error = refused(&input("2026-11-10", &absurd, &dear, &[]));
    assert_eq!(error.reason(), "AMOUNT_OUT_OF_RANGE");
    assert!(
        error.to_string().contains("the cost of retrains"),
        "{error}"
    );
}

#[test]
fn a_currency_that_changes_in_the_month_is_refused_and_before_it_is_no_trend() {
    let mut dollars = version("2026-01-01", Some("2026-10-14"), &[]);
    dollars.currency = Currency::USD;
    let changes = book(vec![dollars.clone(), version("2026-10-15", None, &[])]);
    let october = input("2026-10-20", &[], &changes, &[]);
    let error = refused(&october);
    assert_eq!(error.reason(), "CURRENCY_CHANGES_IN_MONTH");
    assert!(
        error.to_string().contains("from USD to EUR on 2026-10-15"),
        "{error}"
    );
    // Even before the day of the change: the month could not be finished.
    assert!(cost_lines(&input("2026-10-01", &[], &changes, &[])).is_err());
    let november = input("2026-11-20", &[], &changes, &[]);
    let compare = |november: &CostInput<'_>, october: &CostInput<'_>| {
        let report = cost_report(november, By::None, Some(october), &BTreeMap::new()).unwrap();
        assert!(report.rows.iter().all(|row| row.previous_total.is_none()));
        report.previous
    };
    assert_eq!(compare(&november, &october), None);
    dollars.valid_until = Some(day("2026-10-31"));
    let between = book(vec![dollars, version("2026-11-01", None, &[])]);
    let october = input("2026-10-20", &[], &between, &[]);
    assert_eq!(
        compare(&input("2026-11-20", &[], &between, &[]), &october),
        None
    );
}

#[test]
fn example_prices_are_told() {
    let book = PriceBook::example();
    let usage = [line("2026-11-01", "acme", Meter::BytesOut, 1 << 30)];
    let told = report(&input("2026-11-01", &usage, &book, &[]), By::None);
    assert!(told.example_prices && told.unpriced.is_empty());
    // 0.09 for the GiB, and two cores of 0.96 that nobody else uses.
    assert_eq!(told.rows[0].total, decimal("2.01"));
}
