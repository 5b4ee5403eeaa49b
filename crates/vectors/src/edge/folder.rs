//! The folder of the in-process store: the lock on it, and the shard folders in it.
//!
//! ```text
//! <vectors.path>/LOCK          held by the one process that may use the folder
//! <vectors.path>/<space>/      a shard
//! <vectors.path>/<space>.new   a shard being made, not yet in place
//! <vectors.path>/<space>.old   a shard being thrown away
//! ```
//!
//! Leftovers of the last two, from a crash, are removed when the folder is opened.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qdrant_edge::{CountRequest, EdgeConfig, EdgeShard, Filter};

use super::guard::guarded;
use super::{settings, translate};
use crate::VectorError;
use crate::layout::DENSE;
use crate::port::{Result, Space};

/// Written into each shard folder; raised when the layout of points or of the engine's files changes
/// in a way the code before could not read.
const FORMAT: &str = "tenantry-vectors 1, qdrant-edge 0.7\n";
const FORMAT_FILE: &str = "FORMAT";

/// In a shard folder while its segments are being rewritten.
const TIDYING_FILE: &str = "TIDYING";

/// The folder of the in-process store, locked for this process until the last clone is dropped. The
/// lock is the system's, so a killed process leaves none behind.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    _lock: Arc<File>,
}

impl Folder {
    /// Makes the folder where it is missing, locks it, and clears away what a crash left half done.
    pub(super) fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| io_error("making the folder", root, error))?;
        let path = root.join("LOCK");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| io_error("opening the lock file", &path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(VectorError::InUse {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(io_error("locking the file", &path, error));
            }
        }
        let folder = Self {
            root: root.to_owned(),
            _lock: Arc::new(lock),
        };
        folder.sweep()?;
        Ok(folder)
    }

    /// Whether the space has been made.
    pub(super) fn has(&self, space: &Space) -> bool {
        self.shard(space).exists()
    }

    /// Makes the space's shard where it is missing, and loads it.
    pub(super) fn load(&self, space: &Space) -> Result<EdgeShard> {
        if !self.has(space) {
            self.create(space)?;
        }
        let path = self.shard(space);
        let corrupt = |detail: String| VectorError::Corrupt {
            space: space.name.clone(),
            detail,
        };
        let file = path.join(FORMAT_FILE);
        let format = fs::read_to_string(&file).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidData => {
                corrupt(format!("{FORMAT_FILE}: {error}"))
            }
            _ => io_error("reading", &file, error),
        })?;
        if format != FORMAT {
            return Err(corrupt(format!("it was written as {:?}", format.trim())));
        }
        check_dimensions(&path, space)?;
        let config = settings::shard(space)?;
        // Segments that were being built when the process died.
        let building = path.join("temp_segments");
        if building.exists() {
            fs::remove_dir_all(&building)
                .map_err(|error| io_error("removing", &building, error))?;
        }
        self.trim_log(space)
            .map_err(|error| corrupt(format!("its log: {error}")))?;
        let shard = guarded("loading a shard", || EdgeShard::load(&path, Some(config)))
            .map_err(|error| corrupt(detail(&error)))?;
        if path.join(TIDYING_FILE).exists() {
            match twins(&shard)? {
                0 => self.tidied(space)?,
                twins => {
                    return Err(corrupt(format!(
                        "a crash while its segments were rewritten left {twins} points twice"
                    )));
                }
            }
        }
        Ok(shard)
    }

    /// Notes that segments of the space are going to be rewritten. A crash between putting a new
    /// segment in place and removing the old ones leaves points in both, which the next load must
    /// look for.
    pub(super) fn tidying(&self, space: &Space) -> Result<()> {
        let path = self.shard(space).join(TIDYING_FILE);
        File::create(&path)
            .and_then(|file| file.sync_all())
            .map_err(|error| io_error("writing", &path, error))
    }

    /// Notes that the rewriting is over and on disk.
    pub(super) fn tidied(&self, space: &Space) -> Result<()> {
        let path = self.shard(space).join(TIDYING_FILE);
        fs::remove_file(&path).map_err(|error| io_error("removing", &path, error))
    }

    /// Throws the space's shard away. It must not be loaded.
    pub(super) fn wipe(&self, space: &Space) -> Result<()> {
        let (shard, old) = (self.shard(space), self.beside(space, "old"));
        if !shard.exists() {
            return Ok(());
        }
        // Renamed first, so that a crash half way leaves no half of a shard in its place.
        fs::rename(&shard, &old).map_err(|error| io_error("moving away", &shard, error))?;
        fs::remove_dir_all(&old).map_err(|error| io_error("removing", &old, error))
    }

    /// Bytes of the space's write-ahead log on disk.
    pub(super) fn log_bytes(&self, space: &Space) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.shard(space).join("wal"))? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Removes the closed files of the write-ahead log but the last. The shard must not be loaded.
    ///
    /// The engine neither replays this log nor ever shortens it, but takes the numbers of its writes
    /// from it, so the last closed file, which says where the open one starts, has to stay.
    fn trim_log(&self, space: &Space) -> io::Result<()> {
        let log = self.shard(space).join("wal");
        let mut closed = Vec::new();
        for entry in fs::read_dir(&log)? {
            let path = entry?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if let Some(start) = name
                .strip_prefix("closed-")
                .and_then(|n| n.parse::<u64>().ok())
            {
                closed.push((start, path));
            }
        }
        closed.sort_unstable();
        closed.pop();
        closed
            .into_iter()
            .try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn create(&self, space: &Space) -> Result<()> {
        let (new, shard) = (self.beside(space, "new"), self.shard(space));
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|error| io_error("removing", &new, error))?;
        }
        fs::create_dir(&new).map_err(|error| io_error("making the folder", &new, error))?;
        let (config, index) = (settings::shard(space)?, settings::tenant_index()?);
        guarded("making a shard", || {
            let shard = EdgeShard::new(&new, config)?;
            shard.update(index)?;
            // Flushes, too.
            drop(shard);
            Ok(())
        })?;
        let format = new.join(FORMAT_FILE);
        fs::write(&format, FORMAT).map_err(|error| io_error("writing", &format, error))?;
        fs::rename(&new, &shard).map_err(|error| io_error("putting in place", &shard, error))?;
        // The rename is durable once the folder is.
        File::open(&self.root)
            .and_then(|root| root.sync_all())
            .map_err(|error| io_error("syncing", &self.root, error))
    }

    fn sweep(&self) -> Result<()> {
        let failed = |error| io_error("reading the folder", &self.root, error);
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let ending = path.extension().and_then(OsStr::to_str);
            if matches!(ending, Some("new" | "old")) && path.is_dir() {
                fs::remove_dir_all(&path).map_err(|error| io_error("removing", &path, error))?;
            }
        }
        Ok(())
    }

    fn shard(&self, space: &Space) -> PathBuf {
        self.root.join(&space.name)
    }

    fn beside(&self, space: &Space, ending: &str) -> PathBuf {
        self.root.join(format!("{}.{ending}", space.name))
    }
}

