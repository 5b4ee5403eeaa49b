//! Puts checked rows into batches, and names the batches so that reading the same file again with
//! the same options repeats the names.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use api::v1;
use prost::Message as _;
use tables::{RemarkKind, source};

use super::{Checked, ItemFile, ReadOptions};

/// The most bytes of rows in one message; the server takes 4 MiB.
pub const MAX_BATCH_BYTES: usize = 2 << 20;
/// The most rows in one message.
pub const MAX_BATCH_ROWS: usize = 1_000;

/// So many rows with the same remark are named.
const REMARKED_ROWS: usize = 20;

/// Rows that are sent together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The message.
    pub request: v1::IngestItemsRequest,
    /// The last row in it, as the file counts.
    pub last_line: u64,
    /// How far the file was read when it was full.
    pub read: u64,
}

/// What the reading came to.
#[derive(Debug, Clone, Default)]
pub struct ReadEnd {
    /// Rows that were neither blank nor filtered.
    pub rows: u64,
    /// Rows left out by a filter.
    pub filtered: u64,
    /// Rows that the reader rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Rows that were taken with a remark, by what it is about and its field.
    pub remarked: BTreeMap<(RemarkKind, String), Remarked>,
    /// What the reader did on its own.
    pub notes: Vec<String>,
    /// What is wrong with the file itself.
    pub problem: Option<String>,
}

/// Rows with the same remark.
#[derive(Debug, Clone, Default)]
pub struct Remarked {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<u64>,
    /// What is said of the first one.
    pub message: String,
}

/// Batches of a file.
pub struct Batches {
    file: ItemFile,
    parent: String,
    prefix: String,
    most_rows: usize,
    number: u64,
    /// A row that did not fit into the batch before.
    carried: Option<v1::IngestRow>,
    end: ReadEnd,
}

impl Batches {
    /// Batches of at most `most_rows` rows for the tenant `parent`, named `prefix`-1 and so on.
    #[must_use]
    pub fn new(file: ItemFile, parent: String, prefix: String, most_rows: usize) -> Self {
        let most_rows = most_rows.clamp(1, MAX_BATCH_ROWS);
        Self {
            file,
            parent,
            prefix,
            most_rows,
            number: 0,
            carried: None,
            end: ReadEnd::default(),
        }
    }

    /// What the reading came to, once the batches are made.
    #[must_use]
    pub fn finish(self) -> ReadEnd {
        let mut end = self.end;
        end.notes = self.file.notes();
        end.problem = self.file.problem();
        end
    }

    fn next_row(&mut self) -> Option<v1::IngestRow> {
        if let Some(row) = self.carried.take() {
            return Some(row);
        }
        loop {
            let row = match self.file.next()? {
                Checked::Filtered => {
                    self.end.filtered += 1;
                    continue;
                }
                Checked::Passed => continue,
                Checked::Item(row, remarks) => {
                    for remark in remarks {
                        let remarked = self.end.remarked.entry((remark.kind, remark.field));
                        remarked.or_default().add(row.line, remark.message);
                    }
                    row
                }
                Checked::Rejected(row) => {
                    if let Some(v1::ingest_row::Row::Unreadable(bad)) = &row.row {
                        *self.end.rejected.entry(bad.reason.clone()).or_default() += 1;
                    }
                    row
                }
            };
            self.end.rows += 1;
            return Some(row);
        }
    }
}

impl Remarked {
    fn add(&mut self, row: u64, message: String) {
        self.count += 1;
        if self.rows.is_empty() {
            self.message = message;
        }
        if self.rows.len() < REMARKED_ROWS {
            self.rows.push(row);
        }
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut rows: Vec<v1::IngestRow> = Vec::new();
        let mut ids = HashSet::new();
        let mut bytes = 0;
        while rows.len() < self.most_rows {
            let Some(row) = self.next_row() else { break };
            bytes += row.encoded_len();
            let id = item_id(&row).map(str::to_owned);
            // A batch takes an id once: a later revision of it comes with the next batch.
            let repeated = id.is_some_and(|id| !ids.insert(id));
            if !rows.is_empty() && (repeated || bytes > MAX_BATCH_BYTES) {
                self.carried = Some(row);
                break;
            }
            rows.push(row);
        }
        let last_line = rows.last()?.line;
        self.number += 1;
        let request = v1::IngestItemsRequest {
            parent: self.parent.clone(),
            request_id: format!("{}-{}", self.prefix, self.number),
            rows,
        };
        Some(Batch {
            request,
            last_line,
            read: self.file.read().load(Ordering::Relaxed),
        })
    }
}

/// The experts that a batch's items name, but for those of rows that were rejected.
pub fn experts_of<'a>(
    request: &'a v1::IngestItemsRequest,
    rejected: &'a HashSet<u64>,
) -> impl Iterator<Item = &'a str> {
    let taken = request
        .rows
        .iter()
        .filter(|row| !rejected.contains(&row.line));
    taken.flat_map(|row| {
        match &row.row {
            Some(v1::ingest_row::Row::Item(item)) => item.experts.as_slice(),
            _ => &[],
        }
        .iter()
        .map(String::as_str)
    })
}

/// A batch prefix that follows from the file's bytes and the options that decide which rows are
/// sent, so that the same command on the same file repeats it; a random one for a pipe, which
/// cannot be read twice.
///
/// # Errors
/// When the file cannot be read.
pub fn prefix_of(options: &ReadOptions, most_rows: usize) -> io::Result<String> {
    let name = slug(&source::display_name(&options.table.path));
    if options.table.path == Path::new("-") || !std::fs::metadata(&options.table.path)?.is_file() {
        let random = uuid::Uuid::new_v4().simple().to_string();
        return Ok(format!("{name}-{}", &random[..12]));
    }
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut std::fs::File::open(&options.table.path)?, &mut hasher)?;
    let changed = std::fs::metadata(&options.table.path)?.modified()?;
    let decides = (&options.table, &options.rules, &options.at, most_rows);
    // The time of change decides the times of rows that bring none.
    hasher.update(format!("{decides:?} {changed:?}").as_bytes());
    Ok(format!("{name}-{}", &hasher.finalize().to_hex()[..12]))
}

fn item_id(row: &v1::IngestRow) -> Option<&str> {
    match row.row.as_ref()? {
        v1::ingest_row::Row::Item(item) => Some(&item.item_id),
        v1::ingest_row::Row::Unreadable(_) => None,
    }
}

/// A file name as the beginning of a request id.
fn slug(name: &str) -> String {
    let stem = name
        .split('.')
        .find(|part| !part.is_empty())
        .unwrap_or("file");
    let kept: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    let kept = kept.trim_matches(['-', '_']);
    if kept.is_empty() {
        "file".to_owned()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_become_request_ids() {
        for (name, slug_of) in [
            ("kafka.jsonl.gz", "kafka"),
            ("Fragen 2024.csv", "Fragen-2024"),
            ("日本.csv", "file"),
        ] {
            assert_eq!(slug(name), slug_of);
            assert!(
                api::rules::RequestId::parse(format!("{}-0123456789ab-12", slug(name))).is_ok()
            );
        }
    }
}
