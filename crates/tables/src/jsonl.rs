//! Rows of a file of JSON: one object a line, and what else people call so where its meaning is
//! certain: several objects on a line, commas after them, or one list of objects.

use std::collections::VecDeque;

use domain::RowIssue;

use crate::document::Objects;
use crate::error::{bad_utf8, oversized, unreadable};
use crate::json::{Parsed, parse_value};
use crate::lines::{Line, Lines};
use crate::record::{Content, Record, Records, Remark, RemarkKind};
use crate::value::{Fields, Value};

/// The rows of a file of JSON.
pub struct JsonRecords {
    lines: Lines,
    /// One list, or objects over many lines: cut into objects by their braces.
    document: Option<Objects>,
    waiting: VecDeque<Record>,
}

impl JsonRecords {
    /// The rows of `lines`, whose text begins with `start`.
    #[must_use]
    pub fn new(lines: Lines, start: &[u8]) -> Self {
        Self {
            lines,
            document: is_document(start).then(Objects::default),
            waiting: VecDeque::new(),
        }
    }

    fn next_line(&mut self) -> Option<(u64, Line)> {
        match &mut self.document {
            Some(objects) => objects.next_object(&mut self.lines),
            None => self.lines.next_line(),
        }
    }
}

impl Records for JsonRecords {
    fn next_record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Some(record);
            }
            let (number, line) = self.next_line()?;
            match line {
                Line::Oversized(start, length) => {
                    return Some(Record::bad(number, oversized(length), start));
                }
                Line::Whole(line) => self.waiting.extend(records_of(number, line)),
            }
        }
    }

    fn problem(&self) -> Option<String> {
        self.lines.problem().map(str::to_owned)
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

/// Whether the text is one list of objects, or has its objects over several lines.
fn is_document(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let first = start
        .trim_ascii_start()
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    let first = first.trim_ascii();
    let list = first
        .strip_prefix(b"[")
        .is_some_and(|rest| matches!(rest.trim_ascii_start().first(), None | Some(b'{')));
    list || first == b"{"
}

/// The records of one line; none of a blank one.
fn records_of(number: u64, line: Vec<u8>) -> Vec<Record> {
    // A byte-order mark, and the record separator of JSON text sequences (RFC 7464).
    let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
    let text = text.strip_prefix(b"\x1E").unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Vec::new();
    }
    match objects(text) {
        Ok(mut objects) if objects.len() == 1 => {
            let content = Content::Fields(objects.remove(0));
            vec![Record {
                number,
                content,
                raw: line,
                remarks: Vec::new(),
            }]
        }
        Ok(objects) => {
            let several = Remark {
                kind: RemarkKind::SeveralOnALine,
                field: String::new(),
                message: "more than one object stands on the line; each is read as a row"
                    .to_owned(),
            };
            let record = |fields| Record {
                number,
                content: Content::Fields(fields),
                raw: line.clone(),
                remarks: vec![several.clone()],
            };
            objects.into_iter().map(record).collect()
        }
        Err(issue) => vec![Record::bad(number, issue, line)],
    }
}

/// All objects of a line, if it has nothing but objects and commas between and after them.
fn objects(line: &[u8]) -> Result<Vec<Fields>, RowIssue> {
    let text = std::str::from_utf8(line).map_err(|error| bad_utf8(line, error))?;
    let mut objects = Vec::new();
    let mut before = 0;
    loop {
        let rest = text[before..].trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        before = text.len() - rest.len();
        if rest.is_empty() && !objects.is_empty() {
            return Ok(objects);
        }
        match parse_value(rest) {
            Ok(Parsed {
                value: Value::Object(fields),
                length,
            }) => {
                objects.push(fields);
                before += length;
            }
            Ok(_) if !objects.is_empty() => return Err(no_object(text, before)),
            Ok(Parsed { value, .. }) => return Err(unreadable(not_an_object(&value))),
            Err(_) if !objects.is_empty() && !rest.starts_with('{') => {
                return Err(no_object(text, before));
            }
            Err(error) => return Err(unreadable(explain(text, before, &error))),
        }
    }
}

fn no_object(text: &str, before: usize) -> RowIssue {
    let column = text[..before].chars().count() + 1;
    unreadable(format!(
        "something that is not an object follows at character {column}; put each object on a line of its own"
    ))
}

fn not_an_object(value: &Value) -> String {
    let what = match value {
        Value::List(_) => "a list",
        Value::Text(_) => "a text",
        Value::Number(_) => "a number",
        Value::Truth(_) => "true or false",
        Value::Null | Value::Object(_) => "null",
    };
    format!(
        "the row is {what}; write an object with the fields, such as {{\"id\": …, \"text\": …}}"
    )
}

