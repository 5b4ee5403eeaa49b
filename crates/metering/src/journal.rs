//! The journal: entries are appended to a file, and taken to the store in segments.
//!
//! An entry is in the hands of the operating system when [`Journal::record`](UsageSink::record) returns, so it survives the
//! end of the process. It survives the end of the machine once its segment was taken ([`Journal::take`]
//! syncs it): with a segment a second, a power loss costs at most the last second. A segment
//! is removed after the store has it; one that is taken to the store twice changes nothing there,
//! because entries have ids.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::cost::UsageEntry;

use crate::UsageSink;

const ENDING: &str = "jsonl";

/// Where entries are written first. Clones are the same journal; one process has a folder for itself.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    open: Mutex<Open>,
    /// Says that the folder is in use; the system lets go of it when the process ends.
    _lock: File,
    /// Processor time in all entries since the start, in microseconds.
    cpu: AtomicU64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    /// None before the first entry of a segment.
    file: Option<File>,
}

/// Entries that are written and no longer added to.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
}

impl Journal {
    /// Opens the journal in `folder`, which is made when missing. What an earlier process left there
    /// is given by the first [`Journal::take`].
    ///
    /// # Errors
    /// The folder cannot be made or read, or another process uses it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("in-use"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process keeps its journal there; give each its own data folder",
            ),
        })?;
        let newest = numbers(folder)?.into_iter().max().unwrap_or(0);
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                open: Mutex::new(Open {
                    number: newest + 1,
                    file: None,
                }),
                _lock: lock,
                cpu: AtomicU64::new(0),
            }),
        })
    }

    /// Appends an entry of what is not metered: it is not in [`Journal::cpu`].
    pub fn record_overhead(&self, entry: &UsageEntry) {
        if let Err(error) = self.append(entry) {
            metrics::counter!("tenantry_usage_lost_total").increment(1);
            tracing::error!(%error, "usage could not be written to the journal");
        }
    }

    /// Processor time in all entries since the start, in microseconds.
    #[must_use]
    pub fn cpu(&self) -> u64 {
        self.inner.cpu.load(Ordering::Relaxed)
    }

    fn append(&self, entry: &UsageEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut open = self.lock();
        let number = open.number;
        let file = match &mut open.file {
            Some(file) => file,
            none => none.insert(
                OpenOptions::new()
                    .create_new(true)
                    .append(true)
                    .open(path_of(&self.inner.folder, number))?,
            ),
        };
        let written = file.write_all(&line);
        if written.is_err() {
            // Half a line may stand there: what comes next begins a segment of its own.
            open.file = None;
            open.number += 1;
        }
        written
    }

    /// Ends the segment that is written, durably, and gives all segments that are there, the oldest
    /// first.
    ///
    /// # Errors
    /// The folder cannot be read, or the segment cannot be synced.
    pub fn take(&self) -> io::Result<Vec<Segment>> {
        let (ended, number) = {
            let mut open = self.lock();
            let ended = open.file.take();
            if ended.is_some() {
                open.number += 1;
            }
            (ended, open.number)
        };
        if let Some(file) = ended {
            file.sync_data()?;
        }
        let mut numbers = numbers(&self.inner.folder)?;
        numbers.retain(|one| *one < number);
        numbers.sort_unstable();
        let paths = numbers.into_iter();
        Ok(paths
            .map(|one| Segment {
                path: path_of(&self.inner.folder, one),
            })
            .collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // A write that unwound may have left half a line, which the reader passes over.
        self.inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageSink for Journal {
    /// Appends an entry. Where that fails (the disk is full), the entry is lost, counted and logged:
    /// no request fails because it cannot be metered.
    fn record(&self, entry: &UsageEntry) {
        let cpu = entry.quantities.iter().filter(|(meter, _)| meter.is_cpu());
        let cpu: u64 = cpu.map(|(_, quantity)| *quantity).sum();
        self.inner.cpu.fetch_add(cpu, Ordering::Relaxed);
        self.record_overhead(entry);
        // Totals only: a label for each tenant would make as many series as there are tenants.
        for (meter, quantity) in &entry.quantities {
            let labels = [
                ("service", entry.service.as_str()),
                ("meter", meter.as_str()),
            ];
            metrics::counter!("tenantry_usage_total", &labels).increment(*quantity);
        }
    }
}

impl Segment {
    /// Its entries. A line that was cut off by a power loss is skipped and counted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries(&self) -> io::Result<Vec<UsageEntry>> {
        let bytes = fs::read(&self.path)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let mut entries = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    metrics::counter!("tenantry_usage_lost_total").increment(1);
                    tracing::error!(%error, segment = %self.path.display(), "a line is not an entry");
                }
            }
        }
        Ok(entries)
    }

    /// Removes it, after the store has its entries.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{ENDING}"))
}

/// The numbers of the segments in a folder.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == ENDING)
            && let Some(number) = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok())
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::TenantId;
    use domain::cost::{Meter, Service};

    fn entry(id: &str) -> UsageEntry {
        UsageEntry {
            id: id.to_owned(),
            tenant: Some(TenantId::parse("acme").unwrap()),
            at: DateTime::UNIX_EPOCH,
            service: Service::Router,
            rpc: "RecommendExperts".to_owned(),
            tier: None,
            model: String::new(),
            quantities: vec![(Meter::Requests, 1), (Meter::RequestCpu, 250)],
        }
    }

    fn ids(segments: &[Segment]) -> Vec<String> {
        let entries = segments.iter().flat_map(|one| one.entries().unwrap());
        entries.map(|entry| entry.id).collect()
    }

    #[test]
    fn what_was_kept_is_given_until_it_is_removed_also_to_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert!(journal.take().unwrap().is_empty());
        journal.record(&entry("a"));
        journal.record(&entry("b"));
        assert_eq!(journal.cpu(), 500);
        assert_eq!(ids(&journal.take().unwrap()), ["a", "b"]);
        journal.record(&entry("c"));
        // The process ends here: "c" is in a segment that nobody has taken.
        drop(journal);
        let journal = Journal::open(folder.path()).unwrap();
        journal.record(&entry("d"));
        let segments = journal.take().unwrap();
        assert_eq!(ids(&segments), ["a", "b", "c", "d"]);
        assert_eq!(segments[0].entries().unwrap()[0], entry("a"));
        segments.into_iter().for_each(|one| one.remove().unwrap());
        let second = Journal::open(folder.path()).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        assert!(journal.take().unwrap().is_empty());
    }

    #[test]
    fn a_line_that_was_cut_off_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.record(&entry("a"));
        drop(journal);
        let path = path_of(folder.path(), 1);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"id\":\"b\",\"ten").unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.record(&entry("c"));
        assert_eq!(ids(&journal.take().unwrap()), ["a", "c"]);
    }

    #[test]
    fn many_write_at_once_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let found = std::thread::scope(|scope| {
            for thread in 0..4 {
                let journal = journal.clone();
                scope.spawn(move || {
                    (0..200).for_each(|at| journal.record(&entry(&format!("{thread}-{at}"))));
                });
            }
            (0..20)
                .flat_map(|_| journal.take().unwrap())
                .map(|one| {
                    let count = one.entries().map_or(0, |entries| entries.len());
                    // Taken again by the next round, had it not been removed.
                    one.remove().map_or(0, |()| count)
                })
                .sum::<usize>()
        });
        let rest: usize = ids(&journal.take().unwrap()).len();
        assert_eq!(found + rest, 800);
    }
}
