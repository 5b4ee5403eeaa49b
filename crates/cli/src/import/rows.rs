//! Makes an item of a row's fields.

use std::collections::HashMap;

use api::rules::{MAX_ATTRIBUTES, RejectionReason, RowIssue, has_usable_text};
use api::v1;
use tables::times::{ReadTime, TimeRules};
use tables::{Fields, Remark, RemarkKind, Value, cells, value};

use super::KNOWN_FIELDS;
use super::profile::{Kind, Profile};

/// The most characters of an attribute's value.
const ATTRIBUTE_CHARS: usize = 4_096;

/// How strictly values are read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What the file's rows have.
    pub profile: &'a Profile,
    /// Take any scalar for a text, and one text for a list.
    pub loose: bool,
    /// How times are written.
    pub times: &'a TimeRules,
    /// The file is an export: no word stands for nobody or nothing.
    pub verbatim: bool,
}

/// A row that can be an item.
pub struct Read {
    /// The item; without a time when the row has none.
    pub item: v1::Item,
    /// How its time was read.
    pub time: Option<ReadTime>,
    /// A field names nobody in words: `N/A`, `TBD`.
    pub nobody: bool,
    /// What a person should know.
    pub remarks: Vec<Remark>,
}

impl Reading<'_> {
    /// The item that the fields say.
    ///
    /// # Errors
    /// The first field that has another type, or a time that cannot be read.
    pub fn item(self, fields: &Fields) -> Result<Read, RowIssue> {
        let text = self.text(fields, "text")?;
        if !self.verbatim {
            refuse_no_words(fields, &text)?;
        }
        let mut people = self.list(fields, "experts")?;
        let main = self.text(fields, "expert")?;
        if !main.trim().is_empty() {
            people.insert(0, main);
        }
        people.extend(self.list(fields, "also")?);
        let named = people.len();
        let mut seen = std::collections::HashSet::new();
        people.retain(|one| self.verbatim || !cells::is_nothing(one));
        let nobody = people.len() < named;
        people.retain(|one| seen.insert(one.clone()));
        let mut labels = self.list(fields, "labels")?;
        labels.push(self.text(fields, "label")?);
        labels.retain(|label| !label.is_empty() && (self.verbatim || !cells::is_blank(label)));
        let mut remarks = Vec::new();
        let time = self.time(fields)?;
        Ok(Read {
            item: v1::Item {
                item_id: self.id(fields)?,
                text,
                answer: self.told(&mut remarks, "answer", self.text(fields, "answer")?),
                area: self.told(&mut remarks, "area", self.text(fields, "area")?),
                labels,
                attributes: self.attributes(fields, &mut remarks)?,
                experts: people,
                occur_time: time.map(|time| api::timestamp(time.at)),
                ..v1::Item::default()
            },
            time,
            nobody,
            remarks,
        })
    }

    fn id(self, fields: &Fields) -> Result<String, RowIssue> {
        let id = self.text(fields, "id")?;
        if self.verbatim {
            return Ok(id);
        }
        if let Some(error) = cells::error(&id) {
            let message = format!("`id` is the error {error} of the spreadsheet; write the id");
            return Err(issue(RejectionReason::InvalidField, "id", message));
        }
        Ok(if self.profile.is_float_column("id") {
            value::number(&id)
        } else {
            id
        })
    }

    fn text(self, fields: &Fields, field: &str) -> Result<String, RowIssue> {
        let Some(value) = fields.get(field) else {
            return Ok(String::new());
        };
        // Where a whole file has numbers there, that is its way of writing them.
        let numbers = self.profile.usual_kind(field) == Some(Kind::Number);
        match value {
            Value::Null => Ok(String::new()),
            Value::Text(text) => Ok(text.clone()),
            Value::Number(number) if self.loose || numbers => Ok(number.clone()),
            Value::Truth(truth) if self.loose => Ok(truth.to_string()),
            other => Err(wrong_type(field, other, "a text")),
        }
    }

    fn list(self, fields: &Fields, field: &str) -> Result<Vec<String>, RowIssue> {
        let numbers = self.loose || self.profile.lists_numbers(field);
        match fields.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::List(values)) => {
                let text = |value: &Value| match value {
                    Value::Text(text) => Ok(text.clone()),
                    Value::Number(number) if numbers => Ok(number.clone()),
                    other => Err(wrong_type(field, other, "a list of texts")),
                };
                let texts = values.iter().map(text);
                texts
                    .filter(|t| t.as_ref().map_or(true, |t| !t.trim().is_empty()))
                    .collect()
            }
            Some(Value::Text(text)) if text.trim().is_empty() => Ok(Vec::new()),
            Some(Value::Text(text)) if self.loose => Ok(vec![text.clone()]),
            Some(other) => Err(wrong_type(field, other, "a list of texts")),
        }
    }

    fn attributes(
        self,
        fields: &Fields,
        remarks: &mut Vec<Remark>,
    ) -> Result<HashMap<String, String>, RowIssue> {
        let mut attributes = HashMap::new();
        match fields.get("attributes") {
            None | Some(Value::Null) => {}
            Some(Value::Object(object)) => attributes_of(object, &mut attributes)?,
            Some(Value::Text(text)) if text.is_empty() => {}
            // As a table writes them, in one cell.
            Some(Value::Text(text)) => match tables::jsonl::object(text) {
                Some(object) => attributes_of(&object, &mut attributes)?,
                None => {
                    let wrong = Value::Text(text.clone());
                    return Err(wrong_type("attributes", &wrong, "an object"));
                }
            },
            Some(other) => return Err(wrong_type("attributes", other, "an object")),
        }
        for (name, value) in fields {
            if KNOWN_FIELDS.contains(&name.as_str()) || !value.is_filled() {
                continue;
            }
            let usual = self.profile.usual_kind(name);
            if let Some(usual) = usual.filter(|kind| !self.loose && Kind::of(value) != Some(*kind))
            {
                return Err(unusual(name, value, usual));
            }
            // Lists and objects have no place among attributes; the summary says they are left out.
            let text = value.scalar().map(|text| self.told(remarks, name, text));
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                attributes.insert(name.clone(), text);
            }
        }
        check_attributes(&attributes)?;
        Ok(attributes)
    }

    fn time(self, fields: &Fields) -> Result<Option<ReadTime>, RowIssue> {
        let text = match fields.get("at") {
            None | Some(Value::Null) => return Ok(None),
            // MySQL writes zeros where there is not a time.
            Some(Value::Text(text))
                if cells::is_nothing(text) || text.starts_with("0000-00-00") =>
            {
                return Ok(None);
            }
            Some(Value::Text(text)) => text,
            Some(Value::Number(number)) if self.times.format.is_some() => number,
            Some(other) => {
                let wanted = "a text such as \"2024-05-01T09:00:00Z\"";
                return Err(wrong_type("at", other, wanted));
            }
        };
        self.times
            .read(text)
            .map(Some)
            .map_err(|why| issue(RejectionReason::InvalidTime, "at", format!("`at` {why}")))
    }

    /// The text of a cell, or nothing and a remark where it is an error of the spreadsheet.
    fn told(self, remarks: &mut Vec<Remark>, field: &str, text: String) -> String {
        let Some(error) = cells::error(&text).filter(|_| !self.verbatim) else {
            return text;
        };
        remarks.push(Remark {
            kind: RemarkKind::CellError,
            field: field.to_owned(),
            message: format!(
                "`{field}` is the error {error} of the spreadsheet, and taken for empty"
            ),
        });
        String::new()
    }
}

