//! The cost report of the month, which began with the demo.

use std::time::Duration;

use anyhow::{Result, ensure};
use api::v1;
use v1::model_value::Verdict;

use crate::scenario::Onboard;
use crate::terminal::{Screen, Table, count, time};
use testkit::clients::Operator;

/// What one accepted answer is taken to be worth, so that there is something to weigh.
const WORTH: &str = "0.50";
/// The server takes what it metered to the store every second: so long two reports may differ.
const SETTLING: Duration = Duration::from_millis(2_500);
/// Reports that are asked for until two are the same.
const MOST_REPORTS: usize = 12;

/// Says what an accepted answer is worth, and shows the report.
///
/// # Errors
/// The server's, and a report that does not add up.
pub async fn show(screen: Screen, operator: &Operator, boarded: &[Onboard]) -> Result<()> {
    for one in boarded {
        operator.value_answers(&one.tenant, WORTH).await?;
    }
    let report = settled(operator).await?;
    ensure!(
        report.total == report.price_book_total,
        "the rows sum to {}, the price book to {}",
        report.total,
        report.price_book_total
    );
    print!("{}", table(&report).render(screen));
    let currency = &report.currency;
    println!(
        "  Amounts in {currency}; an accepted answer is taken to be worth {WORTH}. Rows sum to the total of \
         the\n  price book: {}.",
        report.price_book_total
    );
    if report.example_prices {
        println!(
            "  {}",
            screen.dim("Prices are examples of the order of public lists. Two cores are taken as paid for since the month began; what nobody")
        );
        println!(
            "  {}",
            screen.dim(
                "used of them is `idle`: borne by direct cost, and unallocated on days without any."
            )
        );
    }
    if let Some(units) = &report.unit_costs {
        let each = [
            ("a recommendation", &units.per_recommend),
            ("1,000 items", &units.per_1000_items),
            ("a retrain", &units.per_retrain),
        ];
        let each: Vec<_> = each
            .into_iter()
            .filter(|(_, cost)| !cost.is_empty())
            .map(|(what, cost)| format!("{what} {cost}"))
            .collect();
        println!("  A unit costs, directly: {}.", each.join(", "));
    }
    Ok(())
}

/// The report once all work that was answered is in it.
async fn settled(operator: &Operator) -> Result<v1::CostReport> {
    let mut report = operator.cost_report().await?;
    for _ in 0..MOST_REPORTS {
        tokio::time::sleep(SETTLING).await;
        let next = operator.cost_report().await?;
        let same = work(&next) == work(&report);
        report = next;
        if same {
            break;
        }
    }
    Ok(report)
}

/// What was done for each tenant, without what goes on by itself.
fn work(report: &v1::CostReport) -> Vec<(String, [u64; 3])> {
    let rows = report.rows.iter();
    rows.map(|row| {
        let done = ["requests", "embedding_tokens", "training_cpu"].map(|meter| of(row, meter));
        (row.tenant.clone(), done)
    })
    .collect()
}

/// How much of a meter a row has.
fn of(row: &v1::CostRow, meter: &str) -> u64 {
    let part = row.parts.iter().find(|part| part.label == meter);
    part.and_then(|part| part.quantity).unwrap_or_default()
}

/// All processor time of a row.
fn processor(row: &v1::CostRow) -> Duration {
    let own = row.parts.iter().filter(|part| part.label.ends_with("_cpu"));
    Duration::from_micros(own.filter_map(|part| part.quantity).sum())
}

fn table(report: &v1::CostReport) -> Table {
    let header = [
        "tenant",
        "own model",
        "CPU",
        "tokens",
        "direct",
        "idle",
        "total",
        "answered",
        "taken",
        "value",
        "net",
    ];
    let mut table = Table::new(2, header);
    for row in &report.rows {
        let value = row.value.clone().unwrap_or_default();
        table.row([
            row.tenant.trim_start_matches("tenants/").to_owned(),
            verdict(&value).to_owned(),
            time(processor(row)),
            quantity(of(row, "embedding_tokens")),
            row.direct.clone(),
            row.idle.clone(),
            row.total.clone(),
            quantity(value.answered),
            quantity(value.accepted),
            value.value,
            value.net,
        ]);
    }
    if let Some(rest) = &report.unallocated {
        table.row([
            "unallocated",
            "",
            &time(processor(rest)),
            "",
            &rest.direct,
            &rest.idle,
            &rest.total,
        ]);
    }
    table.rule();
    table.row(["total", "", "", "", "", "", &report.total]);
    table
}

fn quantity(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Whether the tenant's own model pays for itself.
fn verdict(value: &v1::TenantValue) -> &'static str {
    match value.own_model.as_ref().map(v1::ModelValue::verdict) {
        None => "none",
        Some(Verdict::CostEffective) => "worth it",
        Some(Verdict::NotCostEffective) => "not worth it",
        Some(Verdict::NotEnoughFeedback | Verdict::Unspecified) => "not known yet",
    }
}
