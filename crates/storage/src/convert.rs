//! Between the values of `domain` and those that both databases hold alike.

use chrono::{DateTime, Utc};
use sea_orm::JsonValue;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Result, StorageError};

/// Microseconds since 1970: what both databases can hold; finer parts of a time are dropped.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

pub(crate) fn time(field: &'static str, micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StorageError::corrupt(field, format!("{micros} is not a time")))
}

pub(crate) fn optional_time(
    field: &'static str,
    micros: Option<i64>,
) -> Result<Option<DateTime<Utc>>> {
    micros.map(|micros| time(field, micros)).transpose()
}

/// A count or bound as both databases hold it. What is beyond `i64` is beyond every stored number,
/// so as a bound the greatest `i64` means the same.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored count. None is ever negative.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn small_count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

pub(crate) fn small_int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A stored id or enumeration.
pub(crate) fn parsed<T, E: ToString>(
    field: &'static str,
    parse: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    parse().map_err(|error| StorageError::corrupt(field, error.to_string()))
}

/// A stored enumeration, by the name that `domain` gives it.
pub(crate) fn named<T>(
    field: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T> {
    parse(text).ok_or_else(|| StorageError::corrupt(field, format!("{text:?} is not known")))
}

pub(crate) fn to_json(field: &'static str, value: &impl Serialize) -> Result<JsonValue> {
    serde_json::to_value(value).map_err(|error| StorageError::corrupt(field, error))
}

pub(crate) fn from_json<T: DeserializeOwned>(field: &'static str, value: JsonValue) -> Result<T> {
    serde_json::from_value(value).map_err(|error| StorageError::corrupt(field, error))
}

/// Text as PostgreSQL can hold it: without NUL.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
