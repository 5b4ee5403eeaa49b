//! Files that take the place of the one before, and are read where they lie.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use memmap2::MmapOptions;
use object_store::path::Path;

use crate::{ArtifactError, ArtifactStore};

/// What a file is called while it is written.
const UNFINISHED: &str = ".unfinished-";
/// Nobody writes for so long: a process ended in the middle.
const LEFT: Duration = Duration::from_secs(3600);

impl ArtifactStore {
    /// Puts what `write` writes in the place of the file at `path`. It is there whole, on disk, or not at all;
    /// whoever has the one before mapped keeps it. Blocks.
    ///
    /// # Errors
    /// [`ArtifactError::File`], on a full disk too.
    pub fn replace(
        &self,
        path: &str,
        write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> Result<(), ArtifactError> {
        let target = self.file(path)?;
        let folder = target.parent().unwrap_or(FilePath::new("."));
        fs::create_dir_all(folder)?;
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)?;
        remove_unfinished(folder, file.as_file().metadata()?.modified()?);
        let mut out = BufWriter::with_capacity(1 << 18, file.as_file());
        write(&mut out)?;
        out.flush()?;
        drop(out);
        // Blocks are allocated here at the latest: a full disk is an error, not a signal when it is read.
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|failed| failed.error)?;
        Ok(())
    }

    /// The file at `path`, open; none where there is none. Blocks.
    ///
    /// # Errors
    /// [`ArtifactError::File`].
    pub fn open_file(&self, path: &str) -> Result<Option<ArtifactFile>, ArtifactError> {
        match File::open(self.file(path)?) {
            Ok(file) => Ok(Some(ArtifactFile(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn file(&self, path: &str) -> Result<PathBuf, ArtifactError> {
        Ok(self.local.path_to_filesystem(&Path::from(path))?)
    }
}

/// A file of the store that is open. Its bytes are not checked.
#[derive(Debug)]
pub struct ArtifactFile(File);

impl ArtifactFile {
    /// Its bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Bytes of it, read into memory.
    ///
    /// # Errors
    /// The system's; there are fewer.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; range_len(&range)?];
        let mut file = &self.0;
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Bytes of it where they lie, mapped, read only. `range` begins at a multiple of 4,096. Reading may wait
    /// for the disk.
    ///
    /// # Errors
    /// The system's, when a process may not map more, too.
    #[allow(unsafe_code, reason = "the file is never changed where it lies")]
    pub fn map(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = range_len(&range)?;
        if range.end > self.size()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut options = MmapOptions::new();
        options.offset(range.start).len(length);
        // SAFETY: `replace` writes another file and renames it, so nobody writes to this one or shortens it;
        // one that is replaced or deleted stays until it is unmapped. The folder is the server's own.
        let mapped = unsafe { options.map(&self.0)? };
        Ok(Bytes::from_owner(mapped))
    }
}

fn range_len(range: &Range<u64>) -> io::Result<usize> {
    let length = range.end.checked_sub(range.start);
    let length = length.and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Removes what processes that ended in the middle have left. `now` is what the file system says.
fn remove_unfinished(folder: &FilePath, now: SystemTime) {
    let is_left = |entry: &fs::DirEntry| {
        let changed = entry.metadata().and_then(|found| found.modified());
        let age = changed.map(|changed| now.duration_since(changed));
        matches!(age, Ok(Ok(age)) if age > LEFT)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(UNFINISHED) && is_left(&entry) {
            // The next one tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactsConfig;

    fn store() -> (tempfile::TempDir, ArtifactStore) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        (dir, ArtifactStore::open(&ArtifactsConfig { path }).unwrap())
    }

    /// All bytes of a file.
    fn map(store: &ArtifactStore, path: &str) -> Option<Bytes> {
        let file = store.open_file(path).unwrap()?;
        Some(file.map(0..file.size().unwrap()).unwrap())
    }

    #[test]
    fn parts_are_read_and_mapped() {
        let (_dir, store) = store();
        let bytes: Vec<u8> = (0..9_000_u32).map(|at| (at % 251) as u8).collect();
        store.replace("a/s", |out| out.write_all(&bytes)).unwrap();
        let file = store.open_file("a/s").unwrap().unwrap();
        assert_eq!(file.read(8_990..9_000).unwrap(), bytes[8_990..]);
        assert_eq!(&file.map(4_096..9_000).unwrap()[..], &bytes[4_096..]);
        assert!(file.map(8_192..9_001).is_err() && file.read(0..9_001).is_err());
        assert!(file.map(0..0).unwrap().is_empty());
    }

    #[test]
    fn a_file_takes_the_place_of_the_one_before() {
        let (_dir, store) = store();
        assert!(map(&store, "tenants/a/s").is_none());
        let write = |text: &'static [u8]| {
            let written = store.replace("tenants/a/s", |out| out.write_all(text));
            written.unwrap();
        };
        write(b"one");
        let one = map(&store, "tenants/a/s").unwrap();
        write(b"two, longer");
        assert_eq!(&one[..], b"one", "it is still mapped");
        assert_eq!(&map(&store, "tenants/a/s").unwrap()[..], b"two, longer");
    }

    #[tokio::test]
    async fn a_failed_write_leaves_the_one_before_and_nothing_else() {
        let (_dir, store) = store();
        store.replace("a/s", |out| out.write_all(b"one")).unwrap();
        let failed = store.replace("a/s", |out| {
            out.write_all(b"tw")?;
            Err(io::Error::other("full"))
        });
        assert!(matches!(failed, Err(ArtifactError::File(_))));
        assert_eq!(&map(&store, "a/s").unwrap()[..], b"one");
        assert_eq!(store.list("a").await.unwrap().len(), 1);
        assert_eq!(store.delete_all("a").await.unwrap(), 1);
        assert!(map(&store, "a/s").is_none());
    }

    #[test]
    fn what_ended_processes_have_left_is_removed() {
        let (dir, store) = store();
        let folder = dir.path().join("a");
        fs::create_dir(&folder).unwrap();
        let (old, new) = (
            folder.join(".unfinished-old"),
            folder.join(".unfinished-new"),
        );
        let now = File::create(&new).unwrap().metadata().unwrap();
        let long_ago = now.modified().unwrap() - 2 * LEFT;
        File::create(&old).unwrap().set_modified(long_ago).unwrap();
        store.replace("a/s", |out| out.write_all(b"one")).unwrap();
        assert!(!old.exists() && new.exists());
    }
}
