//! Rows with the names of their columns: what every table goes through, from CSV or a workbook.

use std::collections::{BTreeMap, VecDeque};

use crate::columns::{Column, Mapping, resolve};
use crate::error::{FileError, unreadable};
use crate::grid::{Grid, GridRow};
use crate::header::{self, SEARCHED};
use crate::headings::{Headings, is_blank_cell};
use crate::lists;
use crate::names::{Schema, plain};
use crate::record::{Content, Record, Records, Remark, RemarkKind};
use crate::value::{Fields, Value};

/// What lists in a cell are separated by.
pub const LIST_SEPARATORS: [char; 3] = [';', '|', '\n'];
/// What is usual is learned from so many rows below the header.
const LEARNED: usize = 200;
/// Titles that are told by name.
const TOLD: usize = 5;

/// Rows of a table with named fields.
pub struct NamedRows {
    grid: Box<dyn Grid>,
    ahead: VecDeque<GridRow>,
    schema: &'static Schema,
    columns: Vec<Column>,
    /// The header's cells, without blanks around them.
    header: Vec<String>,
    /// The header's number, which rows are counted from.
    first: u64,
    header_line: u64,
    headings: Headings,
    /// The last value of each column that is filled down.
    above: BTreeMap<usize, Value>,
    /// The title that rows stand below, where no column says the area.
    section: Option<String>,
    titles: Vec<String>,
    counts: Counts,
}

/// A header that comes again.
enum Repeated {
    /// As it was.
    Whole,
    /// With the title of a section in it.
    Section(String),
}

#[derive(Default)]
struct Counts {
    titles: u64,
    repeated_headers: u64,
    short: u64,
    filled_down: u64,
}

impl NamedRows {
    /// Finds the header of `grid` and names its columns; an empty table has none, and no rows.
    ///
    /// # Errors
    /// When the header cannot be read or used.
    pub fn new(
        mut grid: Box<dyn Grid>,
        schema: &'static Schema,
        mapping: &Mapping,
    ) -> Result<Self, FileError> {
        let mut rows: Vec<GridRow> = Vec::new();
        let enough = |rows: &Vec<GridRow>| match mapping.header_row {
            Some(wanted) => rows.last().is_some_and(|row| row.line >= wanted),
            None => rows.len() >= SEARCHED,
        };
        while !enough(&rows)
            && let Some(row) = grid.next_row()
        {
            rows.push(row);
        }
        let found = header::find(&rows, schema, mapping);
        let mut ahead = VecDeque::from(rows);
        let header = found.and_then(|found| ahead.drain(..=found.place).next_back());
        if let (None, Some(wanted)) = (&header, mapping.header_row) {
            return Err(FileError::new(format!(
                "--header-row {wanted}: there is no such row"
            )));
        }
        let (number, line, names) = match header {
            None => (0, 1, Vec::<String>::new()),
            Some(row) => {
                let cells = row.cells.map_err(|issue| {
                    FileError::new(format!("the header cannot be read: {}", issue.message))
                })?;
                let names = cells.iter().map(|cell| cell.scalar().unwrap_or_default());
                (row.number, row.line, names.collect())
            }
        };
        let columns = resolve(&names, schema, mapping)?;
        let mut rows = Self {
            grid,
            ahead,
            schema,
            columns,
            header: names.iter().map(|name| name.trim().to_owned()).collect(),
            first: number,
            header_line: line,
            headings: Headings::default(),
            above: BTreeMap::new(),
            section: None,
            titles: Vec::new(),
            counts: Counts::default(),
        };
        rows.fill_down(mapping)?;
        rows.learn();
        Ok(rows)
    }

    /// The columns, as they were understood.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The line of the file, or the row of the sheet, that the header stands on.
    #[must_use]
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    fn fill_down(&mut self, mapping: &Mapping) -> Result<(), FileError> {
        for wanted in &mapping.fill_down {
            let named = |column: &Column| {
                column.field == Some(wanted.as_str()) || plain(&column.name) == plain(wanted)
            };
            let place = self.columns.iter().position(named).ok_or_else(|| {
                FileError::new(format!("--fill-down {wanted}: there is no such column"))
            })?;
            self.above.insert(place, Value::Null);
        }
        Ok(())
    }

