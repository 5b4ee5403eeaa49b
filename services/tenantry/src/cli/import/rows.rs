//! Makes an item of a row's fields.

use api::v1;
use chrono::{DateTime, Utc};
use domain::{RejectionReason, RowIssue, has_usable_text};
use serde_json::Value;

use super::profile::{Kind, Profile, is_filled};
use super::{Fields, KNOWN_FIELDS};

/// How strictly values are read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What the file's rows have.
    pub profile: &'a Profile,
    /// Take any scalar for a text, and one text for a list.
    pub loose: bool,
}

impl Reading<'_> {
    /// The item that the fields say; without a time when they have none.
    ///
    /// # Errors
    /// The first field that has another type, or a time that cannot be read.
    pub fn item(self, fields: &Fields) -> Result<v1::Item, RowIssue> {
        let text = self.text(fields, "text")?;
        if fields.get("text").is_some_and(|value| !value.is_null()) && !has_usable_text(&text) {
            let message = "`text` has nothing to read in it; write the question's words".to_owned();
            return Err(issue(RejectionReason::EmptyText, "text", message));
        }
        let mut experts = self.list(fields, "experts")?;
        let main = self.text(fields, "expert")?;
        if !main.is_empty() {
            experts.insert(0, main);
        }
        experts.extend(self.list(fields, "also")?);
        let mut seen = std::collections::HashSet::new();
        experts.retain(|expert| seen.insert(expert.clone()));
        let mut labels = self.list(fields, "labels")?;
        labels.extend(Some(self.text(fields, "label")?).filter(|label| !label.is_empty()));
        Ok(v1::Item {
            item_id: self.text(fields, "id")?,
            text,
            answer: self.text(fields, "answer")?,
            area: self.text(fields, "area")?,
            labels,
            attributes: self.attributes(fields)?,
            experts,
            occur_time: self.time(fields)?.map(api::timestamp),
            ..v1::Item::default()
        })
    }

    fn text(self, fields: &Fields, field: &str) -> Result<String, RowIssue> {
        let Some(value) = fields.get(field) else {
            return Ok(String::new());
        };
        // Where a whole file has numbers for ids, that is its way of writing them.
        let numbers = self.profile.usual_kind(field) == Some(Kind::Number);
        match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) if self.loose || numbers => Ok(number.to_string()),
            Value::Bool(truth) if self.loose => Ok(truth.to_string()),
            other => Err(wrong_type(field, other, "a text")),
        }
    }

    fn list(self, fields: &Fields, field: &str) -> Result<Vec<String>, RowIssue> {
        match fields.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                let text = |value: &Value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(number) if self.loose => Ok(number.to_string()),
                    other => Err(wrong_type(field, other, "a list of texts")),
                };
                values
                    .iter()
                    .map(text)
                    .filter(|t| t.as_ref().map_or(true, |t| !t.is_empty()))
                    .collect()
            }
            Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Value::String(text)) if self.loose => Ok(vec![text.clone()]),
            Some(other) => Err(wrong_type(field, other, "a list of texts")),
        }
    }

    fn attributes(
        self,
        fields: &Fields,
    ) -> Result<std::collections::HashMap<String, String>, RowIssue> {
        let mut attributes = std::collections::HashMap::new();
        match fields.get("attributes") {
            None | Some(Value::Null) => {}
            Some(Value::Object(object)) => {
                for (name, value) in object {
                    match scalar(value) {
                        Some(text) => drop(attributes.insert(name.clone(), text)),
                        None if value.is_null() => {}
                        None => return Err(wrong_type("attributes", value, "texts and numbers")),
                    }
                }
            }
            Some(Value::String(text)) if text.is_empty() => {}
            Some(other) => return Err(wrong_type("attributes", other, "an object")),
        }
        for (name, value) in fields {
            if KNOWN_FIELDS.contains(&name.as_str()) || !is_filled(value) {
                continue;
            }
            let usual = self.profile.usual_kind(name);
            if let Some(usual) = usual.filter(|kind| !self.loose && Kind::of(value) != Some(*kind))
            {
                return Err(unusual(name, value, usual));
            }
            // Lists and objects have no place among attributes; the summary says they are left out.
            if let Some(text) = scalar(value) {
                attributes.insert(name.clone(), text);
            }
        }
        Ok(attributes)
    }

    fn time(self, fields: &Fields) -> Result<Option<DateTime<Utc>>, RowIssue> {
        match fields.get("at") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => match DateTime::parse_from_rfc3339(text.trim()) {
                Ok(at) => Ok(Some(at.with_timezone(&Utc))),
                Err(_) => Err(issue(
                    RejectionReason::InvalidTime,
                    "at",
                    explain_time(text),
                )),
            },
            Some(other) => Err(wrong_type(
                "at",
                other,
                "a text such as \"2024-05-01T09:00:00Z\"",
            )),
        }
    }
}

/// CSV columns that hold several values.
#[must_use]
pub fn split_lists(mut fields: Fields) -> Fields {
    for (name, value) in &mut fields {
        if matches!(name.as_str(), "text" | "answer") {
            continue;
        }
        let Value::String(text) = &*value else {
            continue;
        };
        *value = if matches!(name.as_str(), "labels" | "also" | "experts") {
            let parts = text
                .split([';', '|'])
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        } else {
            Value::String(text.trim().to_owned())
        };
    }
    fields
}

/// A scalar as text; none for null, lists and objects.
#[must_use]
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
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
        ("expert", Value::Array(_)) => "name the list `experts`, or write one expert",
        ("also" | "experts" | "labels", Value::String(_)) => "write [\"…\"], or pass --types any",
        (_, Value::Number(_) | Value::Bool(_)) if field != "at" => {
            "put it in quotes, or pass --types any"
        }
        ("text", _) => "write the question's words",
        _ => "mend the row",
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

fn explain_time(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    let dated = chrono::NaiveDate::parse_from_str(text.trim().get(..10).unwrap_or(""), "%Y-%m-%d");
    let remedy = match dated {
        Ok(date) if text.trim().len() > 10 => {
            format!("its time zone is missing or it is misspelt; write it like {date}T09:00:00Z")
        }
        Ok(date) => format!("the time of day and its zone are missing; write {date}T00:00:00Z"),
        Err(_) => "write it like 2024-05-01T09:00:00Z".to_owned(),
    };
    format!("`at` is {shown:?}, which is not an RFC 3339 time: {remedy}")
}
