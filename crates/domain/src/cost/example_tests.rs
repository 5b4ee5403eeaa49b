//! A report that is worked by hand.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::fixtures::*;
use super::*;

/// Up to the tenth of November; all usage is on that day.
fn example_usage() -> Vec<UsageLine> {
    let on = "2026-11-10";
    vec![
        line(on, "acme", Meter::Requests, 20_000),
        line(on, "acme", Meter::ModelCpu, 10 * CPU_HOUR),
        line(on, "globex", Meter::Requests, 4_000),
        line(on, "", Meter::OverheadCpu, 2 * CPU_HOUR),
    ]
}

/// By hand. acme uses 20 x 0.05 + 10 x 0.04 = 1.40, globex 4 x 0.05 = 0.20, the platform 0.08.
/// The database is 300 / 30 x 10 = 100, so 50 each. Support is 3 a day: on nine days without usage
/// 27 unallocated, on the tenth 3 x 1.40 / 1.60 = 2.625 and 0.375. The core is 24 x 0.04 = 0.96 a
/// day: nine days idle, 8.64, and on the tenth 0.96 - 0.40 - 0.08 = 0.48.
#[test]
fn the_worked_example() {
    let (usage, book) = (example_usage(), example_book());
    let tenants = [tenant("acme"), tenant("globex")];
    let now = input("2026-11-10", &usage, &book, &tenants);
    let before = input("2026-10-31", &[], &book, &tenants[..1]);
    let budgets = BTreeMap::from([(Some(tenant("acme")), 60.into()), (None, 1_000.into())]);
    let report = cost_report(&now, By::Meter, Some(&before), &budgets).unwrap();

    let columns = |row: &CostRow| {
        [row.direct, row.shared, row.idle, row.overhead, row.total].map(|cost| cost.to_string())
    };
    // Exactly 54.025 and 50.575: of equal remainders the first gets the cent.
    let [acme, globex] = &report.rows[..] else {
        panic!("{:?}", report.rows);
    };
    assert_eq!(columns(acme), ["1.40", "52.63", "0.00", "0.00", "54.03"]);
    assert_eq!(columns(globex), ["0.20", "50.37", "0.00", "0.00", "50.57"]);
    assert_eq!(
        columns(&report.unallocated),
        ["0.00", "27.00", "9.12", "0.08", "36.20"]
    );
    assert_eq!(report.total, decimal("140.80"));
    assert_eq!(report.price_book_total, decimal("140.80"));

    // (1.60 + 0.08 + 9.12) x 3 + 390, and for acme 1.40 x 3 + 390 x 52.625 / 130 = 162.075.
    assert_eq!(report.forecast, decimal("422.40"));
    assert_eq!(acme.forecast, decimal("162.08"));
    assert_eq!(acme.units.per_recommend, Some(decimal("0.00007")));
    assert_eq!(report.units.per_recommend, Some(decimal("0.0000666667")));
    assert_eq!(report.units.per_retrain, None);

    // Ten days of October: 390 x 10 / 31 + 9.60 = 135.406...; acme has the database, 96.774...
    let trend = report.previous.unwrap();
    assert_eq!(trend.until, day("2026-10-10"));
    assert_eq!(
        (trend.total, trend.change),
        (decimal("135.41"), decimal("5.39"))
    );
    assert_eq!(trend.change_percent, Some(decimal("4")));
    assert_eq!(acme.previous_total, Some(decimal("96.78")));
    assert_eq!(globex.previous_total, Some(Decimal::ZERO));

    let budget = acme.budget.as_ref().unwrap();
    assert_eq!(budget.spent_percent, decimal("90"));
    assert_eq!(budget.level, Some(BudgetLevel::FourFifths));
    assert!(budget.forecast_exceeds);
    let whole = report.budget.unwrap();
    assert_eq!((whole.spent_percent, whole.level), (decimal("14"), None));
}

#[test]
fn rows_are_cut_by_what_is_asked_for() {
    let (mut usage, book) = (example_usage(), example_book());
    usage[1].model = "tenants/acme/models/experts/versions/2".to_owned();
    let tenants = [tenant("acme")];
    let input = input("2026-11-10", &usage, &book, &tenants);
    let parts = |by: By| {
        let row = report(&input, by).rows.remove(0);
        let told = |part: Part| (part.label, part.quantity);
        row.parts.into_iter().map(told).collect::<Vec<_>>()
    };
    let part = |label: &str, quantity| (label.to_owned(), quantity);
    assert!(parts(By::None).is_empty());
    assert_eq!(
        parts(By::Service),
        [part("shared", None), part("router", None)]
    );
    let by_meter = [
        part("shared", None),
        part("requests", Some(20_000)),
        part("model_cpu", Some(10 * CPU_HOUR)),
    ];
    assert_eq!(parts(By::Meter), by_meter);
    let model = part("tenants/acme/models/experts/versions/2", None);
    assert_eq!(
        parts(By::Model),
        [part("shared", None), part("", None), model]
    );
    let days = parts(By::Day);
    assert_eq!((days.len(), days[0].0.as_str()), (10, "2026-11-01"));
    for by in By::ALL {
        assert_eq!(By::parse(by.as_str()), Some(by));
    }
}