    fn learn(&mut self) {
        while self.ahead.len() < LEARNED
            && let Some(row) = self.grid.next_row()
        {
            self.ahead.push_back(row);
        }
        let rows: Vec<&GridRow> = self
            .ahead
            .iter()
            .filter(|row| row.filled().next().is_some())
            .collect();
        self.headings = Headings::learn(&self.columns, &rows);
    }

    /// The row as a record; none of rows that say nothing.
    fn record(&mut self, row: GridRow) -> Option<Record> {
        let number = if self.grid.counts_from_header() {
            row.number - self.first
        } else {
            row.number
        };
        if let Ok(cells) = &row.cells {
            if !cells.iter().any(Value::is_filled) {
                return None;
            }
            match self.repeated_header(cells) {
                Some(Repeated::Whole) => {
                    self.counts.repeated_headers += 1;
                    return None;
                }
                Some(Repeated::Section(title)) => {
                    return Some(self.heading(number, title, row.raw));
                }
                None => {}
            }
            // A row by another delimiter is one cell, too, and no title.
            let misread = cells.len() < self.header.len()
                && self.grid.explain_width(cells, self.header.len()).is_some();
            if !misread && let Some(title) = self.headings.title(&row) {
                return Some(self.heading(number, title, row.raw));
            }
        }
        let raw = row.raw;
        let cells = match row.cells {
            Ok(cells) => cells,
            Err(issue) => return Some(Record::bad(number, issue, raw)),
        };
        let (cells, remarks) = match self.fitted(cells, &raw) {
            Ok(fitted) => fitted,
            Err(message) => return Some(Record::bad(number, unreadable(message), raw)),
        };
        Some(Record {
            number,
            content: Content::Fields(self.fields(cells)),
            raw,
            remarks,
        })
    }

    /// Whether the row is the header once more: as it was, or with the title of the section that it
    /// begins in place of one name. Columns that somebody has added have no name in it.
    fn repeated_header(&self, cells: &[Value]) -> Option<Repeated> {
        let (mut same, mut other) = (0, None);
        for (place, cell) in cells.iter().enumerate() {
            let Value::Text(text) = cell else {
                continue;
            };
            let text = text.trim();
            let name = self.header.get(place).filter(|name| !name.is_empty());
            if name.is_some_and(|name| name.eq_ignore_ascii_case(text)) {
                same += 1;
            } else if !text.is_empty() && other.replace((place, text)).is_some() {
                // Two cells of its own: a row like any other.
                return None;
            }
        }
        match other {
            None if same > 1 => Some(Repeated::Whole),
            Some((place, title)) if same > 1 && self.is_no_question(place) => {
                Some(Repeated::Section(title.to_owned()))
            }
            _ => None,
        }
    }

    fn is_no_question(&self, place: usize) -> bool {
        let field = self.columns.get(place).and_then(|column| column.field);
        field != Some("text")
    }

    fn heading(&mut self, number: u64, title: String, raw: Vec<u8>) -> Record {
        self.counts.titles += 1;
        if self.titles.len() < TOLD {
            self.titles.push(title.clone());
        }
        self.section = Some(title.clone());
        Record {
            number,
            content: Content::Heading(title),
            raw,
            remarks: Vec::new(),
        }
    }

