//! The store in this process: one qdrant-edge shard a space, shared by all tenants.

mod folder;
mod guard;
mod owner;
mod settings;
mod slot;
mod space;
mod translate;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use cpu_time::ThreadTime;
use domain::TenantId;
use tokio::sync::{Mutex, Semaphore};

use self::folder::Folder;
use self::owner::Command;
use self::space::OpenSpace;
use crate::port::{Found, Hit, Point, Result, Space, SparseVector, VectorStore};
use crate::{VectorError, checks};

/// Searches at work at once, for each processor. More wait their turn.
const SEARCHES_PER_CPU: usize = 2;

/// The vector store in this process.
///
/// Each space is one pooled shard in a folder of its own; a tenant is a value of an indexed payload
/// key. Writes go through the shard's owner, a thread; searches run beside it on tokio's blocking
/// threads.
///
/// Call [`VectorStore::close`] before the process ends. Without it, dropping the store still flushes,
/// but in the background.
#[derive(Debug)]
pub struct EdgeStore {
    folder: Folder,
    spaces: RwLock<HashMap<String, Arc<OpenSpace>>>,
    /// Held while a space is opened, reset or closed.
    changing: Mutex<()>,
    searches: Arc<Semaphore>,
    closed: AtomicBool,
}

impl EdgeStore {
    /// Opens the store in the folder, which is made where it is missing. Spaces are loaded when
    /// they are first used.
    ///
    /// # Errors
    /// [`VectorError::InUse`] when another process has the folder, and [`VectorError::Io`].
    pub async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let folder = blocking("opening the folder", move || Folder::open(&path)).await?;
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            folder,
            spaces: RwLock::default(),
            changing: Mutex::new(()),
            searches: Arc::new(Semaphore::new(cpus * SEARCHES_PER_CPU)),
            closed: AtomicBool::new(false),
        })
    }

    /// The space, loaded; where `make` says so it is made first.
    async fn space(&self, space: &Space, make: bool) -> Result<Arc<OpenSpace>> {
        if let Some(open) = self.loaded(space)? {
            return Ok(open);
        }
        let _changing = self.changing.lock().await;
        // Somebody else may have loaded it in the meantime.
        if let Some(open) = self.loaded(space)? {
            return Ok(open);
        }
        checks::space(space)?;
        let (folder, wanted) = (self.folder.clone(), space.clone());
        let open = blocking("loading a space", move || {
            if !make && !folder.has(&wanted) {
                return Err(VectorError::UnknownSpace { space: wanted.name });
            }
            OpenSpace::load(&wanted, &folder)
        })
        .await?;
        let open = Arc::new(open);
        self.insert(&open);
        Ok(open)
    }

    fn loaded(&self, space: &Space) -> Result<Option<Arc<OpenSpace>>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(VectorError::Closed);
        }
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = spaces.get(&space.name) else {
            return Ok(None);
        };
        open.check(space)?;
        Ok(Some(Arc::clone(open)))
    }

    fn insert(&self, open: &Arc<OpenSpace>) {
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(open.name().to_owned(), Arc::clone(open));
    }

    /// Runs a search on a thread that may block, when one is free for it.
    async fn search<T, F>(&self, space: &Space, search: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&OpenSpace) -> Result<T> + Send + 'static,
    {
        let open = self.space(space, false).await?;
        let turn = Arc::clone(&self.searches)
            .acquire_owned()
            .await
            .map_err(|_| VectorError::Closed)?;
        blocking("searching", move || {
            let _turn = turn;
            search(&open)
        })
        .await
    }
}

#[async_trait]
impl VectorStore for EdgeStore {
    async fn ensure_space(&self, space: &Space) -> Result<()> {
        self.space(space, true).await.map(drop)
    }

