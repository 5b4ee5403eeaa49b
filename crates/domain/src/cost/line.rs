//! Cost lines: usage times prices, and the shares of what is paid for whoever uses it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::allocate::{Day, DayShare};
use super::pricing::{PricedUsage, price_usage, total};
use super::{
    CostError, Currency, Meter, Month, PriceBook, PriceReason, PriceVersion, Service, UsageLine,
    merge,
};
use crate::{TenantId, Tier};

/// What costs are worked out from.
#[derive(Debug, Clone, Copy)]
pub struct CostInput<'a> {
    /// The month.
    pub month: Month,
    /// The last day covered, a day of the month. All of it counts: machines and shared costs of
    /// the whole day, even while it runs.
    pub until: NaiveDate,
    /// The usage. Lines booked on other days are passed over.
    pub lines: &'a [UsageLine],
    /// The prices.
    pub book: &'a PriceBook,
    /// The tenants that were there in the month: they bear their part of even costs, used or not.
    /// Tenants with usage in the month are added to them.
    pub tenants: &'a [TenantId],
    /// From which day to which a tenant was there, for those that were not all the time: they bear
    /// nothing of other days, and what comes or goes later changes nothing of days before.
    pub there: Option<&'a Presence>,
    /// When the platform was started for the first time: before it nothing is paid for machines and
    /// shared costs, and on its day they are paid for from then on. None: it was always there.
    pub since: Option<DateTime<Utc>>,
}

/// The first and the last day of tenants.
pub type Presence = BTreeMap<TenantId, (NaiveDate, NaiveDate)>;

/// Why a cost line is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CostKind {
    /// A tenant's usage.
    Direct,
    /// The platform's own usage.
    Overhead,
    /// A part of a shared cost.
    Shared,
    /// A part of what idle machines cost.
    Idle,
    /// Usage that became known after its day was closed.
    Adjustment,
}

impl CostKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Direct,
        Self::Overhead,
        Self::Shared,
        Self::Idle,
        Self::Adjustment,
    ];

    /// The stable text of the kind, as shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Overhead => "overhead",
            Self::Shared => "shared",
            Self::Idle => "idle",
            Self::Adjustment => "adjustment",
        }
    }

    /// The kind that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// One part of the cost of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostLine {
    /// The day it is booked on.
    pub day: NaiveDate,
    /// Who bears it; none: it is unallocated.
    pub tenant: Option<TenantId>,
    /// Which service did the work; none for shared costs and idle machines.
    pub service: Option<Service>,
    /// What was consumed; none for shared costs and idle machines.
    pub meter: Option<Meter>,
    /// The RPC it was consumed for; may be empty.
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    pub tier: Option<Tier>,
    /// The name of the model that did the work; may be empty.
    pub model: String,
    /// Why it is there.
    pub kind: CostKind,
    /// The name of the shared cost; empty for the others.
    pub name: String,
    /// How much was consumed, in the meter's base unit; 0 for shared costs and idle machines.
    pub quantity: u64,
    /// The price of one billed unit of the meter; 0 for shared costs and idle machines.
    pub unit_price: Decimal,
    /// The cost, in whole units of 10^-10. Lines of one day and meter sum to the price of their
    /// summed quantity; to make them so, a line may be one such unit off its own product.
    pub cost: Decimal,
}

/// Usage that has no price: it is in no total.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unpriced {
    /// The day it was consumed on.
    pub day: NaiveDate,
    /// What was consumed.
    pub meter: Meter,
    /// Why it has no price.
    pub reason: UnpricedReason,
    /// How much, of all tenants together, in the meter's base unit.
    pub quantity: u64,
}

/// Why usage has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnpricedReason {
    /// No version of the price book is valid on the day.
    NoVersion,
    /// The version of the day has no price for the meter.
    NoPrice,
}

/// The costs of a month, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The currency of all amounts.
    pub currency: Currency,
    /// The lines, by day.
    pub lines: Vec<CostLine>,
    /// What has no price, by day and meter.
    pub unpriced: Vec<Unpriced>,
    /// Some of the prices are orders of magnitude, not a bill's.
    pub example_prices: bool,
}