    /// As many cells as the header has: missing last cells are empty, and empty ones beyond it go.
    fn fitted(
        &mut self,
        mut cells: Vec<Value>,
        raw: &[u8],
    ) -> Result<(Vec<Value>, Vec<Remark>), String> {
        let wanted = self.header.len();
        if wanted == 1 && cells.len() > 1 && !raw.starts_with(b"\"") {
            // One column needs no delimiter: what looks like one belongs to the text.
            let text = String::from_utf8_lossy(raw).trim().to_owned();
            return Ok((vec![Value::Text(text)], Vec::new()));
        }
        let found = cells.len();
        let beyond = cells.iter().skip(wanted).any(Value::is_filled);
        let explained = (found < wanted || beyond)
            .then(|| self.grid.explain_width(&cells, wanted))
            .flatten();
        if beyond || explained.is_some() {
            let remedy = explained.unwrap_or_else(|| "give each column a name".to_owned());
            let columns = if found == 1 { "column" } else { "columns" };
            return Err(format!(
                "the row has {found} {columns} and the header {wanted}; {remedy}"
            ));
        }
        cells.resize(wanted, Value::Null);
        if found >= wanted || !self.grid.counts_from_header() {
            return Ok((cells, Vec::new()));
        }
        self.counts.short += 1;
        let remark = Remark {
            kind: RemarkKind::ShortRow,
            field: self.columns[found].key().to_owned(),
            message: format!(
                "the row ends after {found} of {wanted} columns; the others are taken for empty"
            ),
        };
        Ok((cells, vec![remark]))
    }

    fn fields(&mut self, mut cells: Vec<Value>) -> Fields {
        for (place, above) in &mut self.above {
            if let Some(cell) = cells.get_mut(*place) {
                if is_blank_cell(cell) {
                    self.counts.filled_down += u64::from(above.is_filled());
                    *cell = above.clone();
                } else {
                    *above = cell.clone();
                }
            }
        }
        let mut fields = Fields::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            let known = column.field.and_then(|field| self.schema.field(field));
            if !column.kept || (known.is_none() && !cell.is_filled()) {
                continue;
            }
            let cell = match (known, cell) {
                (Some(field), Value::Text(text)) if field.many => {
                    let values = lists::split(&text, &LIST_SEPARATORS);
                    Value::List(values.into_iter().map(Value::Text).collect())
                }
                // The words of a question and its answer stay as they are.
                (Some(field), Value::Text(text)) if matches!(field.name, "text" | "answer") => {
                    Value::Text(text)
                }
                (_, Value::Text(text)) => Value::Text(text.trim().to_owned()),
                (Some(field), Value::Null) if field.many => Value::List(Vec::new()),
                (Some(_), Value::Null) => Value::Text(String::new()),
                (_, other) => other,
            };
            fields.insert(column.key().to_owned(), cell);
        }
        if let Some(section) = &self.section
            && self.schema.field("area").is_some()
            && !fields.contains_key("area")
        {
            fields.insert("area".to_owned(), Value::Text(section.clone()));
        }
        fields
    }
}

impl Records for NamedRows {
    fn next_record(&mut self) -> Option<Record> {
        loop {
            let row = self.ahead.pop_front().or_else(|| self.grid.next_row())?;
            if let Some(record) = self.record(row) {
                return Some(record);
            }
        }
    }

    fn problem(&self) -> Option<String> {
        self.grid.problem()
    }

    fn unit(&self) -> &'static str {
        self.grid.unit()
    }

    fn notes(&self) -> Vec<String> {
        let Counts {
            titles,
            repeated_headers,
            short,
            filled_down,
        } = &self.counts;
        let mut notes = Vec::new();
        if *titles > 0 {
            let more = if self.titles.len() as u64 == *titles {
                ""
            } else {
                ", …"
            };
            notes.push(format!(
                "{titles} rows are read as titles of sections, and not as questions: {}{more}",
                self.titles
                    .iter()
                    .map(|title| format!("{title:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        if *repeated_headers > 0 {
            notes.push(format!(
                "the header comes again {repeated_headers} times; passed over"
            ));
        }
        if *short > 0 {
            notes.push(format!(
                "{short} rows end before the header does; what is missing is empty"
            ));
        }
        if *filled_down > 0 {
            notes.push(format!(
                "{filled_down} empty cells took the value above (--fill-down)"
            ));
        }
        notes
    }
}
