//! What price books are refused for, and in which words.

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn draft() -> PriceVersionDraft {
    let text = str::to_owned;
    PriceVersionDraft {
        valid_from: day("2026-01-01"),
        valid_until: None,
        currency: text("EUR"),
        cpu_hour: text("0.04"),
        prices: vec![(text("requests"), text("0.01"))],
        shared: vec![(text("database"), text("90"), text("even"))],
        idle: Some((text("2"), text("by_usage"))),
        note: String::new(),
        example: false,
    }
}

/// The reasons and fields that a changed draft is refused for.
fn refused(change: impl FnOnce(&mut PriceVersionDraft)) -> Vec<(&'static str, String)> {
    let mut draft = draft();
    change(&mut draft);
    let problems = draft.build().unwrap_err();
    for problem in &problems {
        assert!(problem.message.len() > 15, "{problem}");
    }
    let told = |problem: PriceProblem| (problem.reason.as_str(), problem.field);
    problems.into_iter().map(told).collect()
}

fn price(draft: &mut PriceVersionDraft, meter: &str, price: &str) {
    draft.prices.push((meter.to_owned(), price.to_owned()));
}

fn shared(draft: &mut PriceVersionDraft, name: &str, monthly: &str, way: &str) {
    let cost = (name.to_owned(), monthly.to_owned(), way.to_owned());
    draft.shared.push(cost);
}

#[test]
fn a_good_draft_becomes_a_version() {
    let version = draft().build().unwrap();
    assert_eq!(version.price_of(Meter::Requests), "0.01".parse().ok());
    assert_eq!(version.price_of(Meter::SearchCpu), "0.04".parse().ok());
    assert_eq!(version.price_of(Meter::BytesIn), None);
    assert_eq!(version.idle.unwrap().allocation, Allocation::ByUsage);
}

#[test]
fn all_slips_are_named_at_once() {
    let was = refused(|draft| {
        draft.cpu_hour = "-1".to_owned();
        price(draft, "cpu_seconds", "1");
        price(draft, "bytes_in", "much");
        price(draft, "bytes_out", "-2");
        shared(draft, "licence", "30", "by_size");
    });
    let mut fields: Vec<_> = was.iter().map(|(_, field)| field.as_str()).collect();
    fields.sort_unstable();
    let all = [
        "cpu_hour",
        "prices.bytes_in",
        "prices.bytes_out",
        "prices.cpu_seconds",
    ];
    assert_eq!(fields[..4], all);
    assert_eq!(fields[4..], ["shared[1].allocation"]);
    // An hour that cannot be read is not also one that is missing.
    let was = refused(|draft| draft.cpu_hour = "cheap".to_owned());
    assert_eq!(was, [("PRICE_NOT_A_DECIMAL", "cpu_hour".to_owned())]);
}

#[test]
fn every_slip_is_named() {
    let one = |reason, field: &str| vec![(reason, field.to_owned())];
    let was = refused(|draft| price(draft, "cpu_seconds", "1"));
    assert_eq!(was, one("METER_UNKNOWN", "prices.cpu_seconds"));
    let was = refused(|draft| price(draft, "training_peak_bytes", "1"));
    assert_eq!(was, one("METER_NOT_PRICED", "prices.training_peak_bytes"));
    let was = refused(|draft| price(draft, "search_cpu", "1"));
    assert_eq!(was, one("METER_NOT_PRICED", "prices.search_cpu"));
    let was = refused(|draft| price(draft, "requests", "2"));
    assert_eq!(was, one("PRICE_DUPLICATE", "prices.requests"));
    let was = refused(|draft| price(draft, "bytes_in", "-0.01"));
    assert_eq!(was, one("PRICE_NEGATIVE", "prices.bytes_in"));
    let was = refused(|draft| price(draft, "bytes_in", "0.00000000001"));
    assert_eq!(was, one("PRICE_TOO_MANY_DECIMALS", "prices.bytes_in"));
    let was = refused(|draft| price(draft, "bytes_in", "1000000000.01"));
    assert_eq!(was, one("PRICE_TOO_LARGE", "prices.bytes_in"));
    let was = refused(|draft| draft.currency = "EURO".to_owned());
    assert_eq!(was, one("CURRENCY_UNKNOWN", "currency"));
    let was = refused(|draft| draft.valid_until = Some(day("2025-12-31")));
    assert_eq!(
        was,
        one("PRICE_VERSION_ENDS_BEFORE_IT_BEGINS", "valid_until")
    );
    let was = refused(|draft| draft.cpu_hour.clear());
    assert_eq!(was, one("CPU_HOUR_MISSING", "cpu_hour"));
    let was = refused(|draft| shared(draft, " ", "1", "even"));
    assert_eq!(was, one("SHARED_COST_BAD_NAME", "shared[1].name"));
    let was = refused(|draft| shared(draft, "database ", "1", "none"));
    assert_eq!(was, one("SHARED_COST_DUPLICATE_NAME", "shared[1].name"));
    let was = refused(|draft| shared(draft, "support", "1", "fair"));
    assert_eq!(was, one("ALLOCATION_UNKNOWN", "shared[1].allocation"));
    let was = refused(|draft| shared(draft, "support", "1000000000001", "even"));
    assert_eq!(was, one("PRICE_TOO_LARGE", "shared[1].monthly"));
    let was = refused(|draft| draft.idle = Some(("-2".to_owned(), "even".to_owned())));
    assert_eq!(was, one("PRICE_NEGATIVE", "idle.cores"));
    let was = refused(|draft| (0..100).for_each(|at| shared(draft, &at.to_string(), "1", "even")));
    assert_eq!(was, one("PRICE_BOOK_TOO_LONG", "shared"));
}

