//! Rows of a workbook's sheet, read by calamine, within bounds: an archive is small when it is packed
//! and may be anything when it is not.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Dimensions, ExcelDateTime, Reader as _, SheetVisible, Xlsx, XlsxError};

use crate::columns::Mapping;
use crate::error::{FileError, oversized};
use crate::grid::{Grid, GridRow};
use crate::header::{self, SEARCHED};
use crate::lines::MAX_LINE_BYTES;
use crate::names::Schema;
use crate::value::{Value, float};

/// All files of the archive, unpacked, have at most so many bytes.
const MAX_UNPACKED: u64 = 256 << 20;
/// The archive has at most so many files.
const MAX_FILES: usize = 10_000;
/// The rows that are kept have at most so much text.
const MAX_TEXT: usize = 256 << 20;
/// A merged region is filled down over at most so many rows.
const MAX_MERGED_ROWS: u32 = 100_000;

type Book<'a> = Xlsx<Cursor<&'a [u8]>>;

/// The rows of a sheet.
#[derive(Debug)]
pub struct SheetGrid {
    rows: VecDeque<GridRow>,
    /// The sheet.
    pub name: String,
    /// The other sheets that a person sees.
    pub others: Vec<String>,
}

impl SheetGrid {
    /// The rows of the sheet that `mapping` names, else of the one whose header names most fields.
    ///
    /// # Errors
    /// When it is not a workbook, is damaged, or is larger than it may be.
    pub fn open(
        bytes: &[u8],
        schema: &'static Schema,
        mapping: &Mapping,
    ) -> Result<Self, FileError> {
        check_archive(bytes)?;
        // A library for files of all origins may not have met this one.
        catch_unwind(AssertUnwindSafe(|| read(bytes, schema, mapping)))
            .unwrap_or_else(|_| Err(damaged("its parts do not fit together")))
    }
}

impl Grid for SheetGrid {
    fn next_row(&mut self) -> Option<GridRow> {
        self.rows.pop_front()
    }

    fn problem(&self) -> Option<String> {
        None
    }

    fn unit(&self) -> &'static str {
        "row"
    }

    fn counts_from_header(&self) -> bool {
        false
    }

    fn explain_width(&self, _: &[Value], _: usize) -> Option<String> {
        None
    }
}

fn damaged(what: impl std::fmt::Display) -> FileError {
    FileError::new(format!(
        "the workbook cannot be read ({what}); open it, save it again as .xlsx, or save the sheet as CSV"
    ))
}

/// Unpacks everything once without keeping it: what an archive says of its sizes need not be true.
fn check_archive(bytes: &[u8]) -> Result<(), FileError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MAX_FILES {
        return Err(damaged(format!("it has {} files inside", archive.len())));
    }
    let names = archive.file_names().map(|name| name.map(Cow::into_owned));
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(damaged)?;
    if !names.iter().any(|name| name == "xl/workbook.xml") {
        return Err(FileError::new(
            if names.iter().any(|name| name == "xl/workbook.bin") {
                "it is a binary workbook (.xlsb); save it as .xlsx"
            } else if names.iter().any(|name| name == "content.xml") {
                "it is an OpenDocument file; save the sheet as .xlsx or CSV"
            } else {
                "it is a zip archive and no workbook; unzip it first"
            },
        ));
    }
    let mut left = MAX_UNPACKED;
    for place in 0..archive.len() {
        let file = archive.by_index(place).map_err(damaged)?;
        let unpacked = std::io::copy(&mut file.take(left + 1), &mut std::io::sink());
        let unpacked = unpacked.map_err(damaged)?;
        if unpacked > left {
            return Err(FileError::new(format!(
                "the workbook has more than {} MiB when it is unpacked; save the sheet as CSV",
                MAX_UNPACKED >> 20
            )));
        }
        left -= unpacked;
    }
    Ok(())
}

