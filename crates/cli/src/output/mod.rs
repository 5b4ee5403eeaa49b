//! Everything that is printed: results on standard output, in the form that was asked for, and what
//! is only for the person watching on standard error.

pub mod progress;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{
    Attribute, Cell, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};
use serde::Serialize;

use crate::error::CliError;

/// Longer cells are cut in tables; JSON and CSV have them whole.
const CELL_CHARS: usize = 80;

/// The form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document: snake_case names, RFC 3339 times, enums by name.
    Json,
    /// A header and rows.
    Csv,
    /// A page to look at in a browser; only of cost reports.
    Html,
}

/// A line below the heads, and nothing else.
const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// Columns up to this width are never broken into lines, and wider ones not below it.
const UNBROKEN_CHARS: usize = 36;
/// Around each cell, and between two.
const PADDING: usize = 3;

/// How results are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// The form of the results
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "table"
    )]
    pub output: Format,
    /// With -o csv: for a spreadsheet program. A byte-order mark says that it is UTF-8, and a text
    /// that would be taken for a formula (=, +, -, @) gets an apostrophe before it
    #[arg(long, global = true)]
    pub spreadsheet: bool,
}

/// Something that has a row in a table.
pub trait Row: Serialize {
    /// The column heads.
    const COLUMNS: &'static [&'static str];
    /// Columns that are shown whole in tables, however long: what the person came for.
    const WHOLE: &'static [&'static str] = &[];
    /// The cells, as many as there are columns.
    fn cells(&self) -> Vec<String>;
    /// The cells as CSV has them: whole, where a table shortens them.
    fn csv_cells(&self) -> Vec<String> {
        self.cells()
    }
}

/// Where results go.
pub struct Output {
    format: Format,
    spreadsheet: bool,
    decorated: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout(args: &OutputArgs) -> Self {
        // NO_COLOR counts when it is set to something: https://no-color.org
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let decorated = io::stdout().is_terminal() && !plain;
        Self {
            format: args.output,
            spreadsheet: args.spreadsheet,
            decorated,
            out: Box::new(io::stdout()),
        }
    }

    /// A list: a table, a JSON array, or CSV.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn list<R: Row>(&mut self, rows: &[R]) -> Result<(), CliError> {
        match self.format {
            Format::Table => {
                let table = self.table(rows);
                self.text(&table)
            }
            Format::Json => self.json(rows),
            Format::Csv => self.csv(rows),
            Format::Html => Err(no_page()),
        }
    }

    /// One thing: its fields one below the other, a JSON object, or CSV with one row.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn one<R: Row>(&mut self, row: &R) -> Result<(), CliError> {
        self.document(row, std::slice::from_ref(row), |_| {
            let fields = R::COLUMNS
                .iter()
                .map(|head| (*head).to_owned())
                .zip(row.cells());
            pairs(fields.filter(|(_, value)| !value.is_empty()))
        })
    }

    /// Something with more to it than a table: told in words, the whole of it as JSON, and its rows
    /// as CSV.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn document<R: Row>(
        &mut self,
        whole: &impl Serialize,
        rows: &[R],
        words: impl FnOnce(&Self) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Table => {
                let text = words(self);
                self.text(&text)
            }
            Format::Json => self.json(whole),
            Format::Csv => self.csv(rows),
            Format::Html => Err(no_page()),
        }
    }

    /// A table as text, for use inside [`Output::document`].
    #[must_use]
    pub fn table<R: Row>(&self, rows: &[R]) -> String {
        let heads = R::COLUMNS;
        let mut table = Table::new();
        if self.decorated {
            table.load_style(RULED);
            table.set_header(
                heads
                    .iter()
                    .map(|h| Cell::new(h).add_attribute(Attribute::Bold)),
            );
        } else {
            table
                .force_no_tty()
                .load_style(comfy_table::presets::NOTHING);
            table.set_header(heads.iter().map(|head| head.to_uppercase()));
        }
        for row in rows {
            let cells = row.cells();
            table.add_row(heads.iter().zip(&cells).map(|(head, cell)| {
                let whole = R::WHOLE.contains(head);
                one_line(cell, if whole { usize::MAX } else { CELL_CHARS })
            }));
        }
        if table.is_empty() {
            return "nothing\n".to_owned();
        }
        if self.decorated {
            fit(&mut table, rows);
        }
        let mut text = String::new();
        for line in table.lines() {
            // The style without borders begins each line with its padding.
            let line = if self.decorated {
                &line
            } else {
                line.strip_prefix(' ').unwrap_or(&line)
            };
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Text as it is.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// When nobody reads them.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes)?;
        self.out.flush()?;
        Ok(())
    }

    /// The form that was asked for.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a person looks at it as it comes.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.decorated
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CliError> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.text(&text)
    }

    fn csv<R: Row>(&mut self, rows: &[R]) -> Result<(), CliError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(R::COLUMNS.iter().map(|head| head.replace(' ', "_")))?;
        for row in rows {
            let cells = row.csv_cells();
            if self.spreadsheet {
                writer.write_record(cells.into_iter().map(harmless))?;
            } else {
                writer.write_record(cells)?;
            }
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| CliError::from(error.into_error()))?;
        if self.spreadsheet {
            self.out.write_all("\u{feff}".as_bytes())?;
        }
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        Ok(())
    }
}