#[test]
fn strange_numbers_are_no_prices() {
    for text in [
        "",
        "1,5",
        "1e3",
        "1_000",
        "NaN",
        "0x1",
        "+1",
        "1.2.3",
        "-",
        &"9".repeat(40),
    ] {
        let was = refused(|draft| price(draft, "bytes_in", text));
        assert_eq!(was[0].0, "PRICE_NOT_A_DECIMAL", "{text}");
    }
}

#[test]
fn all_slips_are_told_at_once() {
    let was = refused(|draft| {
        draft.currency = "x".to_owned();
        price(draft, "nothing", "1");
        price(draft, "bytes_in", "much");
    });
    assert_eq!(was.len(), 3);
}

fn book(versions: &[(&str, Option<&str>, &str)]) -> Vec<(&'static str, String)> {
    let version = |(from, until, currency): &(&str, Option<&str>, &str)| {
        let mut draft = draft();
        draft.valid_from = day(from);
        draft.valid_until = until.map(day);
        draft.currency = (*currency).to_owned();
        draft.build().unwrap()
    };
    let versions = versions.iter().map(version).collect();
    let problems = PriceBook { versions }.validate().into_iter();
    problems
        .map(|problem| (problem.reason.as_str(), problem.field))
        .collect()
}

#[test]
fn versions_follow_each_other() {
    let fine = [
        ("2026-03-11", None, "EUR"),
        ("2026-01-01", Some("2026-02-15"), "EUR"),
    ];
    assert!(book(&fine).is_empty());
    let field = |at: usize| format!("versions[{at}].valid_from");
    let both = [
        ("2026-02-15", None, "EUR"),
        ("2026-01-01", Some("2026-02-15"), "EUR"),
    ];
    assert_eq!(book(&both), [("PRICE_VERSIONS_OVERLAP", field(0))]);
    let open = [("2026-01-01", None, "EUR"), ("2027-01-01", None, "EUR")];
    assert_eq!(book(&open), [("PRICE_VERSIONS_OVERLAP", field(1))]);
    let same = [("2026-01-01", None, "EUR"), ("2026-01-01", None, "EUR")];
    assert_eq!(book(&same), [("PRICE_VERSIONS_OVERLAP", field(1))]);
}

#[test]
fn a_currency_changes_between_months_only() {
    let between = [
        ("2026-01-01", Some("2026-01-31"), "EUR"),
        ("2026-02-01", None, "USD"),
    ];
    assert!(book(&between).is_empty());
    let within = [
        ("2026-01-01", Some("2026-02-03"), "EUR"),
        ("2026-02-10", None, "USD"),
    ];
    let field = "versions[1].valid_from".to_owned();
    assert_eq!(book(&within), [("CURRENCY_CHANGES_IN_MONTH", field)]);
}

#[test]
fn a_bad_version_is_named_by_its_place() {
    let mut version = draft().build().unwrap();
    version.cpu_hour = Some(Decimal::NEGATIVE_ONE);
    let problems = PriceBook {
        versions: vec![version],
    }
    .validate();
    assert_eq!(problems[0].field, "versions[0].cpu_hour");
    assert!(problems[0].to_string().contains("zero or more"));
}
