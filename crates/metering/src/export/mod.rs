//! A month's costs on their way out: FOCUS as CSV and Parquet, and the page for finance.
//!
//! Everything here takes values and returns text or bytes: no store, no clock, no async. What a month
//! costs is computed in [`domain::cost`]; the exports add no amount of their own. Amounts are decimals
//! from end to end; floats appear in one place, the geometry of the chart.

pub mod focus;
pub mod page;
