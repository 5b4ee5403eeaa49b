//! What leaves the house about costs: the FOCUS export as CSV and Parquet, and the page for finance.
//!
//! Everything here takes values and gives text or bytes: no store, no clock, no async. What a month
//! costs is worked out in [`domain::cost`]; this room only writes it down for others to read, and
//! adds no amount of its own.
//!
//! Amounts are decimals from end to end. Floats appear in one place, the geometry of the chart.

mod error;
pub mod focus;
pub mod page;

pub use error::MeteringError;
pub use page::{CostPage, DayTotal, ValueRow, page};
