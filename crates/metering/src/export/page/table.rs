//! The tables: tenants, the worst ten, days.

use domain::cost::{BudgetStatus, CostReport, CostRow, Currency, ValueVerdict};
use rust_decimal::Decimal;

use super::{DayTotal, Joined, numbers, totals};
use crate::MeteringError;

/// How many are the worst.
const WORST: usize = 10;

/// A head of the table of tenants.
pub(super) struct Head {
    pub(super) label: &'static str,
    pub(super) number: bool,
    /// What the table is sorted by as it comes.
    pub(super) sorted: bool,
}

/// The table of tenants. The last rows stay where they are, however it is sorted.
pub(super) struct TenantTable {
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) unallocated: Vec<Cell>,
    pub(super) total: Vec<Cell>,
}

/// A cell.
pub(super) struct Cell {
    pub(super) text: String,
    /// What it is sorted by; empty: it comes last.
    pub(super) key: String,
    pub(super) number: bool,
    /// `bad`, `good`, `warn` or nothing.
    pub(super) mood: &'static str,
}

/// A row of the worst ten.
pub(super) struct WorstRow {
    pub(super) name: String,
    pub(super) cost: String,
    pub(super) value: String,
    pub(super) net: Cell,
}

/// A row of the table by day.
pub(super) struct DayRow {
    pub(super) day: String,
    pub(super) cost: String,
    pub(super) value: String,
}

const HEADS: [(&str, bool); 12] = [
    ("Tenant", false),
    ("Direct", true),
    ("Shared", true),
    ("Idle", true),
    ("Late", true),
    ("Total", true),
    ("Change", true),
    ("Value", true),
    ("Taken", true),
    ("Net", true),
    ("Budget", true),
    ("Own model", false),
];

