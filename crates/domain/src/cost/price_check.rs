//! Checking price books, and making versions of what people write.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{
    AMOUNT_DECIMALS, Allocation, Currency, IdleCost, MAX_MONTHLY, MAX_PRICE, Meter, Month,
    PriceBook, PriceProblem, PriceReason, PriceVersion, SharedCost,
};

/// Cores that can be paid for; more is a slip.
const MAX_CORES: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
const MAX_VERSIONS: usize = 1_000;
const MAX_SHARED: usize = 100;
const MAX_NAME_CHARS: usize = 80;

/// A version as people write it: amounts, meters and ways to allocate as texts, nothing checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersionDraft {
    /// The first day it is valid on.
    pub valid_from: NaiveDate,
    /// The last day it is valid on; none: until further notice.
    pub valid_until: Option<NaiveDate>,
    /// The code of the currency.
    pub currency: String,
    /// The price of a CPU-hour; empty: none.
    pub cpu_hour: String,
    /// Meters and their prices.
    pub prices: Vec<(String, String)>,
    /// Shared costs: name, monthly amount, allocation.
    pub shared: Vec<(String, String, String)>,
    /// Cores paid for and the allocation of what is idle.
    pub idle: Option<(String, String)>,
    /// Where the prices come from.
    pub note: String,
    /// The prices are orders of magnitude, not a bill's.
    pub example: bool,
}

