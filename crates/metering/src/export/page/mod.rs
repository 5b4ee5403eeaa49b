//! The page for finance: one HTML file that asks nobody for anything.
//!
//! Its style and its script are in it, and its content security policy lets nothing else run or
//! load, whatever a tenant is called. Without the script everything is there but sorting.

use std::collections::BTreeMap;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use domain::TenantId;
use domain::cost::{CostReport, CostRow, TenantValue, ValueVerdict};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::MeteringError;

mod chart;
mod notes;
mod numbers;
mod table;
mod totals;

const STYLE: &str = include_str!("../../../templates/page.css");
const SCRIPT: &str = include_str!("../../../templates/page.js");

/// What the page tells.
#[derive(Debug, Clone, Copy)]
pub struct CostPage<'a> {
    /// The costs of the month.
    pub report: &'a CostReport,
    /// The names of tenants for people. Who is missing is called by the id.
    pub tenant_names: &'a BTreeMap<TenantId, String>,
    /// What tenants earn, in the report's currency. Who is missing has no value set.
    pub values: &'a [ValueRow],
    /// Costs and values by day, in the order of days.
    pub days: &'a [DayTotal],
    /// When the page is made.
    pub generated_at: DateTime<Utc>,
}

/// What a tenant earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueRow {
    /// Its value, against what it costs.
    pub value: TenantValue,
    /// Its answers, of which the accepted ones are the take rate.
    pub answered: u64,
    /// Whether its own model pays for itself, if it has one.
    pub verdict: Option<ValueVerdict>,
}

/// What all tenants cost and earn on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTotal {
    /// The day.
    pub day: NaiveDate,
    /// All costs of it, unallocated ones too.
    pub cost: Decimal,
    /// All value of it.
    pub value: Decimal,
}

impl DayTotal {
    /// The totals by day of a report whose parts are days, with the values of those days.
    ///
    /// # Errors
    /// [`MeteringError::TooLarge`] when a sum is too large to be true.
    pub fn of_report(
        report: &CostReport,
        values: &BTreeMap<NaiveDate, Decimal>,
    ) -> Result<Vec<Self>, MeteringError> {
        let mut costs: BTreeMap<NaiveDate, Decimal> = BTreeMap::new();
        for row in report.rows.iter().chain([&report.unallocated]) {
            for part in &row.parts {
                // Parts by something else than days have no place here.
                let Ok(day) = part.label.parse() else {
                    continue;
                };
                let cost = costs.entry(day).or_default();
                *cost = numbers::sum([*cost, part.cost], "the cost of a day")?;
            }
        }
        let total = |(day, cost)| Self {
            day,
            cost,
            value: values.get(&day).copied().unwrap_or_default(),
        };
        Ok(costs.into_iter().map(total).collect())
    }
}

/// The page as HTML.
///
/// # Errors
/// [`MeteringError`] when a sum is too large to be true.
pub fn page(content: &CostPage<'_>) -> Result<String, MeteringError> {
    let by_tenant: BTreeMap<&TenantId, &ValueRow> = content
        .values
        .iter()
        .map(|row| (&row.value.tenant, row))
        .collect();
    let report = content.report;
    let rows: Vec<Joined<'_>> = report
        .rows
        .iter()
        .map(|row| Joined {
            name: name_of(content, row),
            value: row
                .tenant
                .as_ref()
                .and_then(|tenant| by_tenant.get(tenant).copied()),
            row,
        })
        .collect();
    let view = PageView {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        month: numbers::month_name(report.month),
        until: numbers::long_day(report.until),
        complete: report.until == report.month.last(),
        currency: report.currency.code(),
        example: report.example_prices,
        generated_at: content
            .generated_at
            .format("%Y-%m-%d %H:%M UTC")
            .to_string(),
        totals: totals::totals(report, &rows)?,
        table: table::table(report, &rows)?,
        worst: table::worst(report, &rows),
        chart: chart::chart(content.days, report.currency),
        days: table::days(content.days, report.currency),
        unpriced: notes::unpriced(&report.unpriced),
        previous: notes::previous(report),
        units: notes::units(report),
    };
    view.render().map_err(MeteringError::Page)
}

/// A row of the report with what belongs to it.
struct Joined<'a> {
    name: &'a str,
    row: &'a CostRow,
    value: Option<&'a ValueRow>,
}

impl Joined<'_> {
    /// Value minus cost, where there is a value. By the report's own cost: it is what the page shows.
    fn net(&self) -> Option<Decimal> {
        self.value?.value.value.checked_sub(self.row.total)
    }
}

fn name_of<'a>(content: &CostPage<'a>, row: &'a CostRow) -> &'a str {
    let Some(tenant) = &row.tenant else {
        return "unallocated";
    };
    let named = content.tenant_names.get(tenant).map(String::as_str);
    named
        .filter(|name| !name.trim().is_empty())
        .unwrap_or(tenant.as_str())
}

/// What may load and run: this style and this script, by their hashes.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT),
    )
}

#[derive(Template)]
#[template(path = "page.html")]
struct PageView<'a> {
    policy: String,
    style: &'a str,
    script: &'a str,
    month: String,
    until: String,
    complete: bool,
    currency: &'a str,
    example: bool,
    generated_at: String,
    totals: Vec<totals::Total>,
    table: table::TenantTable,
    worst: Vec<table::WorstRow>,
    chart: Option<chart::Chart>,
    days: Vec<table::DayRow>,
    unpriced: Vec<String>,
    previous: Option<String>,
    units: Vec<notes::Unit>,
}

#[cfg(test)]
mod tests;
