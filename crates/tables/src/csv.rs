//! Records of a CSV file.
//!
//! Records are split here and not by the `csv` crate's reader, which takes a quote that is never
//! closed for the rest of the file: here such a record is given back as bad, and reading goes on
//! with the next line. No record is read beyond the bound of a line.

use std::collections::VecDeque;

use domain::RowIssue;

use crate::delimiter;
use crate::error::{FileError, bad_utf8, oversized, unreadable};
use crate::grid::{Grid, GridRow};
use crate::lines::{Line, Lines, MAX_LINE_BYTES, without_end};
use crate::value::Value;

/// The records of a CSV file.
pub struct CsvGrid {
    lines: Lines,
    /// Lines that were read ahead for a record that turned out to be broken.
    ahead: VecDeque<(u64, Line)>,
    delimiter: u8,
    number: u64,
}

/// A record: its first line's number, its text and its cells.
struct Split {
    line: u64,
    raw: Vec<u8>,
    cells: Result<Vec<Value>, RowIssue>,
}

impl CsvGrid {
    /// The records of `lines`, whose beginning is `start`. Without `delimiter` it is found out of the
    /// `sep=` line that spreadsheets write, or of what fits most rows.
    ///
    /// # Errors
    /// When the first line is longer than any header can be.
    pub fn new(lines: Lines, start: &[u8], delimiter: Option<u8>) -> Result<Self, FileError> {
        let mut grid = Self {
            lines,
            ahead: VecDeque::new(),
            delimiter: delimiter.unwrap_or_else(|| delimiter::find(start)),
            number: 0,
        };
        match grid.next_filled_line() {
            Some((_, Line::Oversized(..))) => {
                return Err(FileError::new(
                    "the header is longer than any header can be",
                ));
            }
            Some((number, Line::Whole(first))) => match delimiter::named(&first) {
                Some(named) => grid.delimiter = delimiter.unwrap_or(named),
                None => grid.ahead.push_front((number, Line::Whole(first))),
            },
            None => {}
        }
        Ok(grid)
    }

    /// What separates its columns.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    fn next_physical(&mut self) -> Option<(u64, Line)> {
        self.ahead.pop_front().or_else(|| self.lines.next_line())
    }

    fn next_filled_line(&mut self) -> Option<(u64, Line)> {
        loop {
            match self.next_physical()? {
                (_, Line::Whole(line)) if line.trim_ascii().is_empty() => {}
                line => return Some(line),
            }
        }
    }

    /// The next record, split into its cells.
    fn split_next(&mut self) -> Option<Split> {
        let (line, first) = match self.next_filled_line()? {
            (line, Line::Whole(first)) => (line, first),
            (line, Line::Oversized(raw, length)) => {
                return Some(Split {
                    line,
                    raw,
                    cells: Err(oversized(length)),
                });
            }
        };
        let mut taken = vec![first];
        let mut splitter = Splitter::new(self.delimiter);
        let mut size = 0;
        let flaw = loop {
            let last = &taken[taken.len() - 1];
            size += last.len();
            match splitter.feed(last) {
                Ok(false) => {
                    let cells = splitter.into_cells();
                    return Some(Split {
                        line,
                        raw: taken.concat(),
                        cells,
                    });
                }
                Ok(true) => {}
                Err(flaw) => break flaw,
            }
            if size > MAX_LINE_BYTES {
                break UNCLOSED;
            }
            match self.next_physical() {
                Some((_, Line::Whole(next))) => taken.push(next),
                Some(oversized) => {
                    self.ahead.push_front(oversized);
                    break UNCLOSED;
                }
                None => break UNCLOSED,
            }
        };
        // The record's first line is what is broken; the lines after it get their own chance.
        let mut taken = (line..).zip(taken);
        let first = taken.next().map_or_else(Vec::new, |(_, first)| first);
        let after: Vec<_> = taken.collect();
        for (number, next) in after.into_iter().rev() {
            self.ahead.push_front((number, Line::Whole(next)));
        }
        Some(Split {
            line,
            raw: first,
            cells: Err(unreadable(flaw)),
        })
    }
}

impl Grid for CsvGrid {
    fn next_row(&mut self) -> Option<GridRow> {
        let Split { line, raw, cells } = self.split_next()?;
        self.number += 1;
        Some(GridRow {
            number: self.number,
            line,
            cells,
            raw,
        })
    }

    fn problem(&self) -> Option<String> {
        self.lines.problem().map(str::to_owned)
    }

    fn unit(&self) -> &'static str {
        "record"
    }

    fn counts_from_header(&self) -> bool {
        true
    }

    fn explain_width(&self, cells: &[Value], header: usize) -> Option<String> {
        let own = char::from(self.delimiter);
        let count = |other: char| -> usize {
            let texts = cells.iter().filter_map(|cell| match cell {
                Value::Text(text) => Some(text),
                _ => None,
            });
            texts.map(|text| text.matches(other).count()).sum()
        };
        let fits = |other: &char| *other != own && header > 1 && count(*other) + 1 >= header;
        match [';', '\t', ','].into_iter().find(fits) {
            Some(other) => Some(format!(
                "it is separated by {other:?}, the header by {own:?}"
            )),
            None if cells.len() > header => {
                Some(format!("put quotes around a text that has {own:?} in it"))
            }
            None => None,
        }
    }
}

