//! Answers beside the questions, as a workbook: into the customer's own one, whose other parts stay
//! byte for byte, or into a new one.
//!
//! An existing workbook is edited in its archive: cells are appended to rows of the one sheet, and
//! charts, lists of allowed values, macros and styles are copied as they are. Libraries that read a
//! workbook and write it again keep only what they know (see ADR 11).

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use rust_xlsxwriter::{Format, Workbook};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::error::FileError;

/// A cell holds at most so many characters; spreadsheets refuse a file with more.
const CELL_CHARS: usize = 32_767;
/// The rightmost column of a sheet is XFD.
const MOST_COLUMNS: u32 = 16_384;

/// What a cell is to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text; never taken for a formula.
    Text(String),
    /// A number.
    Number(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Columns of answers: their heads, and the cells of rows by the sheet's row number.
#[derive(Debug, Default)]
pub struct Columns {
    /// The heads.
    pub heads: Vec<String>,
    /// The row of the header, from 1.
    pub header_row: u64,
    /// Row number to cells, as many as there are heads.
    pub rows: BTreeMap<u64, Vec<Cell>>,
}

/// The workbook `original` with `columns` to the right of everything in `sheet`.
///
/// # Errors
/// When the workbook cannot be edited, or the sheet has no room.
pub fn beside(original: &[u8], sheet: &str, columns: &Columns) -> Result<Vec<u8>, FileError> {
    let mut archive = ZipArchive::new(Cursor::new(original)).map_err(failed)?;
    let part = sheet_part(&mut archive, sheet)?;
    let text = read_part(&mut archive, &part)?;
    let edited = edit(&text, columns)?;
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..archive.len() {
        let file = archive.by_index_raw(place).map_err(failed)?;
        if file.name().map_err(failed)? == part {
            let options =
                SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            out.start_file(part.as_str(), options).map_err(failed)?;
            out.write_all(&edited).map_err(failed)?;
        } else {
            out.raw_copy_file(file).map_err(failed)?;
        }
    }
    Ok(out.finish().map_err(failed)?.into_inner())
}

/// A new workbook with one sheet: a bold header that stays in view, and rows.
///
/// # Errors
/// When there are more rows or columns than a sheet has.
pub fn new_workbook(heads: &[String], rows: &[Vec<Cell>]) -> Result<Vec<u8>, FileError> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let bold = Format::new().set_bold();
    let column = |place: usize| u16::try_from(place).map_err(failed);
    for (place, head) in heads.iter().enumerate() {
        sheet
            .write_string_with_format(0, column(place)?, clipped(head), &bold)
            .map_err(failed)?;
    }
    for (row, cells) in (1..).zip(rows) {
        for (place, cell) in cells.iter().enumerate() {
            let written = match cell {
                Cell::Text(text) if text.is_empty() => continue,
                Cell::Text(text) => sheet.write_string(row, column(place)?, clipped(text)),
                Cell::Number(number) => sheet.write_number(row, column(place)?, *number),
            };
            written.map_err(failed)?;
        }
    }
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    book.save_to_buffer().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> FileError {
    FileError::new(format!("the workbook cannot be written: {error}"))
}

fn clipped(text: &str) -> String {
    text.chars().take(CELL_CHARS).collect()
}

fn read_part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, FileError> {
    let mut text = String::new();
    let mut file = archive.by_name(name).map_err(failed)?;
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The file of the archive that has the sheet: its name leads to a relation, and that to a file.
fn sheet_part(archive: &mut ZipArchive<Cursor<&[u8]>>, sheet: &str) -> Result<String, FileError> {
    let book = read_part(archive, "xl/workbook.xml")?;
    let relation = attribute_where(&book, "sheet", ("name", sheet), "r:id")?
        .ok_or_else(|| failed(format!("the sheet {sheet:?} is not in it")))?;
    let relations = read_part(archive, "xl/_rels/workbook.xml.rels")?;
    let target = attribute_where(&relations, "Relationship", ("Id", &relation), "Target")?
        .ok_or_else(|| failed(format!("the sheet {sheet:?} has no file")))?;
    Ok(match target.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None => format!("xl/{target}"),
    })
}

/// The attribute `wanted` of the first element `element` whose attribute `key` is `value`.
fn attribute_where(
    xml: &str,
    element: &str,
    (key, value): (&str, &str),
    wanted: &str,
) -> Result<Option<String>, FileError> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().map_err(failed)? {
            Event::Eof => return Ok(None),
            Event::Start(tag) | Event::Empty(tag)
                if tag.local_name().as_ref() == element
                    && attribute(&tag, key)?.as_deref() == Some(value) =>
            {
                return attribute(&tag, wanted);
            }
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, FileError> {
    let Some(found) = tag.try_get_attribute(name).map_err(failed)? else {
        return Ok(None);
    };
    let value = found
        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
        .map_err(failed)?;
    Ok(Some(value.into_owned()))
}

/// The sheet's XML with the cells at the end of their rows.
fn edit(xml: &str, columns: &Columns) -> Result<Vec<u8>, FileError> {
    let first = last_column(xml)? + 1;
    let width = u32::try_from(columns.heads.len()).map_err(failed)?;
    if first + width > MOST_COLUMNS {
        return Err(failed("the sheet has no room for more columns"));
    }
    let mut left = columns.rows.clone();
    left.insert(
        columns.header_row,
        columns
            .heads
            .iter()
            .map(|head| Cell::from(head.as_str()))
            .collect(),
    );
    let mut reader = Reader::from_str(xml);
    let mut writer = Writer::new(Vec::new());
    let mut row = 0;
    loop {
        match reader.read_event().map_err(failed)? {
            Event::Eof => return Ok(writer.into_inner()),
            // Says how far the cells reach; spreadsheets find that out by themselves.
            Event::Empty(tag) if tag.local_name().as_ref() == "dimension" => {}
            Event::Empty(tag) if tag.local_name().as_ref() == "row" => {
                row = row_number(&tag, row)?;
                let cells = left.remove(&row);
                let tag = without_spans(&tag)?;
                if let Some(cells) = cells {
                    let end = tag.to_end().into_owned();
                    write(&mut writer, Event::Start(tag))?;
                    append(&mut writer, row, first, &cells)?;
                    write(&mut writer, Event::End(end))?;
                } else {
                    write(&mut writer, Event::Empty(tag))?;
                }
            }
            Event::Start(tag) if tag.local_name().as_ref() == "row" => {
                row = row_number(&tag, row)?;
                write(&mut writer, Event::Start(without_spans(&tag)?))?;
            }
            Event::End(tag) if tag.local_name().as_ref() == "row" => {
                if let Some(cells) = left.remove(&row) {
                    append(&mut writer, row, first, &cells)?;
                }
                write(&mut writer, Event::End(tag))?;
            }
            event => write(&mut writer, event)?,
        }
    }
}

fn write(writer: &mut Writer<Vec<u8>>, event: Event<'_>) -> Result<(), FileError> {
    writer.write_event(event).map_err(failed)
}

/// A row without a number of its own follows the one before it.
fn row_number(tag: &BytesStart<'_>, before: u64) -> Result<u64, FileError> {
    match attribute(tag, "r")? {
        Some(number) => number.trim().parse().map_err(failed),
        None => Ok(before + 1),
    }
}

/// `spans` says which columns a row has, and would be wrong now.
fn without_spans(tag: &BytesStart<'_>) -> Result<BytesStart<'static>, FileError> {
    let name = tag.name().as_ref().to_owned();
    let mut kept = BytesStart::new(name);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(failed)?;
        if attribute.key.as_ref() != "spans" {
            kept.push_attribute(attribute);
        }
    }
    Ok(kept)
}

fn append(
    writer: &mut Writer<Vec<u8>>,
    row: u64,
    first: u32,
    cells: &[Cell],
) -> Result<(), FileError> {
    for (column, cell) in (first..).zip(cells) {
        let place = format!("{}{row}", letters(column));
        match cell {
            Cell::Text(text) if text.is_empty() => {}
            Cell::Text(text) => {
                let tag = BytesStart::new("c")
                    .with_attributes([("r", place.as_str()), ("t", "inlineStr")]);
                write(writer, Event::Start(tag))?;
                write(writer, Event::Start(BytesStart::new("is")))?;
                let tag = BytesStart::new("t").with_attributes([("xml:space", "preserve")]);
                write(writer, Event::Start(tag))?;
                let text = clipped(&without_controls(text));
                write(writer, Event::Text(BytesText::new(&text)))?;
                for name in ["t", "is", "c"] {
                    write(writer, Event::End(BytesEnd::new(name)))?;
                }
            }
            Cell::Number(number) => {
                let tag = BytesStart::new("c").with_attributes([("r", place.as_str())]);
                write(writer, Event::Start(tag))?;
                write(writer, Event::Start(BytesStart::new("v")))?;
                write(writer, Event::Text(BytesText::new(&number.to_string())))?;
                write(writer, Event::End(BytesEnd::new("v")))?;
                write(writer, Event::End(BytesEnd::new("c")))?;
            }
        }
    }
    Ok(())
}

/// XML has no control characters but tab and line ends.
fn without_controls(text: &str) -> String {
    let kept = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars()
        .map(|c| {
            if kept(c) && !matches!(c, '\u{FFFE}' | '\u{FFFF}') {
                c
            } else {
                '\u{FFFD}'
            }
        })
        .collect()
}

/// The rightmost column that a cell or a merged region reaches, from 1.
fn last_column(xml: &str) -> Result<u32, FileError> {
    let mut reader = Reader::from_str(xml);
    let (mut last, mut column) = (0, 0);
    loop {
        match reader.read_event().map_err(failed)? {
            Event::Eof => return Ok(last),
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                "row" => column = 0,
                "c" => {
                    column = match attribute(&tag, "r")? {
                        Some(place) => number(&place),
                        None => column + 1,
                    };
                    last = last.max(column);
                }
                "mergeCell" => {
                    let region = attribute(&tag, "ref")?.unwrap_or_default();
                    let end = region.rsplit(':').next().map_or(0, number);
                    last = last.max(end);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// The number of the column in a place such as `AB12`, from 1; 0 where it has no letters.
fn number(place: &str) -> u32 {
    place
        .bytes()
        .filter(u8::is_ascii_alphabetic)
        .fold(0, |number: u32, letter| {
            let digit = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
            number.saturating_mul(26).saturating_add(digit)
        })
}

/// The letters of a column, from 1 on.
fn letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        let digit = (column - 1) % 26;
        letters.push(char::from(b'A' + u8::try_from(digit).unwrap_or(0)));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (column, name) in [
            (1, "A"),
            (26, "Z"),
            (27, "AA"),
            (702, "ZZ"),
            (16_384, "XFD"),
        ] {
            assert_eq!(letters(column), name);
            assert_eq!(number(&format!("{name}7")), column);
        }
    }
}
