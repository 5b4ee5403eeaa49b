//! Usage on its way to the store, and costs on their way out: the journal, the FOCUS export as CSV and
//! Parquet, and the page for finance.
//!
//! [`Journal`] keeps what each piece of work consumed, in microseconds and without the database. All else
//! takes values and gives text or bytes: no store, no clock, no async. What a month costs is worked
//! out in [`domain::cost`]; this room only writes it down for others to read, and adds no amount of its
//! own.
//!
//! Amounts are decimals from end to end. Floats appear in one place, the geometry of the chart.

mod error;
pub mod focus;
mod journal;
pub mod page;

pub use error::MeteringError;
pub use journal::{Journal, Segment};
pub use page::{CostPage, DayTotal, ValueRow, page};
