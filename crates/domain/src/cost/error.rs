//! What can be wrong with a price book, and why a report cannot be made.

use chrono::NaiveDate;

use super::{Currency, MoneyError, Month};
use crate::{ErrorKind, Fault, FieldViolation};

/// What is wrong with one field of a price book, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceProblem {
    /// The kind of problem.
    pub reason: PriceReason,
    /// The field as its writer knows it, for example `versions[1].prices.requests`.
    pub field: String,
    /// What is wrong and how to correct it.
    pub message: String,
}

/// The kinds of problems of a price book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriceReason {
    /// Two versions are valid on the same day.
    VersionsOverlap,
    /// A version ends before it begins.
    EndsBeforeItBegins,
    /// A price or an amount is below zero.
    Negative,
    /// A price or an amount is too large to be true.
    TooLarge,
    /// A price or an amount has more than ten decimals.
    TooManyDecimals,
    /// A text is not a decimal number.
    NotADecimal,
    /// A name is no meter's.
    UnknownMeter,
    /// The meter has no price of its own.
    MeterNotPriced,
    /// The same meter has two prices.
    DuplicatePrice,
    /// A code is not a currency's.
    UnknownCurrency,
    /// The currency changes in the middle of a month.
    CurrencyChangesInMonth,
    /// A shared cost has no name, or one that is too long.
    BadName,
    /// Two shared costs have the same name.
    DuplicateName,
    /// A text is no way to allocate a cost.
    UnknownAllocation,
    /// Machines are to be paid for without a price of a CPU-hour.
    NoCpuHour,
    /// There are more versions or shared costs than a price book may have.
    TooMany,
}

impl PriceReason {
    /// A stable code that programs can act on.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VersionsOverlap => "PRICE_VERSIONS_OVERLAP",
            Self::EndsBeforeItBegins => "PRICE_VERSION_ENDS_BEFORE_IT_BEGINS",
            Self::Negative => "PRICE_NEGATIVE",
            Self::TooLarge => "PRICE_TOO_LARGE",
            Self::TooManyDecimals => "PRICE_TOO_MANY_DECIMALS",
            Self::NotADecimal => "PRICE_NOT_A_DECIMAL",
            Self::UnknownMeter => "METER_UNKNOWN",
            Self::MeterNotPriced => "METER_NOT_PRICED",
            Self::DuplicatePrice => "PRICE_DUPLICATE",
            Self::UnknownCurrency => "CURRENCY_UNKNOWN",
            Self::CurrencyChangesInMonth => "CURRENCY_CHANGES_IN_MONTH",
            Self::BadName => "SHARED_COST_BAD_NAME",
            Self::DuplicateName => "SHARED_COST_DUPLICATE_NAME",
            Self::UnknownAllocation => "ALLOCATION_UNKNOWN",
            Self::NoCpuHour => "CPU_HOUR_MISSING",
            Self::TooMany => "PRICE_BOOK_TOO_LONG",
        }
    }
}

impl PriceProblem {
    /// A problem of `field`.
    pub(super) fn new(
        reason: PriceReason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            field: field.into(),
            message: message.into(),
        }
    }

    /// The same problem, seen from one level above: `prefix` is put before its field.
    pub(super) fn within(self, prefix: &str) -> Self {
        let field = format!("{prefix}.{}", self.field);
        Self { field, ..self }
    }
}

impl From<PriceProblem> for FieldViolation {
    fn from(problem: PriceProblem) -> Self {
        Self::new(problem.field, problem.message)
    }
}

impl std::fmt::Display for PriceProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why costs cannot be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// A text is not a month.
    #[error("{found:?} is not a month; send year and month, such as 2026-11")]
    BadMonth {
        /// The beginning of what was found.
        found: String,
    },
    /// The month has not begun.
    #[error("{month} has not begun (today is {today}); ask for this month or an earlier one")]
    FutureMonth {
        /// The month asked for.
        month: Month,
        /// The day it was asked on.
        today: NaiveDate,
    },
    /// The last day to cover is not in the month.
    #[error("{until} is not in {month}; cover the month up to one of its own days")]
    UntilOutsideMonth {
        /// The month asked for.
        month: Month,
        /// The last day to cover.
        until: NaiveDate,
    },
    /// The price book has no version at all.
    #[error("the price book is empty; write a version that is valid in the month")]
    EmptyPriceBook,
    /// The price book does not pass its own check.
    #[error("the price book cannot be used: {}", first_of(.0))]
    BadPriceBook(Vec<PriceProblem>),
    /// The currency changes in the middle of the month.
    #[error(
        "the currency changes from {from} to {to} on {on}, in the middle of {month}; let the new \
         version begin on the first day of a month"
    )]
    CurrencyChange {
        /// The month asked for.
        month: Month,
        /// The currency before.
        from: Currency,
        /// The currency after.
        to: Currency,
        /// The first day of the new currency.
        on: NaiveDate,
    },
    /// Values and costs are in two currencies.
    #[error("the value is in {value} and the costs are in {costs}; set the value in {costs}")]
    OtherCurrency {
        /// The currency of the value.
        value: Currency,
        /// The currency of the costs.
        costs: Currency,
    },
    /// An amount cannot be worked with.
    #[error("{what}: {source}")]
    Money {
        /// Which amount.
        what: String,
        /// What is wrong with it.
        source: MoneyError,
    },
    /// What a request says cannot be accepted.
    #[error("{0}")]
    Field(FieldViolation),
}

fn first_of(problems: &[PriceProblem]) -> String {
    match problems {
        [] => "it is not valid".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

impl CostError {
    /// A stable code that programs can act on.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadMonth { .. } => "MONTH_MALFORMED",
            Self::FutureMonth { .. } => "MONTH_IN_FUTURE",
            Self::UntilOutsideMonth { .. } => "DAY_OUTSIDE_MONTH",
            Self::EmptyPriceBook => "PRICE_BOOK_EMPTY",
            Self::BadPriceBook(_) => "PRICE_BOOK_INVALID",
            Self::CurrencyChange { .. } => PriceReason::CurrencyChangesInMonth.as_str(),
            Self::OtherCurrency { .. } => "CURRENCY_MISMATCH",
            Self::Money { .. } => "AMOUNT_OUT_OF_RANGE",
            Self::Field(_) => "FIELD_INVALID",
        }
    }
}

impl Fault for CostError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadMonth { .. }
            | Self::FutureMonth { .. }
            | Self::UntilOutsideMonth { .. }
            | Self::Field(_) => ErrorKind::InvalidArgument,
            Self::EmptyPriceBook
            | Self::BadPriceBook(_)
            | Self::CurrencyChange { .. }
            | Self::OtherCurrency { .. }
            | Self::Money { .. } => ErrorKind::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        self.reason()
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::BadPriceBook(problems) => problems.iter().cloned().map(Into::into).collect(),
            Self::Field(violation) => vec![violation.clone()],
            Self::BadMonth { .. } | Self::FutureMonth { .. } | Self::UntilOutsideMonth { .. } => {
                vec![FieldViolation::new("month", self.to_string())]
            }
            Self::EmptyPriceBook
            | Self::CurrencyChange { .. }
            | Self::OtherCurrency { .. }
            | Self::Money { .. } => Vec::new(),
        }
    }
}
