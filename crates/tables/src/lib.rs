//! Rows of files as customers have them: CSV as spreadsheets write it, XLSX workbooks, JSON.
//!
//! Well-kept libraries read bytes; this crate decides what they mean and says so. A file goes through
//! these steps, each in a file of its own:
//!
//! 1. [`source`] opens it: gzip, pipe, workbook, text; [`encoding`] turns text into UTF-8.
//! 2. [`lines`] cuts text into bounded lines; [`csv`] (with [`delimiter`]) and [`workbook`] make rows of
//!    cells of it ([`grid`]), [`jsonl`] makes records at once.
//! 3. `header` finds the line that names the columns, [`columns`] gives them fields by [`names`],
//!    `headings` tells titles of sections from questions, [`named`] makes records; [`renamed`] does the
//!    same for the fields of JSON.
//!
//! What a cell means is in [`cells`], [`lists`] and [`times`]. [`answers`] writes answers back beside
//! the questions. Nothing here knows the network or the command line.

pub mod answers;
pub mod cells;
pub mod columns;
pub mod csv;
pub mod delimiter;
mod document;
pub mod encoding;
mod error;
pub mod grid;
mod gzip;
mod header;
mod headings;
mod json;
pub mod jsonl;
pub mod lines;
pub mod lists;
pub mod named;
pub mod names;
mod open;
pub mod record;
pub mod renamed;
pub mod source;
pub mod times;
pub mod value;
pub mod workbook;

pub use columns::{Column, Mapping};
pub use encoding_rs::Encoding;
pub use error::FileError;
pub use names::{EXPERTS, ITEMS, Schema};
pub use open::{Format, OpenFile, Options, open};
pub use record::{Content, Record, Records, Remark, RemarkKind};
pub use value::{Fields, Value};
