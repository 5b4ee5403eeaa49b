//! Metering: the recorder of what operations consume, the journal that it is recorded in, and the
//! exports of what that costs (FOCUS as CSV and Parquet, the page for finance).
//!
//! [`usage`] gathers what each operation consumes; [`Journal`] stores that in microseconds and without
//! the database. The exports take values and return text or bytes: no store, no clock, no async. What a
//! month costs is computed in [`domain::cost`]; the exports add no amount of their own.
//!
//! Amounts are decimals from end to end. Floats appear in one place, the geometry of the chart.

mod error;
pub mod focus;
mod journal;
pub mod page;
pub mod usage;

pub use error::MeteringError;
pub use journal::{Journal, Segment};
pub use page::{CostPage, DayTotal, ValueRow, page};
pub use usage::{Operation, UsageRecorder, UsageScope, UsageSink};
