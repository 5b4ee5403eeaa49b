//! Rows of a JSONL file: one JSON object a line.

use domain::{RejectionReason, RowIssue};
use serde_json::Value;

use super::source::{Line, Lines, MAX_LINE_BYTES};
use super::{Fields, Record, Records};

/// The rows of a JSONL file.
pub struct JsonRecords {
    lines: Lines,
}

impl JsonRecords {
    /// The rows of `lines`.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines }
    }
}

impl Records for JsonRecords {
    fn next_record(&mut self) -> Option<Record> {
        loop {
            let (number, line) = self.lines.next_line()?;
            let record = match line {
                Line::Oversized(start, length) => Record {
                    number,
                    fields: Err(oversized(length)),
                    raw: start,
                },
                Line::Whole(line) => {
                    let text = line
                        .strip_prefix(b"\xEF\xBB\xBF")
                        .unwrap_or(&line)
                        .trim_ascii();
                    if text.is_empty() {
                        continue;
                    }
                    Record {
                        number,
                        fields: parse(text),
                        raw: line,
                    }
                }
            };
            return Some(record);
        }
    }

    fn problem(&self) -> Option<String> {
        self.lines.problem().map(str::to_owned)
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

/// The issue of a row that is longer than any row may be.
pub(super) fn oversized(length: u64) -> RowIssue {
    unreadable(format!(
        "the row has {length} bytes and at most {MAX_LINE_BYTES} are read; shorten its text or split it"
    ))
}

/// The issue of a row that cannot be read.
pub(super) fn unreadable(message: impl Into<String>) -> RowIssue {
    RowIssue {
        reason: RejectionReason::Unreadable,
        field: String::new(),
        message: message.into(),
    }
}

/// The issue of bytes that are not UTF-8.
pub(super) fn bad_utf8(bytes: &[u8], error: std::str::Utf8Error) -> RowIssue {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or_default();
    unreadable(format!(
        "byte {} of the row (0x{byte:02X}) is not UTF-8; save the file as UTF-8",
        at + 1
    ))
}

/// The item id of a row that cannot be parsed, where it can be made out all the same.
#[must_use]
pub(super) fn guess_id(start: &str) -> Option<String> {
    let (_, rest) = start.split_once("\"id\"")?;
    let rest = rest
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    let (id, _) = rest.split_once('"')?;
    (!id.is_empty() && id.len() <= 128 && !id.contains('\\')).then(|| id.to_owned())
}

fn parse(line: &[u8]) -> Result<Fields, RowIssue> {
    let text = std::str::from_utf8(line).map_err(|error| bad_utf8(line, error))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            let what = match other {
                Value::Array(_) => "a list",
                Value::String(_) => "a text",
                Value::Number(_) => "a number",
                Value::Bool(_) => "true or false",
                Value::Null | Value::Object(_) => "null",
            };
            Err(unreadable(format!(
                "the row is {what}; write an object with the fields, such as {{\"id\": …, \"text\": …}}"
            )))
        }
        Err(error) => Err(unreadable(explain(text, &error))),
    }
}

/// What a person can do about JSON that does not parse.
fn explain(text: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let column = error.column();
    let remedy = if error.is_eof() {
        "the object does not end on its line: write each object whole on one line"
    } else if said.contains("trailing characters") {
        "more follows after the object: put each object on a line of its own"
    } else if said.contains("surrogate") || said.contains("hex escape") {
        "half of a \\u pair stands alone: write the whole character"
    } else if said.contains("recursion") {
        "it is nested too deep"
    } else if not_a_number(text, column) {
        "JSON has no NaN or Infinity: leave the field out"
    } else {
        "check the quotes and commas before it"
    };
    format!("the row is not JSON at character {column} ({said}); {remedy}")
}

fn not_a_number(text: &str, column: usize) -> bool {
    let around = text
        .as_bytes()
        .get(column.saturating_sub(2)..)
        .unwrap_or_default();
    let word: &[u8] = &around[..around.len().min(4)];
    word.windows(2).any(|pair| pair == b"Na" || pair == b"In")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &[u8]) -> String {
        parse(line).unwrap_err().message
    }

    #[test]
    fn each_flaw_has_its_remedy() {
        assert!(message(b"{\"id\": \"a\xff\"}").contains("0xFF"));
        assert!(message(br#"{"id": "a", "text": "\ud800 x"}"#).contains("\\u pair"));
        assert!(message(br#"{"id": "a""#).contains("whole on one line"));
        assert!(message(br#"{"id": "a"} {"id": "b"}"#).contains("line of its own"));
        assert!(message(br#"{"id": "a", "value": NaN}"#).contains("NaN"));
        assert!(message(br#"["a"]"#).contains("a list"));
        assert!(message(b"null").contains("null"));
        assert!(message("[".repeat(4_000).as_bytes()).contains("nested"));
    }

    #[test]
    fn the_id_of_a_broken_row_is_found_where_it_can_be() {
        assert_eq!(
            guess_id(r#"{"id": "q-1", "text": "#).as_deref(),
            Some("q-1")
        );
        assert_eq!(guess_id(r#"{"text": "x"}"#), None);
        assert_eq!(guess_id(r#"{"id": 4"#), None);
    }
}
