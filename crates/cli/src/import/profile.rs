//! What the rows of a file have, learned from its first ones.

use std::collections::BTreeMap;

use tables::{Fields, Value};

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
            Value::Text(_) => Some(Self::Text),
            Value::Number(_) => Some(Self::Number),
            Value::Truth(_) => Some(Self::Truth),
            Value::List(_) => Some(Self::List),
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
    /// Kinds of what its lists hold.
    elements: [u64; Kind::ALL.len()],
    /// Values such as `17.0`.
    floats: u64,
}

impl Column {
    fn learn(&mut self, value: &Value) {
        match value {
            Value::List(list) => {
                for kind in list.iter().filter_map(Kind::of) {
                    self.elements[kind as usize] += 1;
                }
            }
            Value::Text(text) if is_whole_float(text) => self.floats += 1,
            _ => {}
        }
    }
}

/// Whether the text is a whole number that a table with gaps has made a float of: `17.0`.
fn is_whole_float(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(whole, fraction)| digits(whole) && fraction == "0")
}

impl Profile {
    /// Counts one row.
    pub fn learn(&mut self, fields: &Fields) {
        self.rows += 1;
        for (name, value) in fields {
            let Some(kind) = Kind::of(value).filter(|_| value.is_filled()) else {
                continue;
            };
            if !self.fields.contains_key(name) {
                self.fields.insert(name.clone(), Column::default());
            }
            if let Some(column) = self.fields.get_mut(name) {
                column.filled += 1;
                column.kinds[kind as usize] += 1;
                column.learn(value);
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

    /// Whether nine of ten elements of the field's lists are numbers.
    #[must_use]
    pub fn lists_numbers(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|column| {
            let numbers = column.elements[Kind::Number as usize];
            numbers > 0 && numbers * 10 >= column.elements.iter().sum::<u64>() * 9
        })
    }

    /// Whether every value of the field is a whole number written as a float, as tables with a gap in
    /// the column are exported.
    #[must_use]
    pub fn is_float_column(&self, field: &str) -> bool {
        let column = self.fields.get(field);
        column.is_some_and(|column| column.floats > 0 && column.floats == column.filled)
    }

    /// The names of the fields that say something somewhere, at most twenty.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.fields.keys().map(String::as_str).take(20).collect()
    }
}
