//! What the rows of a file have, learned from its first ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Fields;

/// A JSON value's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Truth,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Text,
        Self::Number,
        Self::Truth,
        Self::List,
        Self::Object,
    ];

    /// The kind of `value`; none for null.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::String(_) => Some(Self::Text),
            Value::Number(_) => Some(Self::Number),
            Value::Bool(_) => Some(Self::Truth),
            Value::Array(_) => Some(Self::List),
            Value::Object(_) => Some(Self::Object),
        }
    }

    /// The kind in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// Whether a field says anything.
#[must_use]
pub fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Counts over the rows that could be read.
#[derive(Debug, Default)]
pub struct Profile {
    rows: u64,
    fields: BTreeMap<String, Column>,
}

#[derive(Debug, Default)]
struct Column {
    filled: u64,
    kinds: [u64; Kind::ALL.len()],
}

impl Profile {
    /// Counts one row.
    pub fn learn(&mut self, fields: &Fields) {
        self.rows += 1;
        for (name, value) in fields {
            let Some(kind) = Kind::of(value).filter(|_| is_filled(value)) else {
                continue;
            };
            if !self.fields.contains_key(name) {
                self.fields.insert(name.clone(), Column::default());
            }
            if let Some(column) = self.fields.get_mut(name) {
                column.filled += 1;
                column.kinds[kind as usize] += 1;
            }
        }
    }

    /// Rows counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows in which the field says something.
    #[must_use]
    pub fn filled(&self, field: &str) -> u64 {
        self.fields.get(field).map_or(0, |column| column.filled)
    }

    /// The share of rows in which the field says something, in per cent.
    #[must_use]
    pub fn percent(&self, field: &str) -> u64 {
        (self.filled(field) * 100)
            .checked_div(self.rows)
            .unwrap_or(0)
    }

    /// The fields that nine rows of ten have.
    pub fn usual(&self) -> impl Iterator<Item = &str> {
        let nine_of_ten = |column: &Column| column.filled * 10 >= self.rows * 9;
        self.fields
            .iter()
            .filter(move |(_, c)| nine_of_ten(c))
            .map(|(name, _)| name.as_str())
    }

    /// The kind that nine of ten values of the field have.
    #[must_use]
    pub fn usual_kind(&self, field: &str) -> Option<Kind> {
        let column = self.fields.get(field)?;
        Kind::ALL
            .into_iter()
            .find(|kind| column.kinds[*kind as usize] * 10 >= column.filled * 9)
    }

    /// The names of the fields that say something somewhere, at most twenty.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.fields.keys().map(String::as_str).take(20).collect()
    }
}
