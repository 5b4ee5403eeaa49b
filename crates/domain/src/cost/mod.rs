//! What each tenant costs, and what it earns.
//!
//! From usage to a cost report, in steps that each keep the sum:
//!
//! 1. What pieces of work consumed ([`UsageEntry`]) is summed by day in the store ([`UsageLine`]).
//! 2. [`cost_lines`] prices them by the [`PriceBook`], and adds the shares of what is paid for
//!    whoever uses it: one [`CostLine`] each, exact to ten decimals.
//! 3. [`cost_report`] sums those by tenant, and rounds once, so that the rows add up to the total
//!    of the price book to the last minor unit of the currency.
//! 4. [`verdict`] holds what a tenant's own model earns against what it costs.
//!
//! Amounts are decimals, never floats, and every sum is checked: what is too large to be true is an
//! error, not a wrong number.

mod allocate;
mod currency;
mod entry;
mod error;
mod example;
mod forecast;
mod group;
mod jumps;
mod line;
mod meter;
mod money;
mod month;
mod price_book;
mod price_check;
mod pricing;
mod reconcile;
mod report;
mod trend;
mod unit_costs;
mod usage;
mod value;

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod first_start_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties_tests;
#[cfg(test)]
mod report_tests;

pub use currency::{Currency, CurrencyError};
pub use entry::UsageEntry;
pub use error::{CostError, PriceProblem, PriceReason};
pub use jumps::{Jump, jumps};
pub use line::{
    CostInput, CostKind, CostLine, Presence, Priced, Unpriced, UnpricedReason, cost_lines,
};
pub use meter::{Billed, Meter, MeterKind, Service};
pub use money::{AMOUNT_DECIMALS, MAX_AMOUNT, MoneyError, split};
pub use month::Month;
pub use price_book::{
    Allocation, CurrencyChange, IdleCost, MAX_MONTHLY, MAX_PRICE, PriceBook, PriceVersion,
    SharedCost,
};
pub use price_check::PriceVersionDraft;
pub use report::{
    BudgetLevel, BudgetStatus, By, CostReport, CostRow, Part, Trend, UnitCosts, cost_report,
    cost_report_and_lines,
};
pub use usage::{UsageLine, merge};
pub use value::{
    ArmFeedback, ModelCase, ModelValue, Net, TenantValue, ValueSetting, ValueVerdict, verdict,
};
