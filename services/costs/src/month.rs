//! All that a month's costs are worked out from, as the store has it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::cost::{CostInput, Month, PriceBook, UsageLine};
use domain::{Tenant, TenantId, TenantState};
use rust_decimal::Decimal;
use server::ServiceError;

use crate::Costs;
use crate::prices::InForce;

/// Tenants that are read at once.
const PAGE: u32 = 500;

/// A month's usage, prices, tenants and budgets.
#[derive(Debug, Clone)]
pub(crate) struct MonthData {
    pub month: Month,
    /// The last day covered.
    pub until: NaiveDate,
    lines: Vec<UsageLine>,
    /// Of the month before.
    lines_before: Vec<UsageLine>,
    pub prices: InForce,
    /// Those that are not erased, by id.
    pub tenants: HashMap<TenantId, Tenant>,
    /// Those that were there in the month, and in the one before.
    sharers: Vec<TenantId>,
    sharers_before: Vec<TenantId>,
    pub budgets: BTreeMap<Option<TenantId>, Decimal>,
}

impl MonthData {
    /// What costs are worked out from.
    pub(crate) fn input(&self) -> CostInput<'_> {
        CostInput {
            month: self.month,
            until: self.until,
            lines: &self.lines,
            book: self.book(),
            tenants: &self.sharers,
        }
    }

    /// The same for the month before.
    pub(crate) fn input_before(&self) -> CostInput<'_> {
        let month = self.month.previous();
        CostInput {
            month,
            until: month.last(),
            lines: &self.lines_before,
            book: self.book(),
            tenants: &self.sharers_before,
        }
    }

    /// The usage of the month.
    pub(crate) fn lines(&self) -> &[UsageLine] {
        &self.lines
    }

    /// The usage lines of one tenant.
    pub(crate) fn lines_of<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> impl Iterator<Item = &'a UsageLine> {
        let own = |line: &&UsageLine| line.tenant.as_ref() == Some(tenant);
        self.lines.iter().filter(own)
    }

    fn book(&self) -> &PriceBook {
        &self.prices.book
    }

    /// From the beginning of the month to its end.
    pub(crate) fn span(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let last = self.month.last();
        (
            midnight(self.month.first()),
            midnight(last.succ_opt().unwrap_or(last)),
        )
    }
}

/// The beginning of a day.
pub(crate) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

impl Costs {
    /// The month that a request names; the current one when it names none.
    pub(crate) fn month(&self, text: &str) -> Result<Month, ServiceError> {
        if text.is_empty() {
            return Ok(Month::of(self.clock.now().date_naive()));
        }
        Ok(text.parse::<Month>()?)
    }

    /// Reads all that a report of the month needs.
    pub(crate) async fn month_data(&self, month: Month) -> Result<MonthData, ServiceError> {
        let until = month.covered_until(self.clock.now().date_naive())?;
        let platform = self.store.platform();
        let before = month.previous();
        let usage = platform.usage();
        let lines = usage.lines(None, month.first(), until).await?;
        let lines_before = usage.lines(None, before.first(), before.last()).await?;
        let tenants = self.all_tenants().await?;
        Ok(MonthData {
            month,
            until,
            lines,
            lines_before,
            prices: self.prices_in_force().await?,
            sharers: there_on(until, &tenants),
            sharers_before: there_on(before.last(), &tenants),
            tenants: tenants
                .into_iter()
                .map(|tenant| (tenant.id.clone(), tenant))
                .collect(),
            budgets: platform.prices().budgets().await?,
        })
    }

    async fn all_tenants(&self) -> Result<Vec<Tenant>, ServiceError> {
        let platform = self.store.platform();
        let mut all: Vec<Tenant> = Vec::new();
        loop {
            let after = all.last().map(|tenant| tenant.id.clone());
            let page = platform.list_tenants(after, PAGE, None).await?;
            let more = page.len() >= PAGE as usize;
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }
}

/// The tenants that were there on a day, used or not. One that is being erased shares nothing any
/// more but what it used.
fn there_on(day: NaiveDate, tenants: &[Tenant]) -> Vec<TenantId> {
    let there = tenants.iter().filter(|tenant| {
        tenant.created_at.date_naive() <= day && tenant.state != TenantState::Erasing
    });
    there.map(|tenant| tenant.id.clone()).collect()
}
