//! `tenantry costs report`: what a month costs, by tenant.

use std::fmt::Write as _;

use api::v1;
use rust_decimal::Decimal;
use v1::get_cost_report_request::By;

use super::view::{ReportView, RowView, UnitCostsView, part_views};
use super::{ScopeArgs, export};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Format, Output};

/// What the parts of a row are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ByArg {
    /// The service that did the work
    Service,
    /// What was consumed
    Meter,
    /// The model that did the work
    Model,
    /// The day
    Day,
}

/// Options of `costs report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Also cut each row into parts
    #[arg(long, value_enum)]
    by: Option<ByArg>,
}

impl From<Option<ByArg>> for Cut {
    fn from(by: Option<ByArg>) -> Self {
        Self(match by {
            None => By::Unspecified,
            Some(ByArg::Service) => By::Service,
            Some(ByArg::Meter) => By::Meter,
            Some(ByArg::Model) => By::Model,
            Some(ByArg::Day) => By::Day,
        })
    }
}

struct Cut(By);

/// Runs `costs report`.
///
/// # Errors
/// What the person should be told.
pub async fn run(client: &Client, args: &ReportArgs, out: &mut Output) -> Result<(), CliError> {
    if out.format() == Format::Html {
        if args.by.is_some() {
            return Err(CliError::usage("the page has no parts but days")
                .hint("leave --by out, or take -o csv or -o json"));
        }
        let format = v1::export_costs_request::Format::HtmlPage;
        return export::stream(client, &args.scope, format, &mut |bytes| out.bytes(bytes)).await;
    }
    let Cut(by) = args.by.into();
    let request = client.timed(v1::GetCostReportRequest {
        parent: args.scope.parent(),
        month: args.scope.month(),
        by: by.into(),
    });
    let answer = client.answer(client.costs().get_cost_report(request).await)?;
    print(answer.report.unwrap_or_default(), args.by, out)
}

fn print(report: v1::CostReport, by: Option<ByArg>, out: &mut Output) -> Result<(), CliError> {
    let view = ReportView::from(report);
    let parts = part_views(&view);
    let rows: Vec<RowView> = view.rows.iter().chain(&view.unallocated).cloned().collect();
    if by.is_some() && out.format() == Format::Csv {
        return out.list(&parts);
    }
    out.document(&view, &rows, |out| {
        let mut rows = rows.clone();
        rows.extend(view.total_row());
        let mut text = out.table(&rows);
        if by.is_some() {
            text.push('\n');
            text += &out.table(&parts);
        }
        text.push('\n');
        text += &words(&view);
        text
    })
}

/// What the numbers cover, and what to know about them.
fn words(view: &ReportView) -> String {
    let mut text = format!("{} up to {}, in {}.", view.month, view.until, view.currency);
    // Writing to a String cannot fail.
    if !view.forecast.is_empty() {
        let _ = write!(
            text,
            " The whole month is expected to cost {}.",
            view.forecast
        );
    }
    if let Some(previous) = &view.previous {
        let percent = match previous.change_percent.as_str() {
            "" => String::new(),
            percent => format!(" ({percent} %)"),
        };
        let _ = write!(
            text,
            "\nSince {} up to {}: {}{percent}.",
            previous.month,
            previous.until,
            signed(&previous.change)
        );
    }
    if let Some(budget) = &view.budget {
        let _ = write!(text, "\nBudget of all together: {}.", budget.words());
    }
    if let Some(units) = view.unit_costs.as_ref().and_then(UnitCostsView::words) {
        let _ = write!(text, "\nA unit costs, directly: {units}.");
    }
    if !view.total.is_empty() {
        let sum = match view.total == view.price_book_total {
            true => "which is the sum of the rows",
            false => "WHICH THE ROWS DO NOT SUM TO",
        };
        let _ = write!(
            text,
            "\nTotal of the price book: {}, {sum}.",
            view.price_book_total
        );
    }
    text.push('\n');
    if view.example_prices {
        text += "Prices are examples: good for comparing tenants, not for bills. Write your own with \
                 `tenantry costs prices set`.\n";
    }
    text + &unpriced(view)
}

