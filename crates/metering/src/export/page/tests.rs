//! What the page says, read as text.

use domain::cost::{By, CostInput, Currency, Meter, PriceBook, Service, UsageLine, cost_report};

use super::*;

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn line(who: &str, quantity: u64) -> UsageLine {
    UsageLine {
        day: "2026-11-02".parse().unwrap(),
        tenant: Some(tenant(who)),
        service: Service::Router,
        meter: Meter::ModelCpu,
        rpc: String::new(),
        tier: None,
        model: String::new(),
        quantity,
        adjustment: false,
        for_day: None,
    }
}

/// One tenant costs 40,000 and one 4, of CPU-hours at 0.04.
fn report() -> CostReport {
    let lines = [
        line("large", 1_000_000 * 3_600_000_000),
        line("small", 100 * 3_600_000_000),
    ];
    let mut book = PriceBook::example();
    for version in &mut book.versions {
        version.idle = None;
    }
    let input = CostInput {
        month: "2026-11".parse().unwrap(),
        until: "2026-11-03".parse().unwrap(),
        lines: &lines,
        book: &book,
        tenants: &[],
        there: None,
        since: None,
    };
    cost_report(&input, By::Day, None, &BTreeMap::new()).unwrap()
}

fn value(who: &str, value: i64, verdict: ValueVerdict) -> ValueRow {
    ValueRow {
        value: TenantValue {
            tenant: tenant(who),
            accepted: 1,
            value: value.into(),
            cost: Decimal::ZERO,
            net: Decimal::ZERO,
        },
        answered: 3,
        verdict: Some(verdict),
    }
}

fn written(names: &[(&str, &str)], values: &[ValueRow]) -> String {
    let report = report();
    let names = names
        .iter()
        .map(|(id, name)| (tenant(id), (*name).to_owned()))
        .collect();
    let days = DayTotal::of_report(&report, &BTreeMap::new()).unwrap();
    let content = CostPage {
        report: &report,
        tenant_names: &names,
        values,
        days: &days,
        generated_at: DateTime::UNIX_EPOCH,
    };
    page(&content).unwrap()
}

#[test]
fn names_of_tenants_are_text_wherever_they_stand() {
    let hostile = "<script>alert(1)</script>\" onclick='x' & co";
    let html = written(
        &[("large", hostile)],
        &[value("large", 1, ValueVerdict::CostEffective)],
    );
    assert_eq!(html.matches("<script>").count(), 1, "only our own");
    assert!(html.contains("&#60;script&#62;alert(1)"));
    assert!(!html.contains("\" onclick") && !html.contains("onclick='x'"));
    // In the table and among the lowest.
    assert!(html.matches("alert(1)").count() >= 2);
}

#[test]
fn nothing_is_asked_of_anybody() {
    let html = written(&[], &[]);
    for outside in ["http:", "https:", "//", "url(", "@import", "src="] {
        let found = html
            .match_indices(outside)
            .map(|(at, _)| &html[at..html.len().min(at + 40)]);
        let found: Vec<_> = found.filter(|text| !text.starts_with("// ")).collect();
        assert_eq!(found, Vec::<&str>::new(), "{outside}");
    }
    assert!(html.contains("default-src 'none'"));
    assert!(!html.contains(" style=\"") && !html.contains("unsafe"));
}

#[test]
fn amounts_are_those_of_the_report() {
    let values = [
        value("large", 50_000, ValueVerdict::CostEffective),
        value("small", 1, ValueVerdict::NotCostEffective),
    ];
    let html = written(&[("large", "Large & Co")], &values);
    for text in [
        "Large &#38; Co",
        ">40,004.00<",
        ">50,001.00<",
        ">9,997.00<",
        ">10,000.00<",
        ">−3.00<",
        ">33.3 %<",
        "worth it",
        "not worth it",
        "Up to and with 3 November 2026",
        "Example prices.",
        "All amounts in USD",
        "2 Nov: cost 40,004.00 USD",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(report().currency, Currency::USD);
    // The lowest net first.
    let lowest = html.split("Lowest net").nth(1).unwrap();
    assert!(lowest.find("small").unwrap() < lowest.find("Large").unwrap());
}

#[test]
fn without_values_there_is_no_net_and_nobody_is_lowest() {
    let html = written(&[], &[]);
    assert!(html.contains("0 of 2 tenants have one set"));
    assert!(!html.contains("Lowest net"));
    assert!(!html.contains("Some usage has no price"));
}

#[test]
fn the_policy_names_the_style_and_the_script_that_are_there() {
    let html = written(&[], &[]);
    let inside = |tag: &str| {
        let after = html.split(&format!("<{tag}>")).nth(1).unwrap();
        after.split(&format!("</{tag}>")).next().unwrap().to_owned()
    };
    for tag in ["style", "script"] {
        let hash = STANDARD.encode(Sha256::digest(inside(tag)));
        assert!(
            html.contains(&format!("{tag}-src 'sha256-{hash}'")),
            "{tag}"
        );
    }
}
