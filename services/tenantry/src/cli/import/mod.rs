//! Reads a file of items: lines to records, records to rows that are sent, bad rows with the reason.
//!
//! Memory stays bounded: a line has at most [`source::MAX_LINE_BYTES`], the beginning of the file is
//! held back only as far as the rules need it, and of earlier rows nothing but hashes are kept.

pub mod batch;
mod csv;
mod gzip;
mod jsonl;
mod profile;
mod rows;
mod rules;
pub mod source;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use domain::RowIssue;
use serde_json::Value;

use self::csv::CsvRecords;
use self::jsonl::JsonRecords;
use self::profile::Profile;
use self::rules::Rules;
pub use self::rules::{
    Checked, ConflictPolicy, DuplicatePolicy, Filter, Require, RowRules, TypePolicy,
};
use self::source::Source;

/// A row's fields by name.
pub type Fields = serde_json::Map<String, Value>;

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

/// The rules about what a file's rows have follow from so many of them.
const SAMPLE_ROWS: usize = 1_000;
/// The sample ends here however few rows it has.
const SAMPLE_BYTES: usize = 16 << 20;
/// With fewer rows than this a file without the needed columns is still taken row by row.
const ENOUGH_TO_JUDGE: u64 = 10;

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

impl FileError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The file cannot be opened or read.
    #[must_use]
    pub fn open(path: &Path, error: &std::io::Error) -> Self {
        Self(format!("{} cannot be read: {error}", path.display()))
    }
}

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// One record of a file, whatever its format.
pub struct Record {
    /// JSONL: the line, from 1. CSV: the record after the header, from 1.
    pub number: u64,
    /// Its fields, or why it cannot be read.
    pub fields: Result<Fields, RowIssue>,
    /// The record as it came.
    pub raw: Vec<u8>,
}

/// A source of records.
pub trait Records: Send {
    /// The next record; none at the end, or where the file breaks off.
    fn next_record(&mut self) -> Option<Record>;
    /// What is wrong with the file itself, once its records are read.
    fn problem(&self) -> Option<String>;
    /// What a record's number counts.
    fn unit(&self) -> &'static str;
}

/// Records of a file, opened.
pub struct OpenFile {
    /// Its records.
    pub records: Box<dyn Records>,
    /// Bytes read so far.
    pub read: Arc<AtomicU64>,
    /// Its size; none for a pipe.
    pub size: Option<u64>,
    changed: Option<std::time::SystemTime>,
}

/// Opens a file as records: by `format`, else by its name, else by how it begins.
///
/// # Errors
/// When the file cannot be read, or is not a file of rows.
pub fn open(
    path: &Path,
    format: Option<Format>,
    delimiter: Option<u8>,
) -> Result<OpenFile, FileError> {
    let source = Source::open(path)?;
    let format = format
        .or_else(|| by_name(path))
        .unwrap_or_else(|| by_start(&source.start));
    let named =
        |error: FileError| FileError::new(format!("{}: {error}", source::display_name(path)));
    if format == Format::Jsonl {
        refuse_whole_document(&source.start).map_err(named)?;
    }
    let Source {
        lines,
        read,
        size,
        changed,
        ..
    } = source;
    let records: Box<dyn Records> = match format {
        Format::Csv => Box::new(CsvRecords::new(lines, delimiter).map_err(named)?),
        Format::Jsonl => Box::new(JsonRecords::new(lines)),
    };
    Ok(OpenFile {
        records,
        read,
        size,
        changed,
    })
}

fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

/// Most lines decide, as the first one may be broken.
fn by_start(start: &[u8]) -> Format {
    let lines = start
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_start);
    let (json, other): (Vec<_>, Vec<_>) = lines
        .filter(|line| !line.is_empty())
        .partition(|line| matches!(line[0], b'{' | b'['));
    if json.len() >= other.len() {
        Format::Jsonl
    } else {
        Format::Csv
    }
}

/// One JSON document over many lines would be a bad row a line; say so once instead.
fn refuse_whole_document(start: &[u8]) -> Result<(), FileError> {
    let first = start
        .trim_ascii_start()
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let first = first.trim_ascii();
    if matches!(first, b"[" | b"{") || first.starts_with(b"[{") {
        return Err(FileError::new(
            "it is one JSON document, and rows are read one object a line; \
             `jq -c '.[]' FILE` writes a list's objects so",
        ));
    }
    Ok(())
}

