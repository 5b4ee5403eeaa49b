//! Rows of cells before their columns have names: what CSV files and sheets of a workbook have in
//! common.

use domain::RowIssue;

use crate::value::Value;

/// One row of cells.
#[derive(Debug)]
pub struct GridRow {
    /// CSV: the record, from 1. A workbook: the row of the sheet, as it is shown.
    pub number: u64,
    /// The line of the file that it begins on, or the row of the sheet.
    pub line: u64,
    /// Its cells, or why they cannot be read.
    pub cells: Result<Vec<Value>, RowIssue>,
    /// The row as it came, or as much of it as people need to find it.
    pub raw: Vec<u8>,
}

impl GridRow {
    /// The filled cells, with their columns from 0; none where the row cannot be read.
    pub fn filled(&self) -> impl Iterator<Item = (usize, &Value)> {
        let cells = self.cells.as_deref().unwrap_or_default();
        cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.is_filled())
    }
}

/// A source of rows of cells.
pub trait Grid: Send {
    /// The next row; none at the end, or where the file breaks off.
    fn next_row(&mut self) -> Option<GridRow>;
    /// What is wrong with the file itself, once its rows are read.
    fn problem(&self) -> Option<String>;
    /// What a row's number counts.
    fn unit(&self) -> &'static str;
    /// Whether rows are counted from the header on, and not from the top.
    fn counts_from_header(&self) -> bool;
    /// Why a row has another number of cells than the header, where the way it is written explains
    /// it; none where last cells are just missing.
    fn explain_width(&self, cells: &[Value], header: usize) -> Option<String>;
}
