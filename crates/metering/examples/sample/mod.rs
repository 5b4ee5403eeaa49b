//! A month of forty tenants, made up and the same each time: for the examples, and for the test of
//! the page in a browser. Not every one of them uses all of it.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::cost::{
    Allocation, By, CostInput, CostReport, Meter, Month, PriceBook, Priced, Service, SharedCost,
    TenantValue, UsageLine, ValueVerdict, cost_lines, cost_report,
};
use domain::{TenantId, Tier};
use rust_decimal::Decimal;
use tenantry_metering::export::page::{CostPage, DayTotal, ValueRow, page};

/// Everything a page and an export are made of.
pub struct Sample {
    pub report: CostReport,
    pub priced: Priced,
    pub usage: Vec<UsageLine>,
    pub names: BTreeMap<TenantId, String>,
    pub values: Vec<ValueRow>,
    pub days: Vec<DayTotal>,
}

const NAMES: [&str; 8] = [
    "Acme Insurance",
    "Norddeutsche Wasserwerke",
    "Bergström & Søn",
    "=SUM(A1:A9)",
    "<script>document.title='taken'</script>",
    "O'Neill \"Quality\" Foods",
    "A name that is rather long for a table but that somebody has given to their company all the same",
    "東京電子",
];

impl Sample {
    /// The sample of `count` tenants.
    pub fn new(count: u64) -> Self {
        let month: Month = "2026-11".parse().unwrap();
        let until: NaiveDate = "2026-11-21".parse().unwrap();
        let tenants: Vec<TenantId> = (0..count).map(tenant).collect();
        let usage = usage(month, until, &tenants);
        let mut book = PriceBook::example();
        // Something has no price.
        for version in &mut book.versions {
            version.prices.remove(&Meter::BytesIn);
            version.prices.insert(Meter::Requests, Decimal::new(2, 2));
            version.shared.push(SharedCost {
                name: "Support".to_owned(),
                monthly: Decimal::from(900),
                allocation: Allocation::Even,
            });
            version.shared.push(SharedCost {
                name: "Audit".to_owned(),
                monthly: Decimal::from(120),
                allocation: Allocation::None,
            });
        }
        let input = CostInput {
            month,
            until,
            lines: &usage,
            book: &book,
            tenants: &tenants,
            there: None,
            since: None,
        };
        let last_month = month.previous();
        let before = usage_before(last_month, &tenants);
        let before = CostInput {
            month: last_month,
            until: last_month.last(),
            lines: &before,
            ..input
        };
        let report = cost_report(&input, By::Day, Some(&before), &budgets(&tenants)).unwrap();
        let values = values(&report);
        let by_day = report.rows.iter().flat_map(|row| &row.parts);
        let mut earned: BTreeMap<NaiveDate, Decimal> = BTreeMap::new();
        for part in by_day {
            let day: NaiveDate = part.label.parse().unwrap();
            *earned.entry(day).or_default() +=
                part.cost * Decimal::new(13 + i64::from(day.day() % 7), 1);
        }
        let days = DayTotal::of_report(&report, &earned).unwrap();
        let named = |(at, id): (usize, &TenantId)| {
            let name = NAMES
                .get(at)
                .map_or(format!("Tenant {at}"), |name| (*name).to_owned());
            (id.clone(), name)
        };
        Self {
            priced: cost_lines(&input).unwrap(),
            names: tenants.iter().enumerate().map(named).collect(),
            usage,
            values,
            days,
            report,
        }
    }

    /// The page.
    pub fn page(&self) -> String {
        page(&CostPage {
            report: &self.report,
            tenant_names: &self.names,
            values: &self.values,
            days: &self.days,
            generated_at: DateTime::<Utc>::from_timestamp(1_795_255_200, 0).unwrap(),
        })
        .unwrap()
    }
}

fn tenant(number: u64) -> TenantId {
    TenantId::parse(format!("tenant-{number:02}")).unwrap()
}

fn usage(month: Month, until: NaiveDate, tenants: &[TenantId]) -> Vec<UsageLine> {
    let mut lines = Vec::new();
    for day in month.first().iter_days().take_while(|day| *day <= until) {
        for (at, id) in (1_u64..).zip(tenants) {
            let size = at * at * (7 + u64::from(day.day() * 5 % 11));
            let mut line = |service, meter, tier, quantity| {
                lines.push(UsageLine {
                    day,
                    tenant: Some(id.clone()),
                    service,
                    meter,
                    rpc: "RecommendExperts".to_owned(),
                    tier: Some(tier),
                    model: format!("{tier:?}"),
                    quantity,
                    adjustment: false,
                    for_day: None,
                });
            };
            line(Service::Router, Meter::Requests, Tier::Global, size * 40);
            line(Service::Router, Meter::Requests, Tier::Tenant, size * 3);
            line(
                Service::Router,
                Meter::ModelCpu,
                Tier::Tenant,
                size * 900_000,
            );
            line(
                Service::Ingest,
                Meter::StoredBytes,
                Tier::Global,
                size * 900_000_000,
            );
            line(
                Service::Ingest,
                Meter::StoredVectors,
                Tier::Global,
                size * 700,
            );
            line(Service::Router, Meter::BytesIn, Tier::Global, size * 1_000);
        }
    }
    let mut late = lines[0].clone();
    late.day = until;
    late.adjustment = true;
    late.for_day = NaiveDate::from_ymd_opt(2026, 10, 30);
    late.quantity = 12_345_678;
    lines.push(late.clone());
    late.for_day = NaiveDate::from_ymd_opt(2026, 11, 2);
    lines.push(late);
    let mut own = lines[2].clone();
    own.tenant = None;
    own.service = Service::Platform;
    own.meter = Meter::OverheadCpu;
    own.quantity = 86_400_000_000;
    lines.push(own);
    lines
}

/// The month before, with a little less of everything but for the last tenants.
fn usage_before(month: Month, tenants: &[TenantId]) -> Vec<UsageLine> {
    let mut lines = usage(month, month.last(), tenants);
    for line in &mut lines {
        line.quantity = line.quantity / 10 * if line.model.len() > 6 { 8 } else { 11 };
    }
    lines
}

/// A third of the tenants have a budget, and so has the whole bill.
fn budgets(tenants: &[TenantId]) -> BTreeMap<Option<TenantId>, Decimal> {
    let some = (1_i64..).zip(tenants).filter(|(at, _)| at % 3 == 0);
    let mut budgets: BTreeMap<_, _> = some
        .map(|(at, id)| (Some(id.clone()), Decimal::from(20 + at * at * (at % 4))))
        .collect();
    budgets.insert(None, Decimal::from(25_000));
    budgets
}

fn values(report: &CostReport) -> Vec<ValueRow> {
    let rows = report.rows.iter().enumerate();
    // One in five has no value set.
    let rows = rows.filter(|(at, _)| at % 5 != 4);
    rows.map(|(at, row)| {
        let value = (row.total * Decimal::new(4 + (at as i64 * 7) % 19, 1)).round_dp(2);
        ValueRow {
            value: TenantValue {
                tenant: row.tenant.clone().unwrap(),
                accepted: 300 + at as u64 * 13,
                value,
                cost: row.total,
                net: value - row.total,
            },
            answered: 1_000,
            verdict: ValueVerdict::ALL.get(at % 4).copied(),
        }
    })
    .collect()
}
