//! JSON values with the digits of their numbers as they were written.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::value::{Value, number};

/// A value at the beginning of a text.
pub(crate) struct Parsed {
    /// The value.
    pub(crate) value: Value,
    /// How many bytes of the text it takes.
    pub(crate) length: usize,
}

/// The value that `text` begins with.
pub(crate) fn parse_value(text: &str) -> Result<Parsed, serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let value = match stream.next() {
        Some(value) => value?,
        // Nothing but blanks: the same error as of a text that ends too early.
        None => serde_json::from_str(text)?,
    };
    let length = stream.byte_offset();
    let value = if has_inexact_number(&value) {
        exact(&text[..length])?
    } else {
        of(value)
    };
    Ok(Parsed { value, length })
}

/// A float may have lost digits: an integer beyond 64 bits, or the zeros of `0.10`.
fn has_inexact_number(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(list) => list.iter().any(has_inexact_number),
        serde_json::Value::Object(object) => object.values().any(has_inexact_number),
        _ => false,
    }
}

fn of(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Truth(truth),
        serde_json::Value::Number(written) => Value::Number(number(&written.to_string())),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(list) => Value::List(list.into_iter().map(of).collect()),
        serde_json::Value::Object(object) => {
            Value::Object(object.into_iter().map(|(name, v)| (name, of(v))).collect())
        }
    }
}

/// The same from the text, where numbers are kept as they are written.
fn exact(text: &str) -> Result<Value, serde_json::Error> {
    Ok(match text.trim_start().as_bytes().first() {
        Some(b'{') => {
            let object: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let fields = object
                .into_iter()
                .map(|(name, raw)| Ok((name, exact(raw.get())?)));
            Value::Object(fields.collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(text)?;
            let values = list.into_iter().map(|raw| exact(raw.get()));
            Value::List(values.collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'-' | b'0'..=b'9') => Value::Number(number(text.trim())),
        _ => of(serde_json::from_str(text)?),
    })
}