fn check_dimensions(path: &Path, space: &Space) -> Result<()> {
    let corrupt = |detail: String| VectorError::Corrupt {
        space: space.name.clone(),
        detail,
    };
    let stored = match EdgeConfig::load(path) {
        Some(Ok(config)) => config.vectors.get(DENSE).map(|params| params.size),
        Some(Err(error)) => return Err(corrupt(error.to_string())),
        None => return Err(corrupt("its configuration is missing".to_owned())),
    };
    match stored {
        Some(stored) if stored == space.dimensions => Ok(()),
        Some(stored) => Err(VectorError::SpaceMismatch {
            space: space.name.clone(),
            stored,
            asked: space.dimensions,
        }),
        None => Err(corrupt(format!("it has no {DENSE} vectors"))),
    }
}

/// How many points are in more than one segment. Takes a while.
fn twins(shard: &EdgeShard) -> Result<usize> {
    guarded("looking for points that are there twice", || {
        let counted = shard.count(CountRequest {
            filter: None,
            exact: true,
        })?;
        let (distinct, _) = shard.scroll(translate::scroll(Filter::default(), false))?;
        Ok(counted.saturating_sub(distinct.len()))
    })
}

/// An error with its causes, in one line.
fn detail(error: &VectorError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> VectorError {
    VectorError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_closed_files_of_the_log_but_the_last_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let space = Space {
            name: "a".to_owned(),
            dimensions: 2,
        };
        let log = folder.shard(&space).join("wal");
        fs::create_dir_all(&log).unwrap();
        for name in [
            "closed-0",
            "closed-90",
            "closed-100",
            "open-7",
            "first-index",
        ] {
            fs::write(log.join(name), "12345").unwrap();
        }
        folder.trim_log(&space).unwrap();
        let mut left: Vec<_> = fs::read_dir(&log)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["closed-100", "first-index", "open-7"]);
        assert_eq!(folder.log_bytes(&space).unwrap(), 15);
    }
}
