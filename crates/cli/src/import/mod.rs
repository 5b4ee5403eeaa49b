//! Reads a file of items: records to rows that are sent, bad rows with the reason.
//!
//! `tables` makes records of whatever file it is. Memory stays bounded: of a text file, the beginning is
//! held back only as far as the rules need it, and of earlier rows nothing but hashes are kept.

pub mod args;
pub mod batch;
mod policies;
mod profile;
mod rows;
mod rules;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use tables::times::{DayOrder, order_of};
use tables::{Column, Content, Fields, FileError, ITEMS, OpenFile, Options, Record, Value, source};

pub use self::policies::{
    ConflictPolicy, DuplicatePolicy, Filter, OrderTimes, Require, RowRules, TypePolicy,
};
use self::profile::Profile;
pub use self::rules::Checked;
use self::rules::Rules;

/// Fields that have a meaning of their own; any other one becomes an attribute.
const KNOWN_FIELDS: [&str; 11] = [
    "id",
    "text",
    "answer",
    "area",
    "labels",
    "label",
    "expert",
    "also",
    "experts",
    "at",
    "attributes",
];

/// The fields that an exported item always has.
const EXPORTED_FIELDS: [&str; 8] = [
    "id",
    "text",
    "answer",
    "area",
    "labels",
    "attributes",
    "experts",
    "at",
];
/// What an export has beside them: not part of the item.
const HISTORY_FIELDS: [&str; 4] = ["record", "name", "revision", "ingest_time"];

/// The rules about what a file's rows have follow from so many of them.
const SAMPLE_ROWS: usize = 1_000;
/// The sample ends here however few rows it has.
const SAMPLE_BYTES: usize = 16 << 20;
/// With fewer rows than this a file without the needed columns is still taken row by row.
const ENOUGH_TO_JUDGE: u64 = 10;

/// How an item file is to be read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The file, and what is known about how it is written.
    pub table: Options,
    /// What is asked of each row.
    pub rules: RowRules,
    /// When the newest of rows without a time happened; none: when the file was changed last.
    pub at: Option<DateTime<Utc>>,
}

/// The rows of an item file, checked one after the other.
pub struct ItemFile {
    file: OpenFile,
    ahead: VecDeque<Record>,
    rules: Rules,
    exported: bool,
}

impl ItemFile {
    /// Opens the file and learns from its first rows what its rows have.
    ///
    /// # Errors
    /// When the file cannot be read, or when none of its rows has what an item needs.
    pub fn open(options: &ReadOptions) -> Result<Self, FileError> {
        let mut file = tables::open(&options.table, &ITEMS)?;
        let mut profile = Profile::default();
        let mut ahead = VecDeque::new();
        let mut bytes = 0;
        let mut orders = Vec::new();
        let mut exported = true;
        while ahead.len() < SAMPLE_ROWS && bytes < SAMPLE_BYTES {
            let Some(record) = file.next_record() else {
                break;
            };
            bytes += record.raw.len();
            if let Content::Fields(fields) = &record.content
                && !is_other_record(fields)
            {
                exported &= is_exported(fields);
                profile.learn(fields);
                let at = fields.get("at").and_then(Value::scalar);
                orders.extend(at.and_then(|at| order_of(&at)));
            }
            ahead.push_back(record);
        }
        refuse_other_content(options, &profile)?;
        let mut row_rules = options.rules.clone();
        row_rules.times.order = one_order(&orders);
        exported &= profile.rows() > 0;
        let has_times = profile.filled("at") > 0;
        let mut rules = Rules::new(row_rules, profile, file.unit(), exported);
        if options.at.is_some() || !has_times {
            rules.fill_times(order_times(options, &file)?);
        } else {
            rules.carry_times(end_time(options, &file));
        }
        Ok(Self {
            file,
            ahead,
            rules,
            exported,
        })
    }

