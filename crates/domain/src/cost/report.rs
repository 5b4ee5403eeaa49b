//! The cost report: a month by tenant.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::forecast::forecast;
use super::group::{round_totals, sum_up};
use super::line::lines_of;
use super::reconcile::price_book_total;
use super::trend::compared;
use super::unit_costs::unit_costs;
use super::{CostError, CostInput, CostKind, Currency, Month, Priced, Unpriced};
use crate::TenantId;

/// What the parts of a row are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// No parts.
    #[default]
    None,
    /// A part a service.
    Service,
    /// A part a meter, with its quantity.
    Meter,
    /// A part a model.
    Model,
    /// A part a day.
    Day,
}

impl By {
    /// All dimensions.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Service,
        Self::Meter,
        Self::Model,
        Self::Day,
    ];

    /// The stable text, as asked for.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Service => "service",
            Self::Meter => "meter",
            Self::Model => "model",
            Self::Day => "day",
        }
    }

    /// The dimension that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// The costs of a month, up to a day.
///
/// Rounded once: the rows and the unallocated row sum to the total, the columns of a row sum to its
/// total, and so do its parts, each to the minor unit of the currency. Sums of one column over all
/// rows may be some minor units off the exact sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostReport {
    /// The month.
    pub month: Month,
    /// The last day covered.
    pub until: NaiveDate,
    /// The currency of all amounts.
    pub currency: Currency,
    /// One row a tenant, the most expensive first.
    pub rows: Vec<CostRow>,
    /// What no tenant bears.
    pub unallocated: CostRow,
    /// The sum of all rows, in whole minor units.
    pub total: Decimal,
    /// The same, worked out without tenants: all usage times its prices, and all amounts. It always
    /// equals `total`.
    pub price_book_total: Decimal,
    /// Usage without a price, which is in no total.
    pub unpriced: Vec<Unpriced>,
    /// Some of the prices are orders of magnitude, not a bill's.
    pub example_prices: bool,
    /// The expected total of the whole month.
    pub forecast: Decimal,
    /// How the month does against the one before; none where that cannot be compared.
    pub previous: Option<Trend>,
    /// Costs of a unit, over all tenants.
    pub units: UnitCosts,
    /// How the whole bill does against the budget for it.
    pub budget: Option<BudgetStatus>,
}

/// What one tenant costs, or what no tenant bears. Amounts in whole minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CostRow {
    /// The tenant; none: unallocated.
    pub tenant: Option<TenantId>,
    /// Its usage.
    pub direct: Decimal,
    /// Its part of shared costs.
    pub shared: Decimal,
    /// Its part of idle machines.
    pub idle: Decimal,
    /// Usage that became known after its day was closed.
    pub adjustment: Decimal,
    /// The platform's own usage; only in the unallocated row.
    pub overhead: Decimal,
    /// The sum of the five.
    pub total: Decimal,
    /// The total by the dimension asked for: the most expensive first, days in their order.
    pub parts: Vec<Part>,
    /// The expected total of the whole month.
    pub forecast: Decimal,
    /// Its total of as many days of the previous month; none where that cannot be compared.
    pub previous_total: Option<Decimal>,
    /// Costs of a unit.
    pub units: UnitCosts,
    /// How it does against its budget, if it has one.
    pub budget: Option<BudgetStatus>,
}

/// A part of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The service, meter, model or day; `shared` and `idle` for what has none of them, and an
    /// empty text for usage without a model.
    pub label: String,
    /// How much of the meter was consumed, in its base unit, where the parts are meters.
    pub quantity: Option<u64>,
    /// The cost, in whole minor units.
    pub cost: Decimal,
}

/// How a month does against the one before it, over the same number of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trend {
    /// The month before.
    pub month: Month,
    /// The last day of it that is compared: the same day of the month, or its last one.
    pub until: NaiveDate,
    /// Its total up to that day.
    pub total: Decimal,
    /// This month's total minus that one.
    pub change: Decimal,
    /// The change in percent, to one decimal; none when there was no cost before.
    pub change_percent: Option<Decimal>,
}

/// Direct costs of a unit, to ten decimals; none without volume. Late usage is not in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitCosts {
    /// The router's direct cost of answering recommendations, for each request of them.
    pub per_recommend: Option<Decimal>,
    /// The ingest service's direct cost, for each 1,000 items accepted.
    pub per_1000_items: Option<Decimal>,
    /// The trainer's direct cost, for each training.
    pub per_retrain: Option<Decimal>,
}

