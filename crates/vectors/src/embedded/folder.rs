//! The folder of the in-process store: the lock on it, and one file a space.
//!
//! ```text
//! <vectors.path>/LOCK             held by the one process that may use the folder
//! <vectors.path>/<space>.sqlite   the points of a space, with SQLite's -wal and -shm beside it
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::VectorError;
use crate::port::{Result, Space};

/// Beginning of the file `FORMAT` in a folder of a version before, which kept a folder for each space.
const FORMER: &str = "tenantry-vectors 1";

/// The folder of the in-process store, locked for this process until the last clone is dropped. The
/// lock is the system's, so a killed process leaves none behind.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    _lock: Arc<File>,
}

impl Folder {
    /// Makes the folder where it is missing and locks it. Spaces of a version before are removed: what
    /// was in them is made again from the database, and erased tenants' points must not stay.
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
        folder.remove_former()?;
        Ok(folder)
    }

    /// The file of a space.
    pub(super) fn file(&self, space: &Space) -> PathBuf {
        self.root.join(format!("{}.sqlite", space.name))
    }

    /// Removes the file of a space with what SQLite keeps beside it.
    pub(super) fn remove(&self, space: &Space) -> Result<()> {
        let file = self.file(space);
        for suffix in ["", "-wal", "-shm"] {
            let mut path = file.clone().into_os_string();
            path.push(suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io_error("removing the file", Path::new(&path), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remove_former(&self) -> Result<()> {
        let reading = |error| io_error("reading the folder", &self.root, error);
        for entry in fs::read_dir(&self.root).map_err(reading)? {
            let path = entry.map_err(reading)?.path();
            let format = fs::read_to_string(path.join("FORMAT")).unwrap_or_default();
            if format.starts_with(FORMER) {
                tracing::info!(path = %path.display(), "removing an index of a version before");
                fs::remove_dir_all(&path)
                    .map_err(|error| io_error("removing the folder", &path, error))?;
            }
        }
        Ok(())
    }
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> VectorError {
    VectorError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}