/// A text without words is no question: empty, an error of the spreadsheet, `N/A`, `TBD`.
fn refuse_no_words(fields: &Fields, text: &str) -> Result<(), RowIssue> {
    let said = fields
        .get("text")
        .is_some_and(|value| *value != Value::Null);
    let why = if let Some(error) = cells::error(text) {
        format!("is the error {error} of the spreadsheet")
    } else if !has_usable_text(text) {
        "has nothing to read in it".to_owned()
    } else if cells::is_nothing(text) && text.trim().chars().any(char::is_alphanumeric) {
        format!("is {:?}, which is no question", text.trim())
    } else {
        return Ok(());
    };
    if !said {
        // Missing: told with the other fields that a row needs.
        return Ok(());
    }
    let message = format!("`text` {why}; write the question's words");
    Err(issue(RejectionReason::EmptyText, "text", message))
}

fn attributes_of(
    object: &Fields,
    attributes: &mut HashMap<String, String>,
) -> Result<(), RowIssue> {
    for (name, value) in object {
        match value.scalar() {
            Some(text) => drop(attributes.insert(name.clone(), text)),
            None if *value == Value::Null => {}
            None => return Err(wrong_type("attributes", value, "texts and numbers")),
        }
    }
    Ok(())
}

/// The server has the same bounds; only here is it known that attributes are columns.
fn check_attributes(attributes: &HashMap<String, String>) -> Result<(), RowIssue> {
    if attributes.len() > MAX_ATTRIBUTES {
        let message = format!(
            "the row has {} fields beside those with a meaning, and at most {MAX_ATTRIBUTES} are kept \
             with an item; name the columns to read: --columns id,text,expert",
            attributes.len()
        );
        return Err(issue(RejectionReason::TooMany, "attributes", message));
    }
    let long =
        |text: &String| text.len() > ATTRIBUTE_CHARS && text.chars().count() > ATTRIBUTE_CHARS;
    let mut longer = attributes.iter().filter(|(_, text)| long(text));
    let Some(name) = longer.by_ref().map(|(name, _)| name).min() else {
        return Ok(());
    };
    let message = format!(
        "`{name}` has more than {ATTRIBUTE_CHARS} characters; shorten it, or leave the column out by \
         naming the others: --columns id,text,expert"
    );
    Err(issue(RejectionReason::TooLong, name, message))
}

/// An issue whose message is a sentence of its own.
#[must_use]
pub fn issue(reason: RejectionReason, field: &str, message: String) -> RowIssue {
    RowIssue {
        reason,
        field: field.to_owned(),
        message,
    }
}

fn wrong_type(field: &str, value: &Value, wanted: &str) -> RowIssue {
    let found = Kind::of(value).map_or("null", Kind::words);
    let hint = match (field, value) {
        ("expert", Value::List(_)) => "name the list `experts`, or write one expert",
        ("also" | "experts" | "labels", Value::Text(_)) => "write [\"…\"], or pass --types any",
        ("at", Value::Number(_)) => "say what it counts: --time-format unix, unix-ms or excel",
        (_, Value::Number(_) | Value::Truth(_)) if field != "at" => {
            "put it in quotes, or pass --types any"
        }
        ("text", _) => "write the question's words",
        _ => "correct the row",
    };
    let message = format!("`{field}` is {found} where {wanted} belongs; {hint}");
    issue(RejectionReason::WrongType, field, message)
}

fn unusual(field: &str, value: &Value, usual: Kind) -> RowIssue {
    let found = Kind::of(value).map_or("null", Kind::words);
    let usual = usual.words();
    let message = format!(
        "`{field}` is {found}, though this file's rows have {usual} there; write {usual}, or pass \
         --types any"
    );
    issue(RejectionReason::WrongType, field, message)
}
