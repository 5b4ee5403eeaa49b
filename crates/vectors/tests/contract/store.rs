//! The stores under test: made fresh for each test, cleared away after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tenantry_vectors::{Space, VectorStore, VectorsConfig};

use crate::loopback::Loopback;

/// A store and the names a test may use in it: on a server that others use, too, each test needs
/// spaces of its own.
pub struct Fresh {
    pub store: Arc<dyn VectorStore>,
    prefix: String,
    made: std::sync::Mutex<Vec<Space>>,
}

impl Fresh {
    fn new(store: Arc<dyn VectorStore>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("test-{}-{number}", std::process::id());
        Self {
            store,
            prefix,
            made: std::sync::Mutex::default(),
        }
    }

    /// A space of this test that does not exist yet.
    pub fn space(&self, name: &str, dimensions: usize) -> Space {
        let space = Space {
            name: format!("{}-{name}", self.prefix),
            dimensions,
        };
        self.made.lock().unwrap().push(space.clone());
        space
    }

    /// A space of this test, made.
    pub async fn made(&self, dimensions: usize) -> Space {
        let space = self.space("main", dimensions);
        self.store.ensure_space(&space).await.unwrap();
        space
    }
}

/// The store in this process.
pub struct Embedded {
    fresh: Fresh,
    _folder: TempDir,
}

impl Embedded {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = VectorsConfig {
            path: folder.path().join("vectors"),
            ..Default::default()
        };
        Self {
            fresh: Fresh::new(tenantry_vectors::open(&config).await.unwrap()),
            _folder: folder,
        }
    }

    pub fn store(&self) -> &Fresh {
        &self.fresh
    }

    pub async fn stop(self) {
        self.fresh.store.close().await;
    }
}

/// The store on a server: a real one, or the loopback.
pub struct Remote {
    fresh: Fresh,
    loopback: Option<Loopback>,
}

impl Remote {
    pub async fn start() -> Self {
        let (url, loopback) = match std::env::var("TENANTRY_TEST_QDRANT_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let loopback = Loopback::start().await;
                (loopback.url(), Some(loopback))
            }
        };
        let api_key = std::env::var("TENANTRY_TEST_QDRANT_API_KEY").ok();
        let config = VectorsConfig {
            url: Some(url),
            api_key,
            ..Default::default()
        };
        Self {
            fresh: Fresh::new(tenantry_vectors::open(&config).await.unwrap()),
            loopback,
        }
    }

    pub fn store(&self) -> &Fresh {
        &self.fresh
    }

    pub async fn stop(self) {
        match self.loopback {
            Some(loopback) => loopback.stop().await,
            None => self.remove_collections().await,
        }
    }

    /// Leaves the real server as it was.
    async fn remove_collections(&self) {
        let url = std::env::var("TENANTRY_TEST_QDRANT_URL").unwrap();
        let key = std::env::var("TENANTRY_TEST_QDRANT_API_KEY");
        let client = qdrant_client::Qdrant::from_url(&url)
            .api_key(key)
            .skip_compatibility_check()
            .build()
            .unwrap();
        let made = self.fresh.made.lock().unwrap().clone();
        for space in made {
            let _ = client
                .delete_collection(format!("tenantry-{}", space.name))
                .await;
        }
    }
}