impl CostInput<'_> {
    /// Checks that a report can be made, and says in which currency.
    ///
    /// # Errors
    /// [`CostError`] when the last day is not in the month, the price book is empty or does not
    /// pass its check, or the currency changes in the month.
    pub fn currency(&self) -> Result<Currency, CostError> {
        let (month, until) = (self.month, self.until);
        if !month.contains(until) {
            return Err(CostError::UntilOutsideMonth { month, until });
        }
        // A change of currency in another month is no matter of this one.
        let mut problems = self.book.validate();
        problems.retain(|problem| problem.reason != PriceReason::CurrencyChangesInMonth);
        if !problems.is_empty() {
            return Err(CostError::BadPriceBook(problems));
        }
        let mut seen: Option<Currency> = None;
        for day in days(month.first(), month.last()) {
            let Some(version) = self.book.at(day) else {
                continue;
            };
            match seen.replace(version.currency) {
                Some(from) if from != version.currency => {
                    let to = version.currency;
                    let on = day;
                    return Err(CostError::CurrencyChange {
                        month,
                        from,
                        to,
                        on,
                    });
                }
                _ => {}
            }
        }
        // A month without prices is in the currency of those before it, else of the first.
        let mut versions: Vec<_> = self.book.versions.iter().collect();
        versions.sort_by_key(|version| version.valid_from);
        let before = versions.iter().rfind(|version| version.valid_from <= until);
        let nearest = before.or(versions.first()).map(|version| version.currency);
        seen.or(nearest).ok_or(CostError::EmptyPriceBook)
    }

    /// The usage that counts, merged.
    pub(super) fn usage(&self) -> Vec<UsageLine> {
        let covered = self.month.first()..=self.until;
        let lines = self.lines.iter().filter(|line| covered.contains(&line.day));
        merge(lines.cloned())
    }

    /// The tenants that bear even costs. Who has nothing but late usage may be gone, and is not
    /// one of them.
    pub(super) fn sharers<'b>(&'b self, usage: &'b [UsageLine]) -> BTreeSet<&'b TenantId> {
        let in_time = usage.iter().filter(|line| !line.adjustment);
        let users = in_time.filter_map(|line| line.tenant.as_ref());
        self.tenants.iter().chain(users).collect()
    }

    /// How much of a day the platform was there.
    pub(super) fn share_of(&self, day: NaiveDate) -> DayShare {
        DayShare::of(day, self.since)
    }

    /// Those of `sharers` that were there on a day.
    fn there_on<'b>(
        &self,
        day: NaiveDate,
        sharers: &BTreeSet<&'b TenantId>,
    ) -> BTreeSet<&'b TenantId> {
        let there = |tenant: &&&TenantId| {
            let span = self.there.and_then(|there| there.get(**tenant));
            span.is_none_or(|(first, last)| (*first..=*last).contains(&day))
        };
        sharers.iter().filter(there).copied().collect()
    }
}

/// All days from `first` to `last`.
pub(super) fn days(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day <= last)
}

/// The costs of a month up to a day, line by line.
///
/// - Usage costs its quantity times the price of the day it was consumed on.
/// - Shared amounts accrue evenly by day, each day by the version that is valid on it, and are
///   borne as their allocation says. On a day when nobody used anything, what is allocated by usage
///   is unallocated.
/// - What the paid-for machines cost on a day beyond the CPU time that was metered is idle.
/// - Before the first start of the platform nothing accrues and nothing is idle.
/// - The platform's own usage is overhead, and unallocated.
///
/// # Errors
/// [`CostError`] when the input cannot be used ([`CostInput::currency`]), or an amount is too large.
pub fn cost_lines(input: &CostInput<'_>) -> Result<Priced, CostError> {
    lines_of(input, &input.usage())
}

/// The same for usage that is merged already.
pub(super) fn lines_of(input: &CostInput<'_>, usage: &[UsageLine]) -> Result<Priced, CostError> {
    let currency = input.currency()?;
    let sharers = input.sharers(usage);
    let PricedUsage {
        mut lines,
        unpriced,
    } = price_usage(input.book, usage, currency)?;
    let mut others = Vec::new();
    let mut example_prices = false;
    for day in days(input.month.first(), input.until) {
        let Some(version) = input.book.at(day) else {
            continue;
        };
        example_prices |= version.example;
        let on_day = input.there_on(day, &sharers);
        // Priced usage comes sorted by day.
        let begin = lines.partition_point(|line| line.day < day);
        let end = lines.partition_point(|line| line.day <= day);
        let (share, booked) = (input.share_of(day), &lines[begin..end]);
        others.extend(besides_usage(day, share, version, booked)?.lines(&on_day)?);
    }
    lines.extend(others);
    lines.sort_by(|a, b| {
        (a.day, a.kind, &a.tenant, &a.name, a.service, a.meter)
            .cmp(&(b.day, b.kind, &b.tenant, &b.name, b.service, b.meter))
    });
    Ok(Priced {
        currency,
        lines,
        unpriced,
        example_prices,
    })
}

fn besides_usage<'a>(
    day: NaiveDate,
    share: DayShare,
    version: &'a PriceVersion,
    lines: &'a [CostLine],
) -> Result<Day<'a>, CostError> {
    let cpu = lines
        .iter()
        .filter(|line| line.meter.is_some_and(Meter::is_cpu));
    let cpu_cost = total(cpu.map(|line| line.cost))?;
    let mut direct: BTreeMap<&TenantId, Decimal> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.kind == CostKind::Direct) {
        if let Some(tenant) = &line.tenant {
            let so_far = direct.entry(tenant).or_default();
            *so_far = total([*so_far, line.cost])?;
        }
    }
    Ok(Day {
        day,
        share,
        version,
        cpu_cost,
        direct,
    })
}
