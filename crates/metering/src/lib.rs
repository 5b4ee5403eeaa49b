//! Metering, from what an operation consumes to what a month's costs look like.
//!
//! - [`usage`] gathers what each operation consumes, in the task that runs it.
//! - [`Journal`] keeps the entries in files, in microseconds and without the database.
//! - [`ledger`] brings them to the store, samples what is stored, closes days and deletes what is old.
//! - [`export`] writes a month's costs: FOCUS as CSV and Parquet, and the page for finance.

mod error;
pub mod export;
mod journal;
pub mod ledger;
pub mod usage;

pub use error::MeteringError;
pub use journal::{Journal, Segment};
pub use ledger::Ledger;
pub use usage::{Operation, UsageRecorder, UsageScope, UsageSink};
