//! Price books: what a unit of each meter costs, and what is paid for whoever uses it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Currency, Meter};

/// The highest price of a billed unit, and of a CPU-hour.
pub const MAX_PRICE: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// The highest monthly amount of a shared cost: 10^12.
pub const MAX_MONTHLY: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);

/// All prices, by the days they are valid on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceBook {
    /// The versions, in any order. No two are valid on the same day; days without a version are
    /// allowed, and usage on them is reported as unpriced.
    pub versions: Vec<PriceVersion>,
}

/// The prices of some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceVersion {
    /// The first day it is valid on.
    pub valid_from: NaiveDate,
    /// The last day it is valid on; none: until further notice.
    pub valid_until: Option<NaiveDate>,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// The price of a CPU-hour, for all meters of CPU time and for idle machines. None: usage of
    /// CPU time is unpriced.
    pub cpu_hour: Option<Decimal>,
    /// The price of one billed unit ([`Meter::billed_per`]) of the other meters. A meter that is
    /// left out is unpriced; what shall cost nothing has the price 0.
    pub prices: BTreeMap<Meter, Decimal>,
    /// Costs that no meter measures.
    pub shared: Vec<SharedCost>,
    /// The machines that are paid for, busy or not.
    pub idle: Option<IdleCost>,
    /// Where the prices come from.
    pub note: String,
    /// The prices are orders of magnitude from public lists: good for comparisons, not for bills.
    pub example: bool,
}

/// A cost that no meter measures: a licence, support, a database that all use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedCost {
    /// Its name, unique in the version.
    pub name: String,
    /// The amount of a whole month; it accrues evenly by day.
    pub monthly: Decimal,
    /// Who bears it.
    pub allocation: Allocation,
}

/// Who bears a cost that no meter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// Every tenant the same.
    Even,
    /// Every tenant in proportion to its direct cost of the day; nobody on a day without any.
    ByUsage,
    /// Nobody: it stays unallocated.
    None,
}

/// Machines that are paid for whether they work or not. What they cost beyond the CPU time that was
/// metered is idle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleCost {
    /// Cores paid for; each is 24 CPU-hours a day at [`PriceVersion::cpu_hour`].
    pub cores: Decimal,
    /// Who bears what is idle.
    pub allocation: Allocation,
}

impl Allocation {
    /// All ways to allocate.
    pub const ALL: [Self; 3] = [Self::Even, Self::ByUsage, Self::None];

    /// The stable text, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::ByUsage => "by_usage",
            Self::None => "none",
        }
    }

    /// The way that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl PriceVersion {
    /// Whether it is valid on `day`.
    #[must_use]
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.valid_from <= day && self.valid_until.is_none_or(|until| day <= until)
    }

    /// The price of one billed unit of `meter`, if it has one.
    #[must_use]
    pub fn price_of(&self, meter: Meter) -> Option<Decimal> {
        if meter.is_cpu() {
            self.cpu_hour
        } else {
            self.prices.get(&meter).copied()
        }
    }
}

impl PriceBook {
    /// The version that is valid on `day`.
    #[must_use]
    pub fn at(&self, day: NaiveDate) -> Option<&PriceVersion> {
        self.versions.iter().find(|version| version.covers(day))
    }
}

/// The currency of amounts that stand outside of the price book, such as budgets, changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyChange {
    /// What they were set in.
    pub from: Currency,
    /// What they are read in.
    pub to: Currency,
    /// The first day on which they are.
    pub on: NaiveDate,
}

impl PriceBook {
    /// The first change of currency from `today` on that was not in the book before it; none when amounts
    /// keep their meaning.
    #[must_use]
    pub fn currency_change(&self, before: &Self, today: NaiveDate) -> Option<CurrencyChange> {
        let versions = self.versions.iter().chain(&before.versions);
        let mut days: Vec<NaiveDate> = versions.map(|version| version.valid_from).collect();
        days.retain(|day| *day > today);
        days.push(today);
        days.sort_unstable();
        days.into_iter().find_map(|on| {
            let (from, to) = (before.currency_on(on)?, self.currency_on(on)?);
            (from != to).then_some(CurrencyChange { from, to, on })
        })
    }

    /// The currency of a day; where it has no prices that of the days before it, else of the first.
    fn currency_on(&self, day: NaiveDate) -> Option<Currency> {
        let begun = self.versions.iter().filter(|one| one.valid_from <= day);
        let newest = begun.max_by_key(|one| one.valid_from);
        let first = || self.versions.iter().min_by_key(|one| one.valid_from);
        newest.or_else(first).map(|version| version.currency)
    }

    /// The book with one version more. A version that is valid until further notice and begins
    /// before the new one ends on its eve; nothing else is changed, so [`Self::validate`] still has
    /// to be asked.
    #[must_use]
    pub fn followed_by(mut self, version: PriceVersion) -> Self {
        let eve = version.valid_from.pred_opt();
        for open in &mut self.versions {
            if open.valid_until.is_none() && open.valid_from < version.valid_from {
                open.valid_until = eve;
            }
        }
        self.versions.push(version);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_ends_the_open_one() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let book = PriceBook::example();
        let mut next = book.versions[0].clone();
        next.valid_from = day("2026-12-01");
        next.cpu_hour = Some(Decimal::ONE);
        let book = book.followed_by(next.clone());
        assert!(book.validate().is_empty());
        let hour = |text: &str| book.at(day(text)).and_then(|version| version.cpu_hour);
        assert_eq!(hour("2026-11-30"), Some(Decimal::new(4, 2)));
        assert_eq!(hour("2026-12-01"), Some(Decimal::ONE));
        assert_eq!(hour("2019-12-31"), None);
        // The same again is an overlap, and is told.
        assert!(!book.followed_by(next).validate().is_empty());
    }

    #[test]
    fn a_new_currency_is_told_once_and_from_its_first_day_on() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let today = day("2026-11-21");
        let before = PriceBook::example();
        assert_eq!(before.versions[0].currency, Currency::USD);
        let mut euros = before.versions[0].clone();
        euros.currency = "EUR".parse().unwrap();
        let replaced = PriceBook {
            versions: vec![euros.clone()],
        };
        let change = replaced.currency_change(&before, today).unwrap();
        assert_eq!((change.from, change.on), (Currency::USD, today));
        euros.valid_from = day("2027-01-01");
        let turned = before.clone().followed_by(euros);
        let change = turned.currency_change(&before, today).unwrap();
        assert_eq!((change.to.code(), change.on), ("EUR", day("2027-01-01")));
        // Told once: the next edit changes nothing of it.
        assert_eq!(turned.currency_change(&turned, today), None);
        assert_eq!(before.currency_change(&before, today), None);
        assert_eq!(before.currency_change(&PriceBook::default(), today), None);
    }

    #[test]
    fn the_limits_are_what_they_say() {
        assert_eq!(MAX_PRICE, "1000000000".parse().unwrap());
        assert_eq!(MAX_MONTHLY, "1000000000000".parse().unwrap());
        for way in Allocation::ALL {
            assert_eq!(Allocation::parse(way.as_str()), Some(way));
        }
    }
}