/// How much of a budget is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStatus {
    /// The amount for the month.
    pub monthly: Decimal,
    /// How much of it is spent, in percent to one decimal.
    pub spent_percent: Decimal,
    /// The highest level that is reached.
    pub level: Option<BudgetLevel>,
    /// The expected total of the month is above the budget.
    pub forecast_exceeds: bool,
}

/// A level of a budget that deserves a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetLevel {
    /// Half of it is spent.
    Half,
    /// Four fifths of it are spent.
    FourFifths,
    /// All of it is spent, or more.
    All,
}

impl BudgetLevel {
    /// All levels, the highest first.
    pub const ALL: [Self; 3] = [Self::All, Self::FourFifths, Self::Half];

    /// The level in percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        match self {
            Self::Half => 50,
            Self::FourFifths => 80,
            Self::All => 100,
        }
    }
}

/// The report of a month up to a day, with each row cut by a dimension.
///
/// `previous` is the input of the month before; it is compared over the same number of days. Where
/// it has another currency, its currency changes, or the platform was first started later than on its
/// first day, there is no comparison. `budgets` are amounts
/// a month by tenant; that of nobody is for the whole bill.
///
/// # Errors
/// [`CostError`] when an input cannot be used, or an amount is too large.
pub fn cost_report(
    input: &CostInput<'_>,
    by: By,
    previous: Option<&CostInput<'_>>,
    budgets: &BTreeMap<Option<TenantId>, Decimal>,
) -> Result<CostReport, CostError> {
    cost_report_and_lines(input, by, previous, budgets).map(|(report, _)| report)
}

/// [`cost_report`] with the lines that it sums.
///
/// # Errors
/// As of [`cost_report`].
pub fn cost_report_and_lines(
    input: &CostInput<'_>,
    by: By,
    previous: Option<&CostInput<'_>>,
    budgets: &BTreeMap<Option<TenantId>, Decimal>,
) -> Result<(CostReport, Priced), CostError> {
    let usage = input.usage();
    let priced = lines_of(input, &usage)?;
    let currency = priced.currency;
    let sums = sum_up(&priced.lines, input.sharers(&usage), by)?;
    let (total, totals) = round_totals(&sums, currency)?;
    let (forecast, forecasts) = forecast(input, &sums, currency)?;
    let (units_of, units) = unit_costs(&usage, &priced.lines)?;
    let before = previous.map(|previous| compared(input, previous, currency));
    let before = before.transpose()?.flatten();
    let mut rows = Vec::with_capacity(sums.len());
    for ((tenant, own), (total, forecast)) in
        sums.into_iter().zip(totals.into_iter().zip(forecasts))
    {
        let columns = own.columns(total, currency)?;
        let mut row = CostRow::of(tenant, &columns, total, own.parts(total, by, currency)?);
        row.forecast = forecast;
        row.previous_total = before
            .as_ref()
            .map(|before| before.of(&row.tenant, currency));
        if let Some(tenant) = &row.tenant {
            row.units = units_of.get(tenant).cloned().unwrap_or_default();
            let budget = budgets.get(&row.tenant);
            row.budget = budget.map(|budget| BudgetStatus::of(*budget, total, forecast));
        }
        rows.push(row);
    }
    // Nobody comes first, and is always there.
    let unallocated = rows.remove(0);
    rows.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.tenant.cmp(&b.tenant)));
    let report = CostReport {
        month: input.month,
        until: input.until,
        currency,
        rows,
        unallocated,
        total,
        price_book_total: currency.round(price_book_total(input, &usage, currency)?),
        unpriced: priced.unpriced.clone(),
        example_prices: priced.example_prices,
        forecast,
        previous: before.map(|before| Trend::of(&before, total)),
        units,
        budget: budgets
            .get(&None)
            .map(|budget| BudgetStatus::of(*budget, total, forecast)),
    };
    Ok((report, priced))
}

impl CostRow {
    /// A row without what its neighbours say. `columns` are in the order of [`CostKind::ALL`].
    fn of(tenant: Option<TenantId>, columns: &[Decimal], total: Decimal, parts: Vec<Part>) -> Self {
        let column = |kind| {
            let mut all = CostKind::ALL.iter().zip(columns);
            all.find(|(one, _)| **one == kind)
                .map_or(Decimal::ZERO, |(_, column)| *column)
        };
        Self {
            tenant,
            direct: column(CostKind::Direct),
            shared: column(CostKind::Shared),
            idle: column(CostKind::Idle),
            adjustment: column(CostKind::Adjustment),
            overhead: column(CostKind::Overhead),
            total,
            parts,
            forecast: Decimal::ZERO,
            previous_total: None,
            units: UnitCosts::default(),
            budget: None,
        }
    }
}
