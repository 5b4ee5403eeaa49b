//! What a cell or a JSON field holds.

use std::collections::BTreeMap;

/// A row's fields by name.
pub type Fields = BTreeMap<String, Value>;

/// A value as the file has it: numbers keep the digits that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, or JSON's null.
    Null,
    /// A text; every cell of a CSV file is one.
    Text(String),
    /// A number, as [`number`] writes it.
    Number(String),
    /// True or false.
    Truth(bool),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Fields),
}

impl Value {
    /// The value as text, where it is one thing: not of null, lists and objects.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Truth(truth) => Some(truth.to_string()),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Whether it says anything.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Text(text) => !text.trim().is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Object(object) => !object.is_empty(),
            Self::Truth(_) | Self::Number(_) => true,
        }
    }
}

/// A number in one way of writing it: `1.0` and `1.00` are `1`. Digits stay as they are, however
/// many: an id of twenty digits is not a 64-bit number.
#[must_use]
pub fn number(written: &str) -> String {
    match written.split_once('.') {
        Some((whole, fraction))
            if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') =>
        {
            whole.to_owned()
        }
        _ => written.to_owned(),
    }
}

/// Numbers from a binary float: without a fraction up to 2^53, where each whole number is exact.
#[must_use]
pub fn float(value: f64) -> String {
    // `{}` writes the shortest digits that give the same float, and no exponent.
    number(&format!("{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_way_of_writing() {
        for (written, kept) in [
            ("1.0", "1"),
            ("1.00", "1"),
            ("1", "1"),
            ("1.10", "1.10"),
            ("-3.0", "-3"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1e3", "1e3"),
        ] {
            assert_eq!(number(written), kept);
        }
        assert_eq!(float(45_000.0), "45000");
        assert_eq!(float(0.1), "0.1");
    }
}