/// A warning about what has no price.
fn unpriced(view: &ReportView) -> String {
    let mut by_meter: std::collections::BTreeMap<(&str, &str, &str), Decimal> =
        std::collections::BTreeMap::new();
    for one in &view.unpriced {
        let sum = by_meter
            .entry((&one.meter, &one.unit, &one.reason))
            .or_default();
        *sum = sum.saturating_add(one.quantity.into());
    }
    let mut text = String::new();
    for ((meter, unit, reason), quantity) in by_meter {
        let why = match reason {
            "NO_VERSION" => "no version of the price book is valid on its days",
            _ => "the price book has no price for it",
        };
        let _ = writeln!(
            text,
            "WARNING: {quantity} {unit} of {meter} are in no total: {why}."
        );
    }
    text
}

/// An amount with its sign.
pub fn signed(amount: &str) -> String {
    match amount.starts_with('-') || amount.is_empty() {
        true => amount.to_owned(),
        false => format!("+{amount}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Captured;

    fn row(tenant: &str, total: &str) -> v1::CostRow {
        v1::CostRow {
            tenant: tenant.to_owned(),
            direct: total.to_owned(),
            shared: "0.00".to_owned(),
            idle: "0.00".to_owned(),
            adjustment: "0.00".to_owned(),
            overhead: "0.00".to_owned(),
            total: total.to_owned(),
            forecast: total.to_owned(),
            previous_total: Some("1.00".to_owned()),
            parts: vec![v1::CostPart {
                label: "router".to_owned(),
                quantity: None,
                cost: total.to_owned(),
            }],
            ..Default::default()
        }
    }

    fn report() -> v1::CostReport {
        let mut acme = row("tenants/acme", "3.50");
        acme.value = Some(v1::TenantValue {
            answered: 4,
            accepted: 3,
            take_rate: Some(0.75),
            value: "12.00".to_owned(),
            net: "8.50".to_owned(),
            ..Default::default()
        });
        acme.budget = Some(v1::BudgetStatus {
            monthly: "4".to_owned(),
            spent_percent: "87.5".to_owned(),
            level: 80,
            forecast_exceeds: true,
        });
        let mut gone = row("tenants/gone", "1.00");
        gone.erased = true;
        v1::CostReport {
            month: "2026-11".to_owned(),
            until: "2026-11-21".to_owned(),
            currency: "EUR".to_owned(),
            rows: vec![acme, gone],
            unallocated: Some(row("", "0.25")),
            total: "4.75".to_owned(),
            price_book_total: "4.75".to_owned(),
            forecast: "6.79".to_owned(),
            example_prices: true,
            unpriced: vec![v1::UnpricedUsage {
                day: "2026-11-20".to_owned(),
                meter: "bytes_out".to_owned(),
                quantity: 7,
                unit: "bytes".to_owned(),
                reason: "NO_PRICE".to_owned(),
            }],
            ..Default::default()
        }
    }

    fn printed(format: Format, by: Option<ByArg>) -> String {
        let captured = Captured::default();
        let mut out = captured.output(format);
        print(report(), by, &mut out).unwrap();
        captured.text()
    }

    #[test]
    fn a_table_ends_with_what_is_unallocated_and_the_total() {
        let text = printed(Format::Table, None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("acme") && lines[1].contains("+2.50"),
            "{text}"
        );
        assert!(
            lines[1].contains("87.5 % of 4") && lines[1].contains("8.50"),
            "{text}"
        );
        assert!(lines[2].starts_with("gone (erased)"), "{text}");
        assert!(lines[3].starts_with("unallocated"), "{text}");
        assert!(
            lines[4].starts_with("total") && lines[4].contains("4.75"),
            "{text}"
        );
        assert!(text.contains("Prices are examples"), "{text}");
        assert!(
            text.contains("WARNING: 7 bytes of bytes_out are in no total"),
            "{text}"
        );
        assert!(text.contains("which is the sum of the rows"), "{text}");
    }

    #[test]
    fn csv_has_rows_or_parts_and_json_everything() {
        let csv = printed(Format::Csv, None);
        assert_eq!(csv.lines().count(), 4, "{csv}");
        assert!(
            csv.starts_with("tenant,direct,shared,idle,adjustment"),
            "{csv}"
        );
        let parts = printed(Format::Csv, Some(ByArg::Service));
        assert!(parts.contains("acme,router,,3.50"), "{parts}");
        let json = printed(Format::Json, None);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["total"], "4.75");
        assert_eq!(value["rows"][0]["value"]["net"], "8.50");
        assert_eq!(value["rows"][1]["erased"], true);
        assert_eq!(value["unpriced"][0]["meter"], "bytes_out");
    }
}
