//! Cost lines: usage times prices, and the shares of what is paid for whoever uses it.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Currency, Meter, Month, PriceBook, Service, UsageLine};
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
}

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