/// The one JSON object that a text is; none of any other text.
#[must_use]
pub fn object(text: &str) -> Option<Fields> {
    let mut objects = objects(text.trim().as_bytes()).ok()?;
    objects.pop().filter(|_| objects.is_empty())
}

/// The item id of a row that cannot be parsed, where it can be made out all the same.
#[must_use]
pub fn guess_id(start: &str) -> Option<String> {
    let (_, rest) = start.split_once("\"id\"")?;
    let rest = rest
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    let (id, _) = rest.split_once('"')?;
    (!id.is_empty() && id.len() <= 256 && !id.contains('\\')).then(|| id.to_owned())
}

/// What a person can do about JSON that does not parse.
fn explain(text: &str, before: usize, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let column = before + error.column();
    let remedy = if error.is_eof() {
        "the object does not end on its line: write each object whole on one line"
    } else if said.contains("trailing characters") {
        "more follows after the object, and it is not an object: put each object on a line of its own"
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
    use std::io::Cursor;

    use super::*;

    fn message(line: &[u8]) -> String {
        objects(line).unwrap_err().message
    }

    fn ids(text: &str) -> Vec<(u64, String)> {
        let lines = Lines::new(Box::new(Cursor::new(text.as_bytes().to_vec())));
        let mut records = JsonRecords::new(lines, text.as_bytes());
        let all = std::iter::from_fn(|| records.next_record());
        all.map(|record| {
            let id = match record.content {
                Content::Fields(fields) => fields["id"].scalar().unwrap(),
                Content::Bad(issue) => issue.message,
                Content::Heading(_) => unreachable!("JSON has no headings"),
            };
            (record.number, id)
        })
        .collect()
    }

    fn rows(pairs: &[(u64, &str)]) -> Vec<(u64, String)> {
        pairs.iter().map(|(n, id)| (*n, (*id).to_owned())).collect()
    }

    #[test]
    fn each_flaw_has_its_remedy() {
        assert!(message(b"{\"id\": \"a\xff\"}").contains("0xFF"));
        assert!(message(br#"{"id": "a", "text": "\ud800 x"}"#).contains("\\u pair"));
        assert!(message(br#"{"id": "a""#).contains("whole on one line"));
        assert!(message(br#"{"id": "a"} b"#).contains("line of its own"));
        assert!(message(br#"{"id": "a", "value": NaN}"#).contains("NaN"));
        assert!(message(br#"["a"]"#).contains("a list"));
        assert!(message(b"null").contains("null"));
        assert!(message("[".repeat(4_000).as_bytes()).contains("nested"));
    }

    #[test]
    fn commas_and_several_objects_on_a_line_are_read() {
        let text = "\u{feff}{\"id\": \"a\"},\n{\"id\": \"b\"} {\"id\": \"c\"},{\"id\": \"d\"}\n";
        assert_eq!(ids(text), rows(&[(1, "a"), (2, "b"), (2, "c"), (2, "d")]));
    }

    #[test]
    fn one_list_is_read_object_by_object() {
        let one_line = "[{\"id\": \"a\"}, {\"id\": \"b]}\"}]\n";
        assert_eq!(ids(one_line), rows(&[(1, "a"), (1, "b]}")]));
        let pretty = "[\n  {\n    \"id\": \"a\",\n    \"x\": {\"y\": \"\\\"{\"}\n  },\n  {\n    \"id\": 7\n  }\n]\n";
        assert_eq!(ids(pretty), rows(&[(2, "a"), (6, "7")]));
        let without_list = "{\n  \"id\": \"a\"\n}\n{\n  \"id\": \"b\"\n}\n";
        assert_eq!(ids(without_list), rows(&[(1, "a"), (4, "b")]));
    }

    #[test]
    fn a_list_that_breaks_off_gives_what_is_whole() {
        let found = ids("[\n{\"id\": \"a\"},\n{\"id\": \"b\",\n");
        assert_eq!(found[0], (2, "a".to_owned()));
        assert!(found[1].1.contains("does not end"), "{found:?}");
    }

    #[test]
    fn digits_of_an_id_stay_whatever_their_number() {
        let text = "{\"id\": 123456789012345678901234}\n{\"id\": 1.0}\n{\"id\": 0.10}\n";
        assert_eq!(
            ids(text),
            rows(&[(1, "123456789012345678901234"), (2, "1"), (3, "0.10")])
        );
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
