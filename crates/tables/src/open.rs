//! Opens a file of any of the kinds as records.

use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_8};

use crate::columns::{Column, Mapping};
use crate::csv::CsvGrid;
use crate::encoding::Found;
use crate::error::FileError;
use crate::jsonl::JsonRecords;
use crate::named::NamedRows;
use crate::names::Schema;
use crate::record::{Record, Records};
use crate::renamed::RenamedRows;
use crate::source::{About, Content, Source, Text, display_name};
use crate::workbook::SheetGrid;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON objects, one a line or in one list.
    Jsonl,
    /// Delimiter-separated values with a header.
    Csv,
    /// A workbook.
    Xlsx,
}

/// How a file is to be read, where its name and content should not decide.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// How its rows are written.
    pub format: Option<Format>,
    /// What separates CSV columns.
    pub delimiter: Option<u8>,
    /// The encoding of its text.
    pub encoding: Option<&'static Encoding>,
    /// Which column is which field.
    pub mapping: Mapping,
}

/// Records of a file, opened.
pub struct OpenFile {
    records: Box<dyn Records>,
    /// What is known about the file itself.
    pub about: About,
    /// How its rows are written.
    pub format: Format,
    /// The sheet, of a workbook.
    pub sheet: Option<String>,
    /// The row of the header, of a workbook; 0 of anything else.
    pub header_row: u64,
    /// The columns; of JSON only where its fields have other names.
    pub columns: Vec<Column>,
    guesses: Vec<String>,
}

impl OpenFile {
    /// The next record; none at the end, or where the file breaks off.
    pub fn next_record(&mut self) -> Option<Record> {
        self.records.next_record()
    }

    /// What is wrong with the file itself, once its records are read.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.records.problem()
    }

    /// What a record's number counts.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        self.records.unit()
    }

    /// What was guessed, and what was done without being asked for: in sentences, whole once the
    /// records are read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.guesses.clone();
        notes.extend(self.records.notes());
        notes
    }
}

/// Opens a file of rows that have the fields of `schema`.
///
/// # Errors
/// When the file cannot be read, or is not a file of rows.
pub fn open(options: &Options, schema: &'static Schema) -> Result<OpenFile, FileError> {
    let path = &options.path;
    let wanted = options.format.or_else(|| by_name(path));
    let format_of = |start: &[u8]| wanted.unwrap_or_else(|| by_start(start));
    let json = |start: &[u8]| format_of(start) == Format::Jsonl;
    let source = Source::open(path, options.encoding, json)?;
    let named = |error: FileError| FileError::new(format!("{}: {error}", display_name(path)));
    match source.content {
        Content::Workbook(bytes) => {
            open_workbook(&bytes, options, schema, source.about).map_err(named)
        }
        Content::Text(text) => {
            let format = match format_of(&text.start) {
                // Called a workbook, and none: a CSV file by the wrong name.
                Format::Xlsx if options.format.is_none() => by_start(&text.start),
                Format::Xlsx => {
                    return Err(named(FileError::new(
                        "it is text and no workbook; leave --format out",
                    )));
                }
                format => format,
            };
            open_text(text, format, options, schema, source.about).map_err(named)
        }
    }
}

fn open_workbook(
    bytes: &[u8],
    options: &Options,
    schema: &'static Schema,
    about: About,
) -> Result<OpenFile, FileError> {
    if options.format.is_some_and(|format| format != Format::Xlsx) {
        return Err(FileError::new("it is a workbook; leave --format out"));
    }
    let grid = SheetGrid::open(bytes, schema, &options.mapping)?;
    let (sheet, others) = (grid.name.clone(), grid.others.clone());
    let rows = NamedRows::new(Box::new(grid), schema, &options.mapping)?;
    let mut guesses = Vec::new();
    if options.mapping.sheet.is_none() && !others.is_empty() {
        let others: Vec<_> = others
            .iter()
            .take(10)
            .map(|name| format!("{name:?}"))
            .collect();
        guesses.push(format!(
            "the sheet {sheet:?} is read (--sheet NAME takes another: {})",
            others.join(", ")
        ));
    }
    guesses.extend(guessed_columns(&rows, &options.mapping));
    Ok(OpenFile {
        header_row: rows.header_line(),
        columns: rows.columns().to_vec(),
        records: Box::new(rows),
        about,
        format: Format::Xlsx,
        sheet: Some(sheet),
        guesses,
    })
}

fn open_text(
    text: Text,
    format: Format,
    options: &Options,
    schema: &'static Schema,
    about: About,
) -> Result<OpenFile, FileError> {
    let Text {
        lines,
        start,
        found,
    } = text;
    let mut guesses: Vec<String> = guessed_encoding(found, options).into_iter().collect();
    let (records, columns): (Box<dyn Records>, _) = if format == Format::Jsonl {
        let rows = Box::new(JsonRecords::new(lines, &start));
        let rows = RenamedRows::new(rows, schema, &options.mapping)?;
        guesses.extend(guessed_names(rows.columns()));
        let columns = rows.columns().to_vec();
        (Box::new(rows), columns)
    } else {
        let grid = CsvGrid::new(lines, &start, options.delimiter)?;
        let rows = NamedRows::new(Box::new(grid), schema, &options.mapping)?;
        guesses.extend(guessed_columns(&rows, &options.mapping));
        let columns = rows.columns().to_vec();
        (Box::new(rows), columns)
    };
    Ok(OpenFile {
        records,
        about,
        format,
        sheet: None,
        header_row: 0,
        columns,
        guesses,
    })
}

fn guessed_encoding(found: Found, options: &Options) -> Option<String> {
    if options.encoding.is_some() || (found.encoding == UTF_8 && !found.mixed) {
        return None;
    }
    let name = found.encoding.name();
    if found.mixed {
        return Some(
            "some of its text is UTF-8 and some is not: rows in another encoding are rejected, each \
             with its number; --encoding NAME reads all of it in one"
                .to_owned(),
        );
    }
    (!found.certain)
        .then(|| format!("its text is not UTF-8; read as {name} (--encoding NAME takes another)"))
}

fn guessed_columns(rows: &NamedRows, mapping: &Mapping) -> Vec<String> {
    let mut guesses = Vec::new();
    if mapping.header_row.is_none() && rows.header_line() > 1 && !rows.columns().is_empty() {
        guesses.push(format!(
            "the header is on line {}; what stands above is passed over",
            rows.header_line()
        ));
    }
    guesses.extend(guessed_names(rows.columns()));
    guesses
}

fn guessed_names(columns: &[Column]) -> Option<String> {
    let guessed = columns.iter().filter(|column| column.guessed);
    let named: Vec<_> = guessed
        .filter_map(|column| Some(format!("{:?} is `{}`", column.name, column.field?)))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "columns are taken by their usual names: {} (--column FIELD=NAME takes another)",
            named.join(", ")
        )
    })
}

fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        "xlsx" | "xlsm" => Some(Format::Xlsx),
        _ => None,
    }
}

/// Most lines decide, as the first one may be broken. One document begins with a bracket, and its
/// lines may begin with anything.
fn by_start(start: &[u8]) -> Format {
    let document = matches!(start.trim_ascii_start().first(), Some(b'{' | b'['));
    let lines = start
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii_start);
    let (json, other): (Vec<_>, Vec<_>) =
        lines
            .filter(|line| !line.is_empty())
            .partition(|line| match line[0] {
                b'{' | b'[' => true,
                b'}' | b']' | b'"' => document,
                _ => false,
            });
    if json.len() >= other.len() {
        Format::Jsonl
    } else {
        Format::Csv
    }
}
