//! All that a month's costs are worked out from, as the store has it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::cost::{CostInput, Month, Presence, PriceBook, UsageLine};
use domain::{Tenant, TenantId, TenantState};
use rust_decimal::Decimal;
use server::ServiceError;
use storage::{ErasedTenant, Platform, Purpose};

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
    /// From when until when.
    there: Presence,
    pub budgets: BTreeMap<Option<TenantId>, Decimal>,
    /// When the platform was started for the first time.
    since: Option<DateTime<Utc>>,
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
            there: Some(&self.there),
            since: self.since,
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
            there: Some(&self.there),
            since: self.since,
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
        let platform = self.store.maintenance(Purpose::Costs);
        let before = month.previous();
        let usage = platform.usage();
        let lines = usage.lines(None, month.first(), until).await?;
        let lines_before = usage.lines(None, before.first(), before.last()).await?;
        let tenants = all_tenants(&platform).await?;
        let there = presence(&tenants, usage.erased_since(before.first()).await?);
        Ok(MonthData {
            month,
            until,
            lines,
            lines_before,
            prices: self.prices_in_force().await?,
            sharers: there_in(month.first(), until, &there),
            sharers_before: there_in(before.first(), before.last(), &there),
            there,
            tenants: tenants
                .into_iter()
                .map(|tenant| (tenant.id.clone(), tenant))
                .collect(),
            budgets: platform.prices().budgets().await?,
            since: usage.first_start().await?,
        })
    }
}

/// Every tenant of the platform.
pub(crate) async fn all_tenants(platform: &Platform) -> Result<Vec<Tenant>, ServiceError> {
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

/// From when until when tenants were there, those that are `gone` too.
fn presence(tenants: &[Tenant], gone: Vec<ErasedTenant>) -> Presence {
    let here = tenants
        .iter()
        .filter(|tenant| tenant.state != TenantState::Erasing)
        .map(|tenant| {
            let days = (tenant.created_at.date_naive(), NaiveDate::MAX);
            (tenant.id.clone(), days)
        });
    let gone = gone.into_iter();
    here.chain(gone.map(|one| (one.tenant, (one.created, one.erased))))
        .collect()
}

/// The tenants that were there on any day from `first` to `last`, used or not.
fn there_in(first: NaiveDate, last: NaiveDate, there: &Presence) -> Vec<TenantId> {
    let any = there
        .iter()
        .filter(|(_, (since, until))| *since <= last && *until >= first);
    any.map(|(tenant, _)| tenant.clone()).collect()
}
