//! Makes a case's workbook of its CSV files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook as Book, Worksheet};
use tables::csv::CsvGrid;
use tables::grid::Grid as _;
use tables::lines::Lines;

use super::case::{Sheet, Workbook};

/// Writes the workbook into the folder.
///
/// # Errors
/// When a CSV file cannot be read or the workbook cannot be written.
pub fn make(folder: &Path, wanted: &Workbook) -> Result<()> {
    let mut book = Book::new();
    for sheet in &wanted.sheets {
        fill(book.add_worksheet(), folder, sheet).with_context(|| sheet.name.clone())?;
    }
    book.save(folder.join(&wanted.file))?;
    Ok(())
}

fn fill(page: &mut Worksheet, folder: &Path, sheet: &Sheet) -> Result<()> {
    page.set_name(&sheet.name)?;
    let file = File::open(folder.join(&sheet.csv))?;
    let lines = Lines::new(Box::new(BufReader::new(file)));
    let mut grid = CsvGrid::new(lines, &[], Some(b','))?;
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let dates: Vec<u16> = sheet.dates.iter().map(|letters| column(letters)).collect();
    let mut texts = std::collections::BTreeMap::new();
    while let Some(record) = grid.next_row() {
        // Blank lines are rows of a sheet.
        let row = u32::try_from(record.line - 1)?;
        let cells = record
            .cells
            .map_err(|issue| anyhow::anyhow!(issue.message))?;
        for (place, cell) in (0_u16..).zip(&cells) {
            let cell = cell.scalar().unwrap_or_default();
            let day = ExcelDateTime::parse_from_str(&cell).ok();
            if cell.is_empty() {
                continue;
            } else if let Some(day) = day.filter(|_| dates.contains(&place)) {
                page.write_datetime_with_format(row, place, &day, &date)?;
            } else if let Some(number) = cell.parse::<f64>().ok().filter(|_| sheet.numbers) {
                page.write_number(row, place, number)?;
            } else {
                page.write_string(row, place, &cell)?;
            }
            texts.insert((row, place), cell);
        }
    }
    for region in &sheet.merged {
        let (from, to) = region
            .split_once(':')
            .context("a region is written A1:A3")?;
        let (from, to) = (place(from)?, place(to)?);
        let text = texts.get(&from).map_or("", String::as_str);
        page.merge_range(from.0, from.1, to.0, to.1, text, &Format::new())?;
    }
    Ok(())
}

/// Row and column of a place such as `B7`, from 0.
fn place(name: &str) -> Result<(u32, u16)> {
    let letters: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let row: u32 = name[letters.len()..].parse()?;
    Ok((row - 1, column(&letters)))
}

fn column(letters: &str) -> u16 {
    letters.bytes().fold(0, |column, letter| {
        column * 26 + u16::from(letter.to_ascii_uppercase() - b'A') + 1
    }) - 1
}