pub(super) fn table(
    report: &CostReport,
    rows: &[Joined<'_>],
) -> Result<TenantTable, MeteringError> {
    let heads = HEADS.map(|(label, number)| Head {
        label,
        number,
        sorted: label == "Total",
    });
    let tenants = rows.iter().map(|joined| tenant_row(report, joined));
    let unallocated = unallocated_row(report);
    Ok(TenantTable {
        heads: heads.into(),
        rows: tenants.collect(),
        unallocated,
        total: total_row(report, rows)?,
    })
}

fn tenant_row(report: &CostReport, joined: &Joined<'_>) -> Vec<Cell> {
    let (row, currency) = (joined.row, report.currency);
    let mut cells = vec![text(joined.name)];
    cells.extend(costs(row, row.direct, currency));
    let value = joined.value;
    cells.push(maybe(value.map(|row| row.value.value), currency));
    let taken = value.and_then(|row| numbers::percent(row.value.accepted, row.answered));
    cells.push(taken.map_or_else(Cell::none, |percent| {
        Cell::number(format!("{percent} %"), percent)
    }));
    cells.push(net(joined.net(), currency));
    cells.push(budget(row.budget.as_ref()));
    cells.push(verdict(value.and_then(|row| row.verdict)));
    cells
}

fn unallocated_row(report: &CostReport) -> Vec<Cell> {
    let row = &report.unallocated;
    let mut cells = vec![text("Unallocated")];
    cells.extend(costs(row, usage(row), report.currency));
    cells.extend((0..4).map(|_| Cell::none()));
    cells.push(verdict(None));
    cells
}

/// A tenant's own usage; in the unallocated row, the platform's.
fn usage(row: &CostRow) -> Decimal {
    row.direct.checked_add(row.overhead).unwrap_or(row.direct)
}

/// The six columns of costs.
fn costs(row: &CostRow, direct: Decimal, currency: Currency) -> Vec<Cell> {
    let mut cells: Vec<Cell> = [direct, row.shared, row.idle, row.adjustment, row.total]
        .into_iter()
        .map(|amount| money(amount, currency))
        .collect();
    let change = row
        .previous_total
        .and_then(|before| row.total.checked_sub(before));
    cells.push(change_cell(change, currency));
    cells
}

fn total_row(report: &CostReport, rows: &[Joined<'_>]) -> Result<Vec<Cell>, MeteringError> {
    let currency = report.currency;
    let all = || {
        rows.iter()
            .map(|joined| joined.row)
            .chain([&report.unallocated])
    };
    let column = |of: fn(&CostRow) -> Decimal| -> Result<Cell, MeteringError> {
        let sum = numbers::sum(all().map(of), "the sum of a column")?;
        Ok(money(sum, currency))
    };
    let value = totals::value(rows)?;
    let change = report.previous.as_ref().map(|previous| previous.change);
    Ok(vec![
        text("Total"),
        column(usage)?,
        column(|row| row.shared)?,
        column(|row| row.idle)?,
        column(|row| row.adjustment)?,
        money(report.total, currency),
        change_cell(change, currency),
        maybe(value, currency),
        taken_by_all(rows),
        net(
            value.and_then(|value| value.checked_sub(report.total)),
            currency,
        ),
        budget(report.budget.as_ref()),
        verdict(None),
    ])
}

fn taken_by_all(rows: &[Joined<'_>]) -> Cell {
    let values = || rows.iter().filter_map(|joined| joined.value);
    let accepted = values().fold(0_u64, |sum, row| sum.saturating_add(row.value.accepted));
    let answered = values().fold(0_u64, |sum, row| sum.saturating_add(row.answered));
    numbers::percent(accepted, answered).map_or_else(Cell::none, |percent| {
        Cell::number(format!("{percent} %"), percent)
    })
}

/// The tenants with the lowest net, the lowest first.
pub(super) fn worst(report: &CostReport, rows: &[Joined<'_>]) -> Vec<WorstRow> {
    let currency = report.currency;
    let mut known: Vec<_> = rows
        .iter()
        .filter_map(|joined| Some((joined.net()?, joined)))
        .collect();
    known.sort_by(|(a, left), (b, right)| (a, left.name).cmp(&(b, right.name)));
    let row = |(amount, joined): (Decimal, &Joined<'_>)| WorstRow {
        name: joined.name.to_owned(),
        cost: numbers::amount(joined.row.total, currency),
        value: joined.value.map_or(String::new(), |row| {
            numbers::amount(row.value.value, currency)
        }),
        net: net(Some(amount), currency),
    };
    known.into_iter().take(WORST).map(row).collect()
}

pub(super) fn days(days: &[DayTotal], currency: Currency) -> Vec<DayRow> {
    let row = |total: &DayTotal| DayRow {
        day: numbers::long_day(total.day),
        cost: numbers::amount(total.cost, currency),
        value: numbers::amount(total.value, currency),
    };
    days.iter().map(row).collect()
}

impl Cell {
    fn none() -> Self {
        Self {
            text: numbers::NONE.to_owned(),
            key: String::new(),
            number: true,
            mood: "",
        }
    }

    fn number(text: String, key: Decimal) -> Self {
        Self {
            text,
            key: key.to_string(),
            number: true,
            mood: "",
        }
    }
}

fn text(text: &str) -> Cell {
    Cell {
        text: text.to_owned(),
        key: text.to_owned(),
        number: false,
        mood: "",
    }
}

fn money(amount: Decimal, currency: Currency) -> Cell {
    Cell::number(numbers::amount(amount, currency), amount)
}

fn maybe(amount: Option<Decimal>, currency: Currency) -> Cell {
    amount.map_or_else(Cell::none, |amount| money(amount, currency))
}

fn net(amount: Option<Decimal>, currency: Currency) -> Cell {
    let below = amount.is_some_and(|amount| amount.is_sign_negative() && !amount.is_zero());
    Cell {
        mood: if below { "bad" } else { "" },
        ..maybe(amount, currency)
    }
}

fn change_cell(amount: Option<Decimal>, currency: Currency) -> Cell {
    amount.map_or_else(Cell::none, |amount| {
        Cell::number(numbers::change(amount, currency), amount)
    })
}

fn budget(status: Option<&BudgetStatus>) -> Cell {
    let Some(status) = status else {
        return Cell::none();
    };
    let spent = numbers::grouped(numbers::fixed(status.spent_percent, 1));
    let all = status.level.is_some_and(|level| level.percent() >= 100);
    let (note, mood) = match (all, status.forecast_exceeds) {
        (true, _) => (" spent", "bad"),
        (false, true) => (", will exceed", "warn"),
        (false, false) => ("", ""),
    };
    Cell {
        mood,
        ..Cell::number(format!("{spent} %{note}"), status.spent_percent)
    }
}

fn verdict(verdict: Option<ValueVerdict>) -> Cell {
    let (said, key, mood) = match verdict {
        None => (numbers::NONE, "", ""),
        Some(ValueVerdict::CostEffective) => ("worth it", "3", "good"),
        Some(ValueVerdict::NotEnoughFeedback) => ("not enough feedback", "2", ""),
        Some(ValueVerdict::NotCostEffective) => ("not worth it", "1", "bad"),
    };
    Cell {
        key: key.to_owned(),
        mood,
        ..text(said)
    }
}
