//! Models kept in memory, bounded in bytes.

use std::future::Future;
use std::sync::Arc;

use moka::future::Cache;

/// Something that can be kept resident.
pub trait Resident: Send + Sync + 'static {
    /// Bytes it takes, about.
    fn resident_bytes(&self) -> usize;
}

/// A cache of resident models by key, which never holds more bytes than it may.
///
/// Two requests for a model that is not resident load it once.
pub struct ResidentCache<T: Resident> {
    inner: Cache<String, Arc<T>>,
}

// Derived, this would ask `T` to be `Clone`; what is shared is the cache.
impl<T: Resident> Clone for ResidentCache<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<T: Resident> ResidentCache<T> {
    /// A cache that holds at most about `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        let inner = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, value: &Arc<T>| {
                u32::try_from(key.len() + value.resident_bytes()).unwrap_or(u32::MAX)
            })
            .build();
        Self { inner }
    }

    /// The resident model of `key`, loaded with `load` where it is not there.
    ///
    /// # Errors
    /// What `load` failed with, shared by all who waited for it.
    pub async fn get_or_load<E: Send + Sync + 'static>(
        &self,
        key: &str,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, Arc<E>> {
        let load = async { load.await.map(Arc::new) };
        self.inner.try_get_with_by_ref(key, load).await
    }

    /// What is resident under `key`, without loading.
    pub async fn get(&self, key: &str) -> Option<Arc<T>> {
        self.inner.get(key).await
    }

    /// Makes `value` resident under `key`, in the place of what was there: requests keep the old one
    /// until this moment and have the new one after it.
    pub async fn insert(&self, key: &str, value: Arc<T>) {
        self.inner.insert(key.to_owned(), value).await;
    }

    /// The keys of what is resident.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.inner
            .iter()
            .map(|(key, _)| key.as_ref().clone())
            .collect()
    }

    /// Drops what is resident under `key`.
    pub async fn invalidate(&self, key: &str) {
        self.inner.invalidate(key).await;
    }

    /// Bytes held now, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Blob(usize);
    impl Resident for Blob {
        fn resident_bytes(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn holds_no_more_than_it_may() {
        let cache = ResidentCache::<Blob>::new(1_000);
        for key in 0..20 {
            cache
                .get_or_load(&key.to_string(), async { Ok::<_, ()>(Blob(300)) })
                .await
                .unwrap();
        }
        cache.inner.run_pending_tasks().await;
        assert!(cache.bytes() <= 1_000, "{}", cache.bytes());
    }

    #[tokio::test]
    async fn a_failed_load_is_tried_again() {
        let cache = ResidentCache::<Blob>::new(1_000);
        let failed = cache
            .get_or_load("m", async { Err::<Blob, _>("no file") })
            .await;
        assert_eq!(*failed.err().unwrap(), "no file");
        assert!(
            cache
                .get_or_load("m", async { Ok::<_, &str>(Blob(1)) })
                .await
                .is_ok()
        );
    }
}
