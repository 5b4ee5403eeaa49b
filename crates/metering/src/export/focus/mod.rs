//! The export in FOCUS 1.2, the FinOps Open Cost and Usage Specification: rows, CSV, Parquet, and a
//! check of what was written.
//!
//! How costs become rows:
//!
//! - One row a day, tenant, service, meter, price and kind of cost. RPCs and models are summed into
//!   it; `x_Rpc`, `x_Tier` and `x_Model` have a value where it is the same for the whole row.
//! - The tenant is the sub-account. Rows without one are unallocated: nobody bears them.
//! - Usage, the platform's own too, has the `ChargeCategory` `Usage` and carries quantity, unit and
//!   price. Parts of shared costs and of idle machines are `Adjustment`: nothing was consumed, so
//!   there is no quantity and no price, and the specification has `Purchase` carry both and have no
//!   effective cost when it pays for later use.
//! - Late usage is usage like any other, of the day it was consumed on, and `Correction` when that
//!   day is in a month before the one it is billed in. Within the month the specification wants no
//!   mark; `x_CostKind` is `adjustment` for both.
//! - There is one price for everyone, so billed, effective, contracted and list cost are equal, to
//!   ten decimals. `ListUnitPrice` times `PricingQuantity` is the list cost to within the last of
//!   them a line.
//! - Nothing is invoiced here, so `InvoiceId` is null. Usage without a price is in no row, as it is
//!   in no total.
//!
//! Texts are written as they are: the specification asks for that, and the files are for programs.
//! A display name that begins with `=` is a formula to a spreadsheet; import the file as text there.

mod check;
mod columns;
mod csv;
mod labels;
mod parquet;
mod row;

#[cfg(test)]
mod fixtures;

pub use check::{Problem, check};
pub use columns::{COLUMNS, Column, ColumnKind, Level, Value};
pub use csv::write_csv;
pub use parquet::write_parquet;
pub use row::{FocusContext, FocusRow, focus_rows};