impl PriceVersionDraft {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All that is wrong, by field: `currency`, `cpu_hour`, `prices.requests`, `shared[0].monthly`,
    /// `idle.cores` and so on.
    pub fn build(&self) -> Result<PriceVersion, Vec<PriceProblem>> {
        let mut problems = Vec::new();
        let currency = self.currency.parse().map_err(|error| {
            let error: super::CurrencyError = error;
            PriceProblem::new(PriceReason::UnknownCurrency, "currency", error.to_string())
        });
        let currency = keep(&mut problems, currency);
        let hour = (!self.cpu_hour.is_empty()).then(|| decimal("cpu_hour", &self.cpu_hour));
        let cpu_hour = hour.and_then(|hour| keep(&mut problems, hour));
        let prices = self.prices(&mut problems);
        let shared = self.shared(&mut problems);
        let idle = self.idle.as_ref().and_then(|(cores, way)| {
            let cores = keep(&mut problems, decimal("idle.cores", cores));
            let allocation = keep(&mut problems, allocation("idle.allocation", way));
            Some(IdleCost {
                cores: cores?,
                allocation: allocation?,
            })
        });
        // Without one nothing is refused for it twice: any will do to check the rest.
        let version = PriceVersion {
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            currency: currency.unwrap_or(Currency::EUR),
            cpu_hour,
            prices,
            shared,
            idle,
            note: self.note.clone(),
            example: self.example,
        };
        // What could not be read is not there to be checked, and what comes after it counts otherwise.
        let part = |field: &str| {
            field
                .split(['[', '.'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let unread: Vec<String> = problems.iter().map(|one| one.field.clone()).collect();
        let told = |field: &str| match part(field).as_str() {
            "prices" => unread.iter().any(|one| one == field),
            whole => unread.iter().any(|one| part(one) == whole),
        };
        let more = version.validate().into_iter();
        problems.extend(more.filter(|problem| !told(&problem.field)));
        if problems.is_empty() {
            Ok(version)
        } else {
            Err(problems)
        }
    }

    fn prices(&self, problems: &mut Vec<PriceProblem>) -> BTreeMap<Meter, Decimal> {
        let mut prices = BTreeMap::new();
        for (name, price) in &self.prices {
            let field = format!("prices.{}", name.chars().take(40).collect::<String>());
            let Some(meter) = Meter::parse(name) else {
                let known = Meter::ALL.into_iter().filter(|one| own_price(*one));
                let known: Vec<&str> = known.map(Meter::as_str).collect();
                let message = format!("is no meter; send one of {}", known.join(", "));
                problems.push(PriceProblem::new(PriceReason::UnknownMeter, field, message));
                continue;
            };
            let Some(price) = keep(problems, decimal(&field, price)) else {
                continue;
            };
            if prices.insert(meter, price).is_some() {
                let message = "has two prices; send one";
                problems.push(PriceProblem::new(
                    PriceReason::DuplicatePrice,
                    field,
                    message,
                ));
            }
        }
        prices
    }

    fn shared(&self, problems: &mut Vec<PriceProblem>) -> Vec<SharedCost> {
        let read = |(at, (name, monthly, way)): (usize, &(String, String, String))| {
            let field = |part: &str| format!("shared[{at}].{part}");
            let monthly = keep(problems, decimal(&field("monthly"), monthly));
            let allocation = keep(problems, allocation(&field("allocation"), way));
            Some(SharedCost {
                name: name.clone(),
                monthly: monthly?,
                allocation: allocation?,
            })
        };
        self.shared.iter().enumerate().filter_map(read).collect()
    }
}

/// The value, or a problem more.
fn keep<T>(problems: &mut Vec<PriceProblem>, read: Result<T, PriceProblem>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

fn decimal(field: &str, text: &str) -> Result<Decimal, PriceProblem> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    let read = Decimal::from_str_exact(text).ok().filter(|_| plain);
    read.ok_or_else(|| {
        let found: String = text.chars().take(40).collect();
        let message = format!("{found:?} is not a decimal number; send one such as 0.04");
        PriceProblem::new(PriceReason::NotADecimal, field, message)
    })
}

fn allocation(field: &str, text: &str) -> Result<Allocation, PriceProblem> {
    Allocation::parse(text).ok_or_else(|| {
        let message = "is no way to allocate; send even, by_usage or none";
        PriceProblem::new(PriceReason::UnknownAllocation, field, message)
    })
}

fn own_price(meter: Meter) -> bool {
    meter.is_priced() && !meter.is_cpu()
}

/// What is wrong with an amount that may be from 0 to `most`.
fn check_amount(field: &str, amount: Decimal, most: Decimal) -> Option<PriceProblem> {
    let (reason, message) = if amount.is_sign_negative() && !amount.is_zero() {
        (
            PriceReason::Negative,
            "is below zero; send zero or more".to_owned(),
        )
    } else if amount > most {
        (
            PriceReason::TooLarge,
            format!("is above {most}; look for a slip"),
        )
    } else if amount.normalize().scale() > AMOUNT_DECIMALS {
        let message = format!("has more than {AMOUNT_DECIMALS} decimals; round it");
        (PriceReason::TooManyDecimals, message)
    } else {
        return None;
    };
    Some(PriceProblem::new(reason, field, message))
}

impl PriceVersion {
    /// All that is wrong with it, by field.
    #[must_use]
    pub fn validate(&self) -> Vec<PriceProblem> {
        let mut problems = Vec::new();
        if let Some(until) = self.valid_until.filter(|until| *until < self.valid_from) {
            let from = self.valid_from;
            let message =
                format!("{until} is before {from}, the first day; send that or a later day");
            let reason = PriceReason::EndsBeforeItBegins;
            problems.push(PriceProblem::new(reason, "valid_until", message));
        }
        let hour = self.cpu_hour;
        problems.extend(hour.and_then(|hour| check_amount("cpu_hour", hour, MAX_PRICE)));
        for (meter, price) in &self.prices {
            let field = format!("prices.{}", meter.as_str());
            problems.extend(check_amount(&field, *price, MAX_PRICE));
            let message = match (meter.is_priced(), meter.is_cpu()) {
                (false, _) => "is shown and never priced; leave it out",
                (true, true) => "has no price of its own; send cpu_hour",
                (true, false) => continue,
            };
            problems.push(PriceProblem::new(
                PriceReason::MeterNotPriced,
                field,
                message,
            ));
        }
        self.validate_shared(&mut problems);
        if let Some(idle) = &self.idle {
            problems.extend(check_amount("idle.cores", idle.cores, MAX_CORES));
            if self.cpu_hour.is_none() {
                let message = "idle machines are paid for by the CPU-hour; send its price";
                problems.push(PriceProblem::new(
                    PriceReason::NoCpuHour,
                    "cpu_hour",
                    message,
                ));
            }
        }
        problems
    }

    fn validate_shared(&self, problems: &mut Vec<PriceProblem>) {
        if self.shared.len() > MAX_SHARED {
            let message = format!("has more than {MAX_SHARED} costs; sum some of them");
            problems.push(PriceProblem::new(PriceReason::TooMany, "shared", message));
        }
        let mut names = BTreeSet::new();
        for (at, cost) in self.shared.iter().enumerate() {
            let field = format!("shared[{at}].name");
            let long = cost.name.chars().count() > MAX_NAME_CHARS;
            if cost.name.trim().is_empty() || long || cost.name.chars().any(char::is_control) {
                let message =
                    format!("send a name of 1 to {MAX_NAME_CHARS} characters on one line");
                problems.push(PriceProblem::new(PriceReason::BadName, &*field, message));
            }
            if !names.insert(cost.name.trim()) {
                let message = "is the name of another shared cost; send another";
                problems.push(PriceProblem::new(
                    PriceReason::DuplicateName,
                    field,
                    message,
                ));
            }
            let field = format!("shared[{at}].monthly");
            problems.extend(check_amount(&field, cost.monthly, MAX_MONTHLY));
        }
    }
}

impl PriceBook {
    /// All that is wrong with it, by field; nothing when it can be used. Days without a version are
    /// allowed.
    #[must_use]
    pub fn validate(&self) -> Vec<PriceProblem> {
        if self.versions.len() > MAX_VERSIONS {
            let message = format!("has more than {MAX_VERSIONS} versions; remove the oldest");
            return vec![PriceProblem::new(PriceReason::TooMany, "versions", message)];
        }
        let mut problems = Vec::new();
        for (at, version) in self.versions.iter().enumerate() {
            let prefix = format!("versions[{at}]");
            let own = version.validate().into_iter();
            problems.extend(own.map(|problem| problem.within(&prefix)));
        }
        let mut order: Vec<(usize, &PriceVersion)> = self.versions.iter().enumerate().collect();
        order.sort_by_key(|(_, version)| (version.valid_from, version.valid_until));
        for pair in order.windows(2) {
            if let [(_, before), (at, after)] = pair {
                problems.extend(neighbours(before, *at, after));
            }
        }
        problems
    }
}

/// What is wrong between a version and the next one.
fn neighbours(before: &PriceVersion, at: usize, after: &PriceVersion) -> Option<PriceProblem> {
    let field = format!("versions[{at}].valid_from");
    let from = after.valid_from;
    let eve = from.pred_opt().unwrap_or(from);
    let until = before.valid_until.unwrap_or(NaiveDate::MAX);
    if until >= from {
        let message = format!(
            "{from} is a day of the version from {}; end that one on {eve}, or begin later",
            before.valid_from
        );
        return Some(PriceProblem::new(
            PriceReason::VersionsOverlap,
            field,
            message,
        ));
    }
    let changes = before.currency != after.currency && Month::of(until) == Month::of(from);
    changes.then(|| {
        let message = format!(
            "the currency changes from {} to {} in the middle of {}; begin on the first day of a \
             month",
            before.currency,
            after.currency,
            Month::of(from)
        );
        PriceProblem::new(PriceReason::CurrencyChangesInMonth, field, message)
    })
}

#[cfg(test)]
#[path = "price_check_tests.rs"]
mod tests;
