//! Rows of a CSV file, with a header.
//!
//! Records are split here and not by the `csv` crate's reader, which takes a quote that is never
//! closed for the rest of the file: here such a record is given back as bad, and reading goes on
//! with the next line. No record is read beyond the bound of a line.

use std::collections::VecDeque;

use domain::RowIssue;
use serde_json::Value;

use super::jsonl::{bad_utf8, oversized, unreadable};
use super::source::{Line, Lines, MAX_LINE_BYTES};
use super::{Fields, FileError, KNOWN_FIELDS, Record, Records};

/// The rows of a CSV file.
pub struct CsvRecords {
    lines: Lines,
    /// Lines that were read ahead for a record that turned out to be broken.
    ahead: VecDeque<Line>,
    header: Vec<String>,
    delimiter: u8,
    number: u64,
}

/// A record before its columns have names.
struct Split {
    raw: Vec<u8>,
    columns: Result<Vec<String>, RowIssue>,
}

impl CsvRecords {
    /// Reads the header; an empty file has none, and no rows. Without `delimiter`, the header's
    /// most frequent one of `,`, `;` and tab is taken.
    ///
    /// # Errors
    /// When the header cannot be read, or names a column twice.
    pub fn new(lines: Lines, delimiter: Option<u8>) -> Result<Self, FileError> {
        let mut records = Self {
            lines,
            ahead: VecDeque::new(),
            header: Vec::new(),
            delimiter: b',',
            number: 0,
        };
        let Some(raw) = records.next_filled_line() else {
            return Ok(records);
        };
        let Line::Whole(first) = raw else {
            return Err(FileError::new(
                "the header is longer than any header can be",
            ));
        };
        records.delimiter = delimiter.unwrap_or_else(|| most_frequent_delimiter(&first));
        records.ahead.push_front(Line::Whole(first));
        if let Some(split) = records.split_next() {
            let columns = split.columns.map_err(|issue| {
                FileError::new(format!("the header cannot be read: {}", issue.message))
            })?;
            records.header = columns.into_iter().enumerate().map(header_name).collect();
        }
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = records
            .header
            .iter()
            .find(|name| !names.insert(name.as_str()))
        {
            return Err(FileError::new(format!(
                "the header names the column `{twice}` twice; rename one of them"
            )));
        }
        Ok(records)
    }

    fn next_physical(&mut self) -> Option<Line> {
        self.ahead
            .pop_front()
            .or_else(|| self.lines.next_line().map(|(_, line)| line))
    }

    fn next_filled_line(&mut self) -> Option<Line> {
        loop {
            match self.next_physical()? {
                Line::Whole(line) if line.trim_ascii().is_empty() => {}
                line => return Some(line),
            }
        }
    }

    /// The next record, split into its columns.
    fn split_next(&mut self) -> Option<Split> {
        let first = match self.next_filled_line()? {
            Line::Whole(first) => first,
            Line::Oversized(raw, length) => {
                return Some(Split {
                    raw,
                    columns: Err(oversized(length)),
                });
            }
        };
        let mut taken = vec![first];
        let mut splitter = Splitter::new(self.delimiter);
        let mut size = 0;
        let flaw = loop {
            let line = &taken[taken.len() - 1];
            size += line.len();
            match splitter.feed(line) {
                Ok(false) => {
                    let columns = splitter.into_columns();
                    return Some(Split {
                        raw: taken.concat(),
                        columns,
                    });
                }
                Ok(true) => {}
                Err(flaw) => break flaw,
            }
            if size > MAX_LINE_BYTES {
                break UNCLOSED;
            }
            match self.next_physical() {
                Some(Line::Whole(line)) => taken.push(line),
                Some(oversized) => {
                    self.ahead.push_front(oversized);
                    break UNCLOSED;
                }
                None => break UNCLOSED,
            }
        };
        // The record's first line is what is broken; the lines after it get their own chance.
        let mut taken = taken.into_iter();
        let first = taken.next().unwrap_or_default();
        for line in taken.rev() {
            self.ahead.push_front(Line::Whole(line));
        }
        Some(Split {
            raw: first,
            columns: Err(unreadable(flaw)),
        })
    }

    fn named(&self, fields: Vec<String>) -> Result<Fields, RowIssue> {
        if fields.len() != self.header.len() {
            return Err(unreadable(self.explain_count(&fields)));
        }
        let values = fields.into_iter().map(Value::String);
        Ok(self.header.iter().cloned().zip(values).collect())
    }

    fn explain_count(&self, fields: &[String]) -> String {
        let (found, wanted) = (fields.len(), self.header.len());
        let delimiter = char::from(self.delimiter);
        let other = [';', '\t', ','].into_iter().find(|other| {
            *other != delimiter
                && fields
                    .iter()
                    .map(|f| f.matches(*other).count())
                    .sum::<usize>()
                    + 1
                    >= wanted
        });
        let remedy = match other {
            Some(other) => format!("it is separated by {other:?}, the header by {delimiter:?}"),
            None if found > wanted => {
                format!("put quotes around a text that has {delimiter:?} in it")
            }
            None => "add the missing columns, empty ones too".to_owned(),
        };
        let columns = if found == 1 { "column" } else { "columns" };
        format!("the row has {found} {columns} and the header {wanted}; {remedy}")
    }
}