fn read(bytes: &[u8], schema: &'static Schema, mapping: &Mapping) -> Result<SheetGrid, FileError> {
    let mut book: Book<'_> = Xlsx::new(Cursor::new(bytes)).map_err(told)?;
    let sheets = book.sheets_metadata().to_vec();
    let seen = sheets
        .iter()
        .filter(|sheet| sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .collect::<Vec<_>>();
    let name = match &mapping.sheet {
        Some(wanted) => sheets
            .iter()
            .find(|sheet| sheet.name.trim().eq_ignore_ascii_case(wanted.trim()))
            .map(|sheet| sheet.name.clone())
            .ok_or_else(|| {
                FileError::new(format!(
                    "--sheet {wanted:?}: there is no such sheet; the sheets are {}",
                    seen.iter()
                        .map(|n| format!("{n:?}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ))
            })?,
        None => best_sheet(&mut book, &seen, schema, mapping)?,
    };
    let mut rows = rows_of(&mut book, &name, usize::MAX)?;
    fill_merged(
        &mut rows,
        &book.merge_cells_by_sheet_name(&name).unwrap_or_default(),
    );
    Ok(SheetGrid {
        rows: rows.into(),
        others: seen.into_iter().filter(|other| *other != name).collect(),
        name,
    })
}

/// The sheet whose header names most fields; the first of equals.
fn best_sheet(
    book: &mut Book<'_>,
    sheets: &[String],
    schema: &Schema,
    mapping: &Mapping,
) -> Result<String, FileError> {
    let mut best: Option<(usize, &String)> = None;
    for sheet in sheets {
        // A chart has no cells.
        let Ok(rows) = rows_of(book, sheet, SEARCHED) else {
            continue;
        };
        let named = header::find(&rows, schema, mapping).map_or(0, |found| found.named + 1);
        if best.is_none_or(|(most, _)| named > most) {
            best = Some((named, sheet));
        }
    }
    best.map(|(_, sheet)| sheet.clone())
        .ok_or_else(|| FileError::new("the workbook has no sheet with cells in it"))
}

/// At most `most` rows of a sheet that have a cell.
fn rows_of(book: &mut Book<'_>, sheet: &str, most: usize) -> Result<Vec<GridRow>, FileError> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(told)?;
    let mut rows: Vec<GridRow> = Vec::new();
    let mut text = 0;
    let mut current: Option<Growing> = None;
    while let Some(cell) = cells.next_cell().map_err(told)? {
        let (row, column) = cell.get_position();
        if current.as_ref().is_some_and(|growing| growing.row != row) {
            rows.extend(current.take().map(Growing::finish));
            if rows.len() >= most {
                return Ok(rows);
            }
        }
        let value = value_of(cell.get_value());
        if !value.is_filled() {
            continue;
        }
        let growing = current.get_or_insert_with(|| Growing {
            row,
            cells: Vec::new(),
            bytes: 0,
        });
        text += growing.put(column as usize, value);
        if text > MAX_TEXT {
            return Err(FileError::new(format!(
                "the sheet has more than {} MiB of text; save it as CSV",
                MAX_TEXT >> 20
            )));
        }
    }
    rows.extend(current.map(Growing::finish));
    Ok(rows)
}

/// A row as its cells come.
struct Growing {
    row: u32,
    cells: Vec<Value>,
    bytes: usize,
}

impl Growing {
    /// How many bytes were kept.
    fn put(&mut self, column: usize, value: Value) -> usize {
        let size = value.scalar().map_or(0, |text| text.len());
        self.bytes += size;
        // What goes beyond the bound of a row makes all of it unreadable.
        if self.bytes > MAX_LINE_BYTES {
            return 0;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Value::Null);
        }
        self.cells[column] = value;
        size
    }

    fn finish(self) -> GridRow {
        let number = u64::from(self.row) + 1;
        let filled = self.cells.iter().filter_map(Value::scalar);
        let raw = filled.collect::<Vec<_>>().join("\t").into_bytes();
        let cells = if self.bytes > MAX_LINE_BYTES {
            Err(oversized(self.bytes as u64))
        } else {
            Ok(self.cells)
        };
        GridRow {
            number,
            line: number,
            cells,
            raw,
        }
    }
}

fn value_of(cell: &DataRef<'_>) -> Value {
    match cell {
        DataRef::Int(number) => Value::Number(number.to_string()),
        DataRef::Float(number) => Value::Number(float(*number)),
        DataRef::String(text) => Value::Text(text.clone()),
        DataRef::SharedString(text) => Value::Text((*text).to_owned()),
        DataRef::Bool(truth) => Value::Truth(*truth),
        DataRef::DateTime(at) => Value::Text(time_of(*at)),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Value::Text(text.clone()),
        DataRef::Error(error) => Value::Text(error.to_string()),
        DataRef::Empty => Value::Null,
    }
}

/// A date as RFC 3339 writes it, without a zone: a cell has none.
fn time_of(at: ExcelDateTime) -> String {
    if at.is_duration() {
        return float(at.as_f64());
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}

/// Cells merged over several rows say the same of each: an area beside its questions.
fn fill_merged(rows: &mut [GridRow], merged: &[Dimensions]) {
    let place = |rows: &[GridRow], row: u32| {
        rows.binary_search_by_key(&(u64::from(row) + 1), |row| row.number)
            .ok()
    };
    for region in merged {
        let (first, last) = (region.start.0, region.end.0);
        // A title across many columns belongs to its own row alone.
        if first == last || last - first > MAX_MERGED_ROWS {
            continue;
        }
        let column = region.start.1 as usize;
        let Some(value) = place(rows, first).and_then(|at| {
            let cells = rows[at].cells.as_ref().ok()?;
            cells.get(column).filter(|cell| cell.is_filled()).cloned()
        }) else {
            continue;
        };
        for row in first + 1..=last {
            let cells = place(rows, row).and_then(|at| rows[at].cells.as_mut().ok());
            let Some(cells) = cells else { continue };
            if cells.len() <= column {
                cells.resize(column + 1, Value::Null);
            }
            cells[column] = value.clone();
        }
    }
}

#[allow(clippy::needless_pass_by_value)]
fn told(error: XlsxError) -> FileError {
    damaged(error)
}
