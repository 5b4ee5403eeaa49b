//! A month against the one before it, and against a budget.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::group::{Bearer, round_totals, sum_up};
use super::{
    BudgetLevel, BudgetStatus, By, CostError, CostInput, CostReport, CostRow, Currency, Month,
    Trend, cost_lines,
};
use crate::TenantId;

/// The totals of the month before, over the same number of days.
pub(super) struct Before {
    month: Month,
    until: NaiveDate,
    total: Decimal,
    totals: BTreeMap<Bearer, Decimal>,
}

impl Before {
    /// The total of one bearer.
    pub(super) fn of(&self, bearer: &Bearer, currency: Currency) -> Decimal {
        let none = || currency.round(Decimal::ZERO);
        self.totals.get(bearer).copied().unwrap_or_else(none)
    }
}

/// The month before up to the same day as `input`, or to its own last day where it is shorter; none
/// where its amounts are in another currency, or the platform was not there from its first day on.
pub(super) fn compared(
    input: &CostInput<'_>,
    previous: &CostInput<'_>,
    currency: Currency,
) -> Result<Option<Before>, CostError> {
    let first = previous.month.first();
    if previous
        .since
        .is_some_and(|since| since.date_naive() > first)
    {
        return Ok(None);
    }
    let covered = input
        .until
        .signed_duration_since(input.month.first())
        .num_days();
    let same_day = u64::try_from(covered)
        .ok()
        .and_then(|covered| first.checked_add_days(Days::new(covered)));
    let until = same_day.map_or(previous.until, |day| day.min(previous.until));
    let previous = CostInput { until, ..*previous };
    let priced = match cost_lines(&previous) {
        Ok(priced) if priced.currency == currency => priced,
        Ok(_) | Err(CostError::CurrencyChange { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let sums = sum_up(&priced.lines, [], By::None)?;
    let (total, totals) = round_totals(&sums, currency)?;
    Ok(Some(Before {
        month: previous.month,
        until,
        total,
        totals: sums.into_keys().zip(totals).collect(),
    }))
}

impl Trend {
    /// How `total` does against the month before.
    pub(super) fn of(before: &Before, total: Decimal) -> Self {
        let Before {
            month,
            until,
            total: then,
            ..
        } = *before;
        Self::between(month, until, then, total)
    }

    fn between(month: Month, until: NaiveDate, then: Decimal, now: Decimal) -> Self {
        let change = now - then;
        Self {
            month,
            until,
            total: then,
            change,
            change_percent: percent(change, then).map(|share| share.round_dp(1).normalize()),
        }
    }
}

impl CostReport {
    /// The report of one tenant alone: its row is the total, and nothing tells of others. Usage
    /// without a price is left as it is, as it is not known whose it was.
    pub fn keep_only(&mut self, tenant: &TenantId) {
        self.rows.retain(|row| row.tenant.as_ref() == Some(tenant));
        let zero = self.currency.round(Decimal::ZERO);
        let own = self.rows.first();
        self.unallocated = CostRow {
            total: zero,
            ..CostRow::default()
        };
        self.total = own.map_or(zero, |row| row.total);
        self.price_book_total = self.total;
        self.forecast = own.map_or(zero, |row| row.forecast);
        self.units = own.map(|row| row.units.clone()).unwrap_or_default();
        self.budget = own.and_then(|row| row.budget.clone());
        let then = own.and_then(|row| row.previous_total);
        let compared = self.previous.take().zip(then);
        self.previous =
            compared.map(|(all, then)| Trend::between(all.month, all.until, then, self.total));
    }
}

impl BudgetStatus {
    /// How much of `monthly` is spent, and whether the rest will do. Of a budget of nothing,
    /// whatever is spent is all of it.
    #[must_use]
    pub fn of(monthly: Decimal, spent: Decimal, forecast: Decimal) -> Self {
        let nothing = if spent > Decimal::ZERO {
            Decimal::ONE_HUNDRED
        } else {
            Decimal::ZERO
        };
        let budget = Some(monthly).filter(|monthly| *monthly > Decimal::ZERO);
        let share = budget.and_then(|budget| spent.checked_div(budget));
        let reached = |level: &BudgetLevel| {
            let least = Decimal::new(level.percent().into(), 2);
            share.map_or(!nothing.is_zero(), |share| share >= least)
        };
        Self {
            monthly,
            // Cut off, so that 100 is not said before it is reached.
            spent_percent: percent(spent, monthly)
                .map_or(nothing, |share| share.trunc_with_scale(1).normalize()),
            level: BudgetLevel::ALL.into_iter().find(reached),
            forecast_exceeds: forecast > monthly,
        }
    }
}

/// `part` of `whole` in percent; none of nothing.
fn percent(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let whole = Some(whole).filter(|whole| *whole > Decimal::ZERO)?;
    let hundredfold = part.checked_mul(Decimal::ONE_HUNDRED)?;
    hundredfold.checked_div(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_tell_their_levels() {
        let status = |monthly: i64, spent: &str, forecast: i64| {
            let spent = spent.parse().unwrap();
            BudgetStatus::of(monthly.into(), spent, forecast.into())
        };
        let told = |monthly, spent, forecast| {
            let status = status(monthly, spent, forecast);
            let level = status.level.map_or(0, BudgetLevel::percent);
            (
                status.spent_percent.to_string(),
                level,
                status.forecast_exceeds,
            )
        };
        let text = str::to_owned;
        assert_eq!(told(200, "99.99", 200), (text("49.9"), 0, false));
        assert_eq!(told(200, "100", 201), (text("50"), 50, true));
        assert_eq!(told(200, "160", 0), (text("80"), 80, false));
        assert_eq!(told(200, "199.99", 0), (text("99.9"), 80, false));
        assert_eq!(told(200, "500", 600), (text("250"), 100, true));
        assert_eq!(told(0, "0", 0), (text("0"), 0, false));
        assert_eq!(told(0, "0.01", 0), (text("100"), 100, false));
        assert_eq!(told(-1, "1", 2), (text("100"), 100, true));
    }
}
