//! What a person can ask of the rows of a file.

use chrono::{DateTime, TimeDelta, Utc};
use tables::times::TimeRules;

/// Which fields each row must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Require {
    /// `text`, and `id` where the file has one; a field that nine of ten rows have and this one has
    /// not is remarked.
    Auto,
    /// Those that nine of ten of the file's first rows have, and `id` and `text`.
    Usual,
    /// These, and `id` and `text`.
    Fields(Vec<String>),
}

/// What to do with the same id again in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DuplicatePolicy {
    /// The first row counts; later ones are rejected.
    Reject,
    /// Each later row is a new revision.
    Revise,
}

/// What to do with the same text under another id with other experts, or at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ConflictPolicy {
    /// The first row counts; later ones are rejected.
    Reject,
    /// All rows are taken.
    Keep,
}

/// Which types of values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TypePolicy {
    /// Those that the field, or this file's rows, have.
    Auto,
    /// Numbers and true/false for texts, one text for a list.
    Any,
}

/// Keeps only rows whose field has one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The field.
    pub field: String,
    /// The values.
    pub values: Vec<String>,
}

impl std::str::FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, values) = text
            .split_once('=')
            .filter(|(field, values)| !field.is_empty() && !values.is_empty())
            .ok_or("write it as FIELD=VALUE or FIELD=VALUE1,VALUE2")?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        Ok(Self {
            field: field.trim().to_owned(),
            values,
        })
    }
}

/// What is asked of each row.
#[derive(Debug, Clone)]
pub struct RowRules {
    /// Which fields each row must have.
    pub require: Require,
    /// The same id again.
    pub duplicates: DuplicatePolicy,
    /// The same text with other experts.
    pub conflicts: ConflictPolicy,
    /// Which types of values are taken.
    pub types: TypePolicy,
    /// Only rows that pass all of these.
    pub filters: Vec<Filter>,
    /// How times are written.
    pub times: TimeRules,
}

/// Times for rows that bring none, in the order of the file.
#[derive(Debug, Clone, Copy)]
pub struct OrderTimes {
    /// Of the row before the first.
    pub first: DateTime<Utc>,
    /// From one row to the next.
    pub step: TimeDelta,
}

impl OrderTimes {
    /// The time of a row.
    #[must_use]
    pub fn of(self, number: u64) -> DateTime<Utc> {
        let steps = i32::try_from(number).unwrap_or(i32::MAX);
        self.first + self.step * steps
    }
}