impl Records for CsvRecords {
    fn next_record(&mut self) -> Option<Record> {
        let Split { raw, columns } = self.split_next()?;
        self.number += 1;
        let fields = columns.and_then(|columns| self.named(columns));
        Some(Record {
            number: self.number,
            fields,
            raw,
        })
    }

    fn problem(&self) -> Option<String> {
        self.lines.problem().map(str::to_owned)
    }

    fn unit(&self) -> &'static str {
        "record"
    }
}

const UNCLOSED: &str =
    "a quote is opened and never closed; close it, or write a quote inside a text twice (\"\")";
const STRAY: &str =
    "a text goes on after its closing quote; write a quote inside a quoted text twice (\"\")";

fn most_frequent_delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| header.iter().filter(|byte| **byte == delimiter).count();
    // The last of equals wins, and a file of one column is comma-separated as well as anything.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}

fn header_name((place, name): (usize, String)) -> String {
    let name = name.trim();
    let lower = name.to_lowercase();
    match name {
        "" => format!("column_{}", place + 1),
        _ if KNOWN_FIELDS.contains(&lower.as_str()) => lower,
        _ => name.to_owned(),
    }
}

/// Where the splitter stands.
enum At {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or the first half of a written quote.
    Quote,
}

/// Splits one record, line by line.
struct Splitter {
    delimiter: u8,
    at: At,
    field: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            at: At::FieldStart,
            field: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Takes a line with its line end; true when the record goes on with the next line.
    fn feed(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        for byte in body {
            self.take(*byte)?;
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

    fn into_columns(self) -> Result<Vec<String>, RowIssue> {
        let texts = self.fields.into_iter().map(String::from_utf8);
        texts
            .collect::<Result<_, _>>()
            .map_err(|error| bad_utf8(error.as_bytes(), error.utf8_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Vec<String>, String>> {
        let lines = Lines::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())));
        let mut records = CsvRecords::new(lines, None).unwrap();
        let header = records.header.clone();
        std::iter::from_fn(|| records.next_record())
            .map(|record| {
                let mut fields = record.fields.map_err(|issue| issue.message)?;
                let mut value = |name: &String| fields.remove(name).unwrap();
                Ok(header
                    .iter()
                    .map(|n| value(n).as_str().unwrap().to_owned())
                    .collect())
            })
            .collect()
    }

    #[test]
    fn quotes_newlines_and_mixed_line_ends() {
        let rows = read("id,text\r\na,\"one\r\ntwo \"\"x\"\", y\"\nb,plain\r\n\n\"c\" ,d\"e");
        let good: Vec<Vec<String>> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            good,
            [["a", "one\r\ntwo \"x\", y"], ["b", "plain"], ["c", "d\"e"]]
        );
    }

    #[test]
    fn an_unclosed_quote_costs_one_row_only() {
        let rows = read("id,text\na,\"open\nb,fine\nc,\"also fine\"\n");
        assert!(
            rows[0]
                .as_ref()
                .is_err_and(|m| m.contains("closing quote") || m.contains("never"))
        );
        assert_eq!(rows[1], Ok(vec!["b".into(), "fine".into()]));
        assert_eq!(rows[2], Ok(vec!["c".into(), "also fine".into()]));
        let last = read("id,text\na,b\nc,\"open");
        assert!(last[1].as_ref().is_err_and(|m| m.contains("never closed")));
    }

    #[test]
    fn a_quote_that_never_closes_stays_bounded() {
        let mut text = "id,text\na,\"open\n".to_owned();
        for row in 0..60_000 {
            text.push_str(&format!("r{row},this row has nothing wrong with it\n"));
        }
        let rows = read(&text);
        assert_eq!(rows.len(), 60_001);
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 1);
    }

    #[test]
    fn ragged_rows_say_how_to_mend_them() {
        let rows = read("id,text,area\na,b\nc,d,e,f\ng;h;i\n");
        let message = |row: usize| rows[row].as_ref().unwrap_err().clone();
        assert!(
            message(0).contains("2 columns and the header 3; add"),
            "{}",
            message(0)
        );
        assert!(message(1).contains("put quotes"), "{}", message(1));
        assert!(message(2).contains("separated by ';'"), "{}", message(2));
    }

    #[test]
    fn the_delimiter_comes_from_the_header() {
        assert_eq!(
            read("ID;Text\na;b, c\n"),
            [Ok(vec!["a".into(), "b, c".into()])]
        );
        assert_eq!(read("id\ttext\na\tb\n"), [Ok(vec!["a".into(), "b".into()])]);
        assert!(read("").is_empty() && read("id,text\n").is_empty());
    }
}
