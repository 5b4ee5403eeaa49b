//! A month with everything in it, for the tests of this module.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::cost::{
    Allocation, CostInput, Currency, IdleCost, Meter, Month, PriceBook, PriceVersion, Priced,
    Service, SharedCost, UsageLine, cost_lines,
};
use domain::{TenantId, Tier};

use super::{FocusContext, FocusRow, focus_rows};

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn book() -> PriceBook {
    let decimal = |text: &str| text.parse().unwrap();
    let version = PriceVersion {
        valid_from: day("2026-01-01"),
        valid_until: None,
        currency: Currency::EUR,
        cpu_hour: Some(decimal("0.04")),
        prices: BTreeMap::from([
            (Meter::Requests, decimal("0.0333333333")),
            (Meter::StoredBytes, decimal("0.0033333333")),
            (Meter::StoredVectors, decimal("0.25")),
            (Meter::Retrains, decimal("0")),
        ]),
        shared: vec![
            SharedCost {
                name: "Support, \"gold\"".to_owned(),
                monthly: decimal("100"),
                allocation: Allocation::Even,
            },
            SharedCost {
                name: "Licence".to_owned(),
                monthly: decimal("70"),
                allocation: Allocation::None,
            },
        ],
        idle: Some(IdleCost {
            cores: decimal("2"),
            allocation: Allocation::ByUsage,
        }),
        note: String::new(),
        example: false,
    };
    PriceBook {
        versions: vec![version],
    }
}

pub(super) fn usage_line(on: &str, who: Option<&str>, meter: Meter, quantity: u64) -> UsageLine {
    UsageLine {
        day: day(on),
        tenant: who.map(tenant),
        service: Service::Router,
        meter,
        rpc: "RecommendExperts".to_owned(),
        tier: Some(Tier::Global),
        model: "global/models/experts/versions/1".to_owned(),
        quantity,
        adjustment: false,
        for_day: None,
    }
}

/// Two tenants, two models of one of them, the platform, and late usage of two months.
pub(super) fn usage() -> Vec<UsageLine> {
    let line = usage_line;
    let mut other_model = line("2026-11-01", Some("acme"), Meter::ModelCpu, 12_345_679);
    other_model.model = "tenants/acme/models/experts/versions/3".to_owned();
    other_model.tier = Some(Tier::Tenant);
    let late = |for_day: &str, quantity| UsageLine {
        adjustment: true,
        for_day: Some(day(for_day)),
        ..line("2026-11-03", Some("beta"), Meter::Requests, quantity)
    };
    vec![
        line("2026-11-01", Some("acme"), Meter::Requests, 1_234),
        line("2026-11-01", Some("acme"), Meter::ModelCpu, 987_654_321),
        other_model,
        line("2026-11-01", Some("beta"), Meter::Requests, 7),
        line(
            "2026-11-02",
            Some("beta"),
            Meter::StoredBytes,
            123_456_789_012,
        ),
        line("2026-11-02", Some("beta"), Meter::Retrains, 3),
        line("2026-11-02", None, Meter::OverheadCpu, 44_444_444),
        late("2026-11-02", 5),
        late("2026-10-30", 11),
    ]
}

pub(super) fn priced() -> Priced {
    let month: Month = "2026-11".parse().unwrap();
    let (book, usage) = (book(), usage());
    cost_lines(&CostInput {
        month,
        until: day("2026-11-03"),
        lines: &usage,
        book: &book,
        tenants: &[tenant("acme"), tenant("beta"), tenant("quiet")],
        there: None,
        since: None,
    })
    .unwrap()
}

pub(super) fn context(names: &BTreeMap<TenantId, String>) -> FocusContext<'_> {
    FocusContext {
        provider: "Tenantry",
        billing_account_id: "platform",
        billing_account_name: "The platform",
        tenant_names: names,
        late: &[],
    }
}

pub(super) fn rows() -> Vec<FocusRow> {
    let names = BTreeMap::from([(tenant("acme"), "Acme".to_owned())]);
    let late = usage();
    let context = FocusContext {
        late: &late,
        ..context(&names)
    };
    focus_rows(&priced(), &context).unwrap()
}
