//! The row of totals at the top.

use domain::cost::CostReport;
use rust_decimal::Decimal;

use super::{Joined, numbers};
use crate::MeteringError;

/// One total.
pub(super) struct Total {
    pub(super) label: &'static str,
    pub(super) amount: String,
    /// What it is to be held against.
    pub(super) note: String,
    /// It wants a look.
    pub(super) bad: bool,
}

/// The sum of all values; none where no tenant has one.
pub(super) fn value(rows: &[Joined<'_>]) -> Result<Option<Decimal>, MeteringError> {
    let values = rows.iter().filter_map(|row| row.value);
    let values: Vec<Decimal> = values.map(|row| row.value.value).collect();
    if values.is_empty() {
        return Ok(None);
    }
    numbers::sum(values, "the sum of values").map(Some)
}

pub(super) fn totals(
    report: &CostReport,
    rows: &[Joined<'_>],
) -> Result<Vec<Total>, MeteringError> {
    let money = |amount: Decimal| numbers::amount(amount, report.currency);
    let value = value(rows)?;
    let net = value.and_then(|value| value.checked_sub(report.total));
    let or_none = |amount: Option<Decimal>| amount.map_or(numbers::NONE.to_owned(), money);
    let with_value = rows.iter().filter(|row| row.value.is_some()).count();
    let plain = |label, amount, note| Total {
        label,
        amount,
        note,
        bad: false,
    };
    Ok(vec![
        plain("Cost", money(report.total), cost_note(report)),
        plain(
            "Value",
            or_none(value),
            format!("{with_value} of {} tenants have one set", rows.len()),
        ),
        Total {
            bad: net.is_some_and(|net| net.is_sign_negative() && !net.is_zero()),
            ..plain("Net", or_none(net), "value minus all cost".to_owned())
        },
        Total {
            bad: report.budget.as_ref().is_some_and(|b| b.forecast_exceeds),
            ..plain(
                "Forecast of the month",
                money(report.forecast),
                forecast_note(report),
            )
        },
        plain(
            "Unallocated",
            money(report.unallocated.total),
            share_note(report),
        ),
    ])
}

fn cost_note(report: &CostReport) -> String {
    let Some(previous) = &report.previous else {
        return "no month before to compare with".to_owned();
    };
    let change = numbers::change(previous.change, report.currency);
    let percent = previous.change_percent.map(|percent| {
        let sign = if percent.is_sign_positive() && !percent.is_zero() {
            "+"
        } else {
            ""
        };
        format!(
            " ({sign}{} %)",
            numbers::grouped(numbers::fixed(percent, 1))
        )
    });
    format!(
        "{change}{} on the month before",
        percent.unwrap_or_default()
    )
}

fn forecast_note(report: &CostReport) -> String {
    match &report.budget {
        None => "no budget is set".to_owned(),
        Some(budget) => {
            let against = if budget.forecast_exceeds {
                "above"
            } else {
                "within"
            };
            let monthly = numbers::amount(budget.monthly, report.currency);
            format!("{against} the budget of {monthly}")
        }
    }
}

fn share_note(report: &CostReport) -> String {
    let share = report.unallocated.total.checked_div(report.total);
    let percent = share.and_then(|share| share.checked_mul(Decimal::ONE_HUNDRED));
    percent.map_or(String::new(), |percent| {
        format!("{} % of the cost", numbers::fixed(percent, 1))
    })
}