    /// Bytes read so far.
    #[must_use]
    pub fn read(&self) -> Arc<AtomicU64> {
        self.file.about.read.clone()
    }

    /// The file's size; none for a pipe.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.file.about.size
    }

    /// The columns, as they were understood.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.file.columns
    }

    /// What is wrong with the file itself, once its rows are read.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.file.problem()
    }

    /// What the reader did on its own, in sentences, once its rows are read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.file.notes();
        notes.extend(self.rules.notes());
        notes
    }
}

impl Iterator for ItemFile {
    type Item = Checked;

    fn next(&mut self) -> Option<Checked> {
        let mut record = self.ahead.pop_front().or_else(|| self.file.next_record())?;
        if let Content::Fields(fields) = &mut record.content {
            if is_other_record(fields) {
                return Some(Checked::Passed);
            }
            if !self.exported {
                return Some(self.rules.check(record));
            }
            fields.retain(|name, _| !HISTORY_FIELDS.contains(&name.as_str()));
        }
        Some(self.rules.check(record))
    }
}

/// Whether the row is one that `items list` or `tenants export` has written.
fn is_exported(fields: &Fields) -> bool {
    let known = |name: &String| {
        EXPORTED_FIELDS.contains(&name.as_str()) || HISTORY_FIELDS.contains(&name.as_str())
    };
    EXPORTED_FIELDS
        .iter()
        .all(|name| fields.contains_key(*name))
        && fields.keys().all(known)
}

/// Whether the row is an export's record of the tenant or of an expert.
fn is_other_record(fields: &Fields) -> bool {
    let other =
        |value: &Value| matches!(value, Value::Text(kind) if kind == "tenant" || kind == "expert");
    fields.get("record").is_some_and(other) && !fields.contains_key("text")
}

/// Which comes first in dates between slashes, where all that show it agree.
fn one_order(orders: &[DayOrder]) -> Option<DayOrder> {
    let first = orders.first()?;
    orders.iter().all(|order| order == first).then_some(*first)
}

/// A file of something else entirely should not end in the quarantine row by row.
fn refuse_other_content(options: &ReadOptions, profile: &Profile) -> Result<(), FileError> {
    if profile.filled("text") > 0 || profile.rows() < ENOUGH_TO_JUDGE {
        return Ok(());
    }
    Err(FileError::new(format!(
        "{}: none of the first {} rows has `text`; its fields are {}. Say which one has the \
         questions: --column text=NAME (and --header-row N where the header is not the first line)",
        source::display_name(&options.table.path),
        profile.rows(),
        profile.names().join(", ")
    )))
}

/// When the newest row without a time happened, at the latest.
#[expect(
    clippy::disallowed_methods,
    reason = "files on this machine have this machine's time"
)]
fn end_time(options: &ReadOptions, file: &OpenFile) -> DateTime<Utc> {
    let changed = file.about.changed.map(DateTime::<Utc>::from);
    let now = Utc::now();
    options
        .at
        .or(changed)
        .unwrap_or(now)
        .min(now)
        .trunc_subsecs(0)
}

/// The times of rows that bring none: the order of the file.
///
/// A file counts back from the time it was changed last, so that reading it again gives the same
/// times. A pipe's length is not known, so its rows lie within the day before, a millisecond apart.
fn order_times(options: &ReadOptions, file: &OpenFile) -> Result<OrderTimes, FileError> {
    let end = end_time(options, file);
    if file.about.size.is_none() {
        let first = end - TimeDelta::days(1);
        return Ok(OrderTimes {
            first,
            step: TimeDelta::milliseconds(1),
        });
    }
    let mut again = tables::open(&options.table, &ITEMS)?;
    let mut last = 0;
    while let Some(record) = again.next_record() {
        last = record.number;
    }
    let back = i64::try_from(last)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .unwrap_or_default();
    Ok(OrderTimes {
        first: end - back,
        step: TimeDelta::seconds(1),
    })
}

#[cfg(test)]
mod tests;