const UNCLOSED: &str =
    "a quote is opened and never closed; close it, or write a quote inside a text twice (\"\")";
const STRAY: &str =
    "a text goes on after its closing quote; write a quote inside a quoted text twice (\"\")";

/// Where the splitter stands.
enum At {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or the first half of a written quote.
    Quote,
}

/// Splits one record, line by line.
pub(crate) struct Splitter {
    delimiter: u8,
    at: At,
    field: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl Splitter {
    /// A splitter at the beginning of a record.
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            at: At::FieldStart,
            field: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Takes a line with its line end; true when the record goes on with the next line.
    pub(crate) fn feed(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let body = without_end(line);
        let mut rest = body;
        while let Some(byte) = rest.first() {
            // What means nothing where the splitter stands is taken in one go.
            let run = match self.at {
                At::Quoted => memchr::memchr(b'"', rest).unwrap_or(rest.len()),
                At::Plain => memchr::memchr(self.delimiter, rest).unwrap_or(rest.len()),
                At::FieldStart | At::Quote => 0,
            };
            self.field.extend_from_slice(&rest[..run]);
            rest = &rest[run..];
            if run == 0 {
                self.take(*byte)?;
                rest = &rest[1..];
            }
        }
        if matches!(self.at, At::Quoted) {
            self.field.extend_from_slice(&line[body.len()..]);
            return Ok(true);
        }
        self.end_field();
        Ok(false)
    }

    fn take(&mut self, byte: u8) -> Result<(), &'static str> {
        match self.at {
            At::Quoted if byte == b'"' => self.at = At::Quote,
            At::Quoted => self.field.push(byte),
            At::FieldStart if byte == b'"' => self.at = At::Quoted,
            _ if byte == self.delimiter => self.end_field(),
            At::Quote if byte == b'"' => {
                self.field.push(b'"');
                self.at = At::Quoted;
            }
            At::Quote if byte == b' ' => {}
            At::Quote => return Err(STRAY),
            At::FieldStart | At::Plain => {
                self.field.push(byte);
                self.at = At::Plain;
            }
        }
        Ok(())
    }

    fn end_field(&mut self) {
        self.fields.push(std::mem::take(&mut self.field));
        self.at = At::FieldStart;
    }

    /// How many fields have ended.
    pub(crate) fn count(&self) -> usize {
        self.fields.len()
    }

    fn into_cells(self) -> Result<Vec<Value>, RowIssue> {
        let texts = self.fields.into_iter().map(String::from_utf8);
        texts
            .map(|text| text.map(Value::Text))
            .collect::<Result<_, _>>()
            .map_err(|error| bad_utf8(error.as_bytes(), error.utf8_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Vec<String>, String>> {
        let lines = Lines::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())));
        let mut grid = CsvGrid::new(lines, text.as_bytes(), None).unwrap();
        std::iter::from_fn(|| grid.next_row())
            .map(|row| {
                let cells = row.cells.map_err(|issue| issue.message)?;
                Ok(cells.iter().map(|cell| cell.scalar().unwrap()).collect())
            })
            .collect()
    }

    fn good(text: &str) -> Vec<Vec<String>> {
        read(text).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn quotes_newlines_and_mixed_line_ends() {
        let rows = good("id,text\r\na,\"one\r\ntwo \"\"x\"\", y\"\nb,plain\r\n\n\"c\" ,d\"e\rf,g");
        let expected = [
            ["id", "text"],
            ["a", "one\r\ntwo \"x\", y"],
            ["b", "plain"],
            ["c", "d\"e"],
            ["f", "g"],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn an_unclosed_quote_costs_one_row_only() {
        let rows = read("id,text\na,\"open\nb,fine\nc,\"also fine\"\n");
        let message = rows[1].as_ref().unwrap_err();
        assert!(
            message.contains("closing quote") || message.contains("never"),
            "{message}"
        );
        assert_eq!(rows[2], Ok(vec!["b".into(), "fine".into()]));
        assert_eq!(rows[3], Ok(vec!["c".into(), "also fine".into()]));
        let last = read("id,text\na,b\nc,\"open");
        assert!(last[2].as_ref().is_err_and(|m| m.contains("never closed")));
    }

    #[test]
    fn a_quote_that_never_closes_stays_bounded() {
        let mut text = "id,text\na,\"open\n".to_owned();
        for row in 0..60_000 {
            text.push_str(&format!("r{row},this row has nothing wrong with it\n"));
        }
        let rows = read(&text);
        assert_eq!(rows.len(), 60_002);
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 1);
    }

    #[test]
    fn a_line_that_names_the_delimiter_is_no_row() {
        assert_eq!(
            good("sep=;\nid;text\na;b, c, d\n"),
            [["id", "text"], ["a", "b, c, d"]]
        );
        assert_eq!(good("\"sep=\t\"\r\nid\ttext\n"), [["id", "text"]]);
        assert!(read("").is_empty());
    }
}
