//! Checking price books, and making versions of what people write.

use chrono::NaiveDate;

/// A version as people write it: everything a text, nothing checked.
/// [`build`](Self::build) makes a [`super::PriceVersion`] of it, or says all that is wrong.
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