/// How an item file is to be read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// How its rows are written, when its name and content should not decide.
    pub format: Option<Format>,
    /// What separates CSV columns, when the header should not decide.
    pub delimiter: Option<u8>,
    /// What is asked of each row.
    pub rules: RowRules,
    /// When the newest of rows without a time happened; none: when the file was changed last.
    pub at: Option<DateTime<Utc>>,
}

/// The rows of an item file, checked one after the other.
pub struct ItemFile {
    records: Box<dyn Records>,
    ahead: VecDeque<Record>,
    rules: Rules,
    /// Bytes read so far.
    pub read: Arc<AtomicU64>,
    /// The file's size; none for a pipe.
    pub size: Option<u64>,
}

impl ItemFile {
    /// Opens the file and learns from its first rows what its rows have.
    ///
    /// # Errors
    /// When the file cannot be read, or when none of its rows has what an item needs.
    pub fn open(options: &ReadOptions) -> Result<Self, FileError> {
        let mut file = open(&options.path, options.format, options.delimiter)?;
        let mut profile = Profile::default();
        let mut ahead = VecDeque::new();
        let mut bytes = 0;
        while ahead.len() < SAMPLE_ROWS && bytes < SAMPLE_BYTES {
            let Some(record) = file.records.next_record() else {
                break;
            };
            bytes += record.raw.len();
            if let Ok(fields) = &record.fields {
                profile.learn(fields);
            }
            ahead.push_back(record);
        }
        refuse_other_content(&options.path, &profile)?;
        let mut rules = Rules::new(options.rules.clone(), profile, file.records.unit());
        if options.at.is_some() || !rules.needs("at") {
            rules.fill_times(order_times(options, &file)?);
        }
        let OpenFile {
            records,
            read,
            size,
            ..
        } = file;
        Ok(Self {
            records,
            ahead,
            rules,
            read,
            size,
        })
    }

    /// What is wrong with the file itself, once its rows are read.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.records.problem()
    }

    /// What the reader did on its own, in sentences, once its rows are read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.rules.notes()
    }
}

impl Iterator for ItemFile {
    type Item = Checked;

    fn next(&mut self) -> Option<Checked> {
        let record = self
            .ahead
            .pop_front()
            .or_else(|| self.records.next_record())?;
        Some(self.rules.check(record))
    }
}

/// A file of something else entirely should not end in the quarantine row by row.
fn refuse_other_content(path: &Path, profile: &Profile) -> Result<(), FileError> {
    let missing = ["id", "text"]
        .into_iter()
        .find(|field| profile.filled(field) == 0);
    match missing {
        Some(field) if profile.rows() >= ENOUGH_TO_JUDGE => Err(FileError::new(format!(
            "{}: none of the first {} rows has `{field}`; its fields are {}. Name the question's \
             id `id` and its words `text`",
            source::display_name(path),
            profile.rows(),
            profile.names().join(", ")
        ))),
        _ => Ok(()),
    }
}

/// The times of rows that bring none: the order of the file.
///
/// A file counts back from the time it was changed last, so that reading it again gives the same
/// times. A pipe's length is not known, so its rows lie within the day before, a millisecond apart.
fn order_times(options: &ReadOptions, file: &OpenFile) -> Result<rules::OrderTimes, FileError> {
    let changed = file.changed.map(DateTime::<Utc>::from);
    let now = Utc::now();
    let end = options
        .at
        .or(changed)
        .unwrap_or(now)
        .min(now)
        .trunc_subsecs(0);
    if file.size.is_none() {
        let first = end - TimeDelta::days(1);
        return Ok(rules::OrderTimes {
            first,
            step: TimeDelta::milliseconds(1),
        });
    }
    let mut again = open(&options.path, options.format, options.delimiter)?;
    let mut last = 0;
    while let Some(record) = again.records.next_record() {
        last = record.number;
    }
    let back = i64::try_from(last)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .unwrap_or_default();
    Ok(rules::OrderTimes {
        first: end - back,
        step: TimeDelta::seconds(1),
    })
}

#[cfg(test)]
mod tests;