/// A cell that no spreadsheet program takes for a formula (OWASP, CSV Injection). Numbers stay.
fn harmless(cell: String) -> String {
    let begins = cell.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}',
    ]);
    if begins && cell.parse::<f64>().is_err() {
        format!("'{cell}")
    } else {
        cell
    }
}

fn no_page() -> CliError {
    CliError::usage("-o html is for `tenantry costs report` only")
}

/// Breaks long texts into lines to fit the terminal; names and numbers are there to be copied and
/// stay whole. Where that leaves too little room, lines run over the edge instead.
fn fit<R: Row>(table: &mut Table, rows: &[R]) {
    let mut widths: Vec<usize> = R::COLUMNS.iter().map(|head| head.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.cells()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let needed: usize = widths
        .iter()
        .map(|w| PADDING + (*w).min(UNBROKEN_CHARS))
        .sum();
    if table
        .width()
        .is_none_or(|width| usize::from(width) < needed)
    {
        return;
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    for (column, width) in table.column_iter_mut().zip(widths) {
        if width <= UNBROKEN_CHARS {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Tells the person watching something that is not part of the result.
pub fn note(text: &str) {
    // Nothing can be done for a person whose terminal is gone.
    let _ = writeln!(io::stderr().lock(), "{}", without_controls(text));
}

/// Heads and values, one below the other.
#[must_use]
pub fn pairs(fields: impl Iterator<Item = (String, String)>) -> String {
    let fields: Vec<_> = fields.collect();
    let width = fields
        .iter()
        .map(|(head, _)| head.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (head, value) in fields {
        let value = without_controls(&value);
        // Further lines of a long value stand below its first.
        let value = value.replace('\n', &format!("\n{:width$}  ", ""));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{head:width$}  {value}");
    }
    text
}

/// A text on one line, cut to `most` characters.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let line = without_controls(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Tenants' texts must not steer the terminal they are shown on.
fn without_controls(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if steers(c) { '\u{FFFD}' } else { c })
        .collect()
}

/// A time as it is shown: RFC 3339, UTC.
#[must_use]
pub fn time(at: Option<&prost_types::Timestamp>) -> Option<String> {
    let at: DateTime<Utc> = api::from_timestamp("time", at?).ok()?;
    Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// A time in a table: to the second.
#[must_use]
pub fn short_time(time: Option<&String>) -> String {
    let Some(time) = time else {
        return String::new();
    };
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.clone(),
    }
}

/// What is printed, for tests to look at.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Captured(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Captured {
    /// An output that ends here.
    pub(crate) fn output(&self, format: Format) -> Output {
        Output {
            format,
            spreadsheet: false,
            decorated: false,
            out: Box::new(self.clone()),
        }
    }

    /// What has been printed.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
