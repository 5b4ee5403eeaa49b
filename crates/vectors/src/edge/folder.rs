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

use qdrant_edge::{
    CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeSparseVectorParams,
    EdgeVectorParams, FieldIndexOperations, HnswIndexConfig, KeywordIndexParams,
    PayloadFieldSchema, PayloadSchemaParams, UpdateOperation, WalOptions,
};

use super::guard::guarded;
use super::translate::{DENSE, WORDS, tenant_path};
use crate::VectorError;
use crate::port::{Result, Space};

/// Written into each shard folder; raised when the layout of points or of the engine's files changes
/// in a way the code before could not read.
const FORMAT: &str = "tenantry-vectors 1, qdrant-edge 0.7\n";
const FORMAT_FILE: &str = "FORMAT";

/// Bytes of one file of the engine's write-ahead log.
const WAL_SEGMENT_BYTES: usize = 8 << 20;

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
        self.trim_log(space)
            .map_err(|error| corrupt(format!("its log: {error}")))?;
        guarded("loading a shard", || {
            EdgeShard::load(&path, Some(shard_config(space)))
        })
        .map_err(|error| corrupt(detail(&error)))
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
        let index = tenant_index()?;
        guarded("making a shard", || {
            let shard = EdgeShard::new(&new, shard_config(space))?;
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

/// When segments are rewritten. Searches go through the segments one after the other, so there are
/// few: large indexed ones, and a small one that takes the writes.
pub(super) fn optimizers() -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        default_segment_number: Some(2),
        ..EdgeOptimizersConfig::default()
    }
}

/// Rewrites each segment that has any removed point: what was erased is then gone from disk.
pub(super) fn eager_optimizers() -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        deleted_threshold: Some(0.0),
        vacuum_min_vector_number: Some(0),
        ..optimizers()
    }
}

fn shard_config(space: &Space) -> EdgeConfig {
    EdgeConfig::builder()
        .vector(
            DENSE,
            EdgeVectorParams::builder(space.dimensions, Distance::Cosine).build(),
        )
        .sparse_vector(WORDS, EdgeSparseVectorParams::builder().build())
        // No graph over all tenants, which nobody searches: one within each large tenant.
        .hnsw_config(HnswIndexConfig {
            m: 0,
            payload_m: Some(16),
            ..HnswIndexConfig::default()
        })
        .optimizers(optimizers())
        .wal_options(WalOptions {
            segment_capacity: WAL_SEGMENT_BYTES,
            ..WalOptions::default()
        })
        .build()
}

fn tenant_index() -> Result<UpdateOperation> {
    let keyword = KeywordIndexParams {
        is_tenant: Some(true),
        ..KeywordIndexParams::default()
    };
    Ok(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: tenant_path()?,
            field_schema: Some(PayloadFieldSchema::FieldParams(
                PayloadSchemaParams::Keyword(keyword),
            )),
        }),
    ))
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
