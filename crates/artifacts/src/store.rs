//! The artifact store: a folder, or whatever else `object_store` speaks.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use sha2::{Digest as _, Sha256};
use tokio_stream::StreamExt as _;

use crate::ArtifactError;

/// Where artifacts are kept.
#[derive(Debug, Clone)]
pub struct ArtifactsConfig {
    /// A folder; made where it is missing.
    pub path: PathBuf,
}

/// What is known of an artifact once it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256, in hex.
    pub checksum: String,
    /// Bytes.
    pub size: u64,
}

/// Keeps artifacts and hands them out unharmed.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    inner: Arc<dyn ObjectStore>,
    /// The same, where files can be mapped.
    pub(crate) local: Arc<LocalFileSystem>,
}

impl ArtifactStore {
    /// Opens the store, making the folder where it is missing.
    ///
    /// # Errors
    /// [`ArtifactError::Url`] when the folder cannot be made or read.
    pub fn open(config: &ArtifactsConfig) -> Result<Self, ArtifactError> {
        let unusable = |error: &dyn std::fmt::Display| {
            ArtifactError::Url(format!(
                "the folder {} cannot be used: {error}",
                config.path.display()
            ))
        };
        std::fs::create_dir_all(&config.path).map_err(|error| unusable(&error))?;
        // Sync to disk: a model that the registry names must be there after a power cut.
        let inner = LocalFileSystem::new_with_prefix(&config.path)
            .map_err(|error| unusable(&error))?
            .with_fsync(true);
        let local = Arc::new(inner);
        Ok(Self {
            inner: Arc::clone(&local) as Arc<dyn ObjectStore>,
            local,
        })
    }

    /// Stores `bytes` at `path`. The same bytes again are fine: a worker that died after storing
    /// does it again.
    ///
    /// # Errors
    /// [`ArtifactError::Exists`] when other bytes lie there already.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<Stored, ArtifactError> {
        let stored = Stored {
            checksum: checksum(&bytes),
            size: bytes.len() as u64,
        };
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self
            .inner
            .put_opts(&Path::from(path), bytes.into(), options)
            .await
        {
            Ok(_) => Ok(stored),
            Err(object_store::Error::AlreadyExists { .. }) => {
                match self.get(path, &stored.checksum).await {
                    Ok(_) => Ok(stored),
                    Err(ArtifactError::Corrupt { path, .. }) => Err(ArtifactError::Exists { path }),
                    Err(other) => Err(other),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the artifact at `path` and checks that it is the one meant.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`], or [`ArtifactError::Corrupt`] when its checksum is another.
    pub async fn get(&self, path: &str, expected: &str) -> Result<Bytes, ArtifactError> {
        let result = self.inner.get(&Path::from(path)).await;
        let bytes = match result {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(ArtifactError::Missing {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let found = checksum(&bytes);
        if found != expected {
            let (path, expected) = (path.to_owned(), expected.to_owned());
            return Err(ArtifactError::Corrupt {
                path,
                expected,
                found,
            });
        }
        Ok(bytes)
    }

    /// Deletes the artifact at `path`, and says whether there was one.
    ///
    /// # Errors
    /// [`ArtifactError::Store`] when the store fails.
    pub async fn delete(&self, path: &str) -> Result<bool, ArtifactError> {
        match self.inner.delete(&Path::from(path)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The artifacts under `prefix`, each with the time of its last change.
    ///
    /// # Errors
    /// [`ArtifactError::Store`] when the store fails.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, DateTime<Utc>)>, ArtifactError> {
        let mut found = self.inner.list(Some(&Path::from(prefix)));
        let mut all = Vec::new();
        while let Some(object) = found.next().await {
            let object = object?;
            all.push((object.location.to_string(), object.last_modified));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Deletes everything under `prefix` and says how many artifacts that were.
    ///
    /// # Errors
    /// [`ArtifactError::Store`] when the store fails; what was deleted stays deleted.
    pub async fn delete_all(&self, prefix: &str) -> Result<u64, ArtifactError> {
        let mut found = self.inner.list(Some(&Path::from(prefix)));
        let mut deleted = 0;
        while let Some(object) = found.next().await {
            self.inner.delete(&object?.location).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// SHA-256 of an artifact, in hex: what [`ArtifactStore::put`] says of it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ArtifactStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(&ArtifactsConfig {
            path: dir.path().join("models"),
        })
        .unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn what_was_stored_comes_back() {
        let (_dir, store) = store();
        let stored = store
            .put("tenants/acme/1.bin", Bytes::from_static(b"abc"))
            .await
            .unwrap();
        assert_eq!(stored.size, 3);
        assert_eq!(
            stored.checksum,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let bytes = store
            .get("tenants/acme/1.bin", &stored.checksum)
            .await
            .unwrap();
        assert_eq!(&bytes[..], b"abc");
        // Again the same is fine, other bytes are not.
        assert!(
            store
                .put("tenants/acme/1.bin", Bytes::from_static(b"abc"))
                .await
                .is_ok()
        );
        let other = store
            .put("tenants/acme/1.bin", Bytes::from_static(b"abd"))
            .await;
        assert!(
            matches!(other, Err(ArtifactError::Exists { .. })),
            "{other:?}"
        );
    }

    #[tokio::test]
    async fn damage_is_seen() {
        let (dir, store) = store();
        let stored = store
            .put("a.bin", Bytes::from_static(b"abc"))
            .await
            .unwrap();
        std::fs::write(dir.path().join("models/a.bin"), b"abX").unwrap();
        let damaged = store.get("a.bin", &stored.checksum).await;
        assert!(
            matches!(damaged, Err(ArtifactError::Corrupt { .. })),
            "{damaged:?}"
        );
        let missing = store.get("b.bin", &stored.checksum).await;
        assert!(
            matches!(missing, Err(ArtifactError::Missing { .. })),
            "{missing:?}"
        );
    }

    #[tokio::test]
    async fn artifacts_are_listed_and_deleted_one_by_one() {
        let (_dir, store) = store();
        for path in ["a/2", "a/1", "ab/1"] {
            store.put(path, Bytes::from_static(b"x")).await.unwrap();
        }
        let listed = store.list("a").await.unwrap();
        let paths: Vec<&str> = listed.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a/1", "a/2"]);
        assert!(listed[0].1 > DateTime::UNIX_EPOCH);
        assert!(store.delete("a/1").await.unwrap());
        assert!(!store.delete("a/1").await.unwrap());
        assert_eq!(store.list("a").await.unwrap().len(), 1);
        assert!(store.list("nothing").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn erasing_one_owner_leaves_the_others() {
        let (_dir, store) = store();
        for path in ["tenants/a/1", "tenants/a/2", "tenants/ab/1"] {
            store.put(path, Bytes::from_static(b"x")).await.unwrap();
        }
        assert_eq!(store.delete_all("tenants/a").await.unwrap(), 2);
        assert_eq!(store.delete_all("tenants/a").await.unwrap(), 0);
        assert_eq!(store.delete_all("tenants/ab").await.unwrap(), 1);
    }
}