    async fn reset_space(&self, space: &Space) -> Result<()> {
        checks::space(space)?;
        let _changing = self.changing.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(VectorError::Closed);
        }
        let open = {
            let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
            spaces.remove(&space.name)
        };
        if let Some(open) = open {
            // What cannot be flushed is thrown away all the same.
            if let Err(error) = open.close().await {
                tracing::warn!(space = space.name, %error, "closing a space before its reset");
            }
        }
        let (folder, wanted) = (self.folder.clone(), space.clone());
        let open = blocking("resetting a space", move || {
            folder.wipe(&wanted)?;
            OpenSpace::load(&wanted, &folder)
        })
        .await?;
        self.insert(&Arc::new(open));
        Ok(())
    }

    async fn upsert(&self, space: &Space, tenant: &TenantId, points: Vec<Point>) -> Result<()> {
        let open = self.space(space, false).await?;
        let points = checks::points(space, points)?;
        if points.is_empty() {
            return Ok(());
        }
        let tenant = tenant.clone();
        open.ask(|reply| Command::Upsert {
            tenant,
            points,
            reply,
        })
        .await
    }

    async fn delete(&self, space: &Space, tenant: &TenantId, ids: Vec<u64>) -> Result<()> {
        let open = self.space(space, false).await?;
        if ids.is_empty() {
            return Ok(());
        }
        let tenant = tenant.clone();
        open.ask(|reply| Command::Delete { tenant, ids, reply })
            .await
    }

    async fn delete_tenant(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        let open = self.space(space, false).await?;
        let tenant = tenant.clone();
        open.ask(|reply| Command::DeleteTenant { tenant, reply })
            .await
    }

    async fn flush(&self, space: &Space) -> Result<()> {
        self.space(space, false)
            .await?
            .ask(|reply| Command::Flush { reply })
            .await
    }

    async fn search_dense(
        &self,
        space: &Space,
        tenant: &TenantId,
        vector: Vec<f32>,
        limit: usize,
    ) -> Result<Found> {
        checks::dense(space, &vector)?;
        checks::limit(limit)?;
        let tenant = tenant.clone();
        self.search(space, move |open| {
            measured(|| open.search_dense(&tenant, vector, limit))
        })
        .await
    }

    async fn search_sparse(
        &self,
        space: &Space,
        tenant: &TenantId,
        query: SparseVector,
        limit: usize,
    ) -> Result<Found> {
        let query = checks::sparse(query)?;
        checks::limit(limit)?;
        let tenant = tenant.clone();
        self.search(space, move |open| {
            measured(|| open.search_sparse(&tenant, query, limit))
        })
        .await
    }

    async fn count(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        let tenant = tenant.clone();
        self.search(space, move |open| open.count(&tenant)).await
    }

    async fn list_ids(&self, space: &Space, tenant: &TenantId) -> Result<Vec<u64>> {
        let tenant = tenant.clone();
        self.search(space, move |open| open.list_ids(&tenant)).await
    }

    async fn fetch(
        &self,
        space: &Space,
        tenant: &TenantId,
        ids: Vec<u64>,
    ) -> Result<Vec<(u64, Vec<f32>)>> {
        let tenant = tenant.clone();
        self.search(space, move |open| open.fetch(&tenant, ids))
            .await
    }

    async fn health(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(VectorError::Closed);
        }
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.values().try_for_each(|open| open.health())
    }

    async fn close(&self) {
        let _changing = self.changing.lock().await;
        self.closed.store(true, Ordering::Release);
        let open: Vec<_> = {
            let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
            spaces.drain().map(|(_, open)| open).collect()
        };
        for open in open {
            if let Err(error) = open.close().await {
                tracing::error!(space = open.name(), %error, "the last flush of a space failed");
            }
        }
    }
}

/// A search with the time that it takes of this thread's processor.
fn measured(search: impl FnOnce() -> Result<Vec<Hit>>) -> Result<Found> {
    let started = ThreadTime::now();
    let hits = search()?;
    Ok(Found {
        hits,
        cpu: started.elapsed(),
    })
}

/// Runs work that may block on a thread that may.
async fn blocking<T, F>(doing: &'static str, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(VectorError::Panicked {
            doing,
            detail: error.to_string(),
        }),
    }
}
