//! The store in this process: a file a space, and exact searches over what is in memory of it.

mod block;
mod direction;
mod file;
mod folder;
mod memory;
mod space;
mod words;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use cpu_time::ThreadTime;
use domain::TenantId;
use tokio::sync::{Mutex, Semaphore};

use self::block::Block;
use self::direction::direction;
use self::file::SpaceFile;
use self::folder::Folder;
use self::memory::Memory;
use self::space::OpenSpace;
use crate::port::{Found, Hit, Point, Result, Space, SparseVector, VectorStore};
use crate::{VectorError, checks};

/// Searches at work at once, for each processor. More wait their turn.
const SEARCHES_PER_CPU: usize = 2;

/// Of a tenant with more points, those that were given the highest ids are searched: searches look at each point,
/// and who has more wants an engine with an index. More than a history has items, where points come as things happen.
const SEARCHED_POINTS: usize = 60_000;

/// So many points are searched by vector in a fraction of a millisecond: handing the search to another thread
/// and back takes a good part of that.
const FEW_POINTS: usize = 4_096;
/// The same for a search by words, which looks at the postings of its words.
const FEW_POSTINGS: usize = 8_192;

/// The vector store in this process.
///
/// Searches are exact among a tenant's newest 60,000 points (give or take a fifth); older ones are kept, counted and
/// listed, and not found. All calls that touch a file, and searches of many points, run on tokio's blocking threads. Call
/// [`VectorStore::close`] before the process ends: it flushes.
#[derive(Debug)]
pub struct EmbeddedStore {
    folder: Folder,
    memory: Arc<Memory>,
    spaces: RwLock<HashMap<String, Arc<OpenSpace>>>,
    /// Held while a space is opened, reset or closed.
    changing: Mutex<()>,
    searches: Arc<Semaphore>,
    closed: AtomicBool,
}

impl EmbeddedStore {
    /// Opens the store in the folder, which is made where it is missing, with `resident_bytes` for
    /// points in memory. Spaces are opened when they are first used.
    ///
    /// # Errors
    /// [`VectorError::InUse`] when another process has the folder, and [`VectorError::Io`].
    pub async fn open(path: &Path, resident_bytes: usize) -> Result<Self> {
        let path = path.to_owned();
        let folder = blocking("opening the folder", move || Folder::open(&path)).await?;
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            folder,
            memory: Arc::new(Memory::new(resident_bytes)),
            spaces: RwLock::default(),
            changing: Mutex::new(()),
            searches: Arc::new(Semaphore::new(cpus * SEARCHES_PER_CPU)),
            closed: AtomicBool::new(false),
        })
    }

    /// The space, open; where `make` says so it is made first.
    async fn space(&self, space: &Space, make: bool) -> Result<Arc<OpenSpace>> {
        if let Some(open) = self.opened(space)? {
            return Ok(open);
        }
        let _changing = self.changing.lock().await;
        // Somebody else may have opened it in the meantime.
        if let Some(open) = self.opened(space)? {
            return Ok(open);
        }
        self.open_file(space, make, false).await
    }

    fn opened(&self, space: &Space) -> Result<Option<Arc<OpenSpace>>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(VectorError::Closed);
        }
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = spaces.get(&space.name) else {
            return Ok(None);
        };
        let stored = open.file().space().dimensions;
        if stored == space.dimensions {
            return Ok(Some(Arc::clone(open)));
        }
        Err(VectorError::SpaceMismatch {
            space: space.name.clone(),
            stored,
            asked: space.dimensions,
        })
    }

    /// Opens the file of a space; the caller holds `changing`.
    async fn open_file(&self, space: &Space, make: bool, anew: bool) -> Result<Arc<OpenSpace>> {
        checks::space(space)?;
        let (folder, wanted) = (self.folder.clone(), space.clone());
        let file = blocking("opening a space", move || {
            if anew {
                folder.remove(&wanted)?;
            }
            SpaceFile::open(&wanted, &folder.file(&wanted), make)
        })
        .await?;
        let open = Arc::new(OpenSpace::new(
            file,
            Arc::clone(&self.memory),
            SEARCHED_POINTS,
        ));
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(space.name.clone(), Arc::clone(&open));
        Ok(open)
    }

    /// Runs work on a space, on a thread that may block.
    async fn on<T, F>(&self, doing: &'static str, space: &Space, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&OpenSpace) -> Result<T> + Send + 'static,
    {
        let open = self.space(space, false).await?;
        blocking(doing, move || work(&open)).await
    }

    /// Runs a search, and measures it: on this thread where it takes less than handing it on, else when a
    /// processor is free for it.
    async fn search<F>(
        &self,
        space: &Space,
        tenant: &TenantId,
        is_short: impl FnOnce(&Block) -> bool,
        search: F,
    ) -> Result<Found>
    where
        F: Fn(&Block) -> Vec<Hit> + Send + 'static,
    {
        if let Some(open) = self.opened(space)? {
            let started = ThreadTime::now();
            if let Some(hits) = open.search_at_once(tenant, is_short, &search) {
                let cpu = started.elapsed();
                return Ok(Found { hits, cpu });
            }
        }
        let tenant = tenant.clone();
        let turn = Arc::clone(&self.searches)
            .acquire_owned()
            .await
            .map_err(|_| VectorError::Closed)?;
        self.on("searching", space, move |open| {
            let _turn = turn;
            let started = ThreadTime::now();
            let hits = open.search(&tenant, search)?;
            Ok(Found {
                hits,
                cpu: started.elapsed(),
            })
        })
        .await
    }
}

#[async_trait]
impl VectorStore for EmbeddedStore {
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
            open.leave_memory();
        }
        self.open_file(space, true, true).await.map(drop)
    }

    async fn upsert(&self, space: &Space, tenant: &TenantId, points: Vec<Point>) -> Result<()> {
        let open = self.space(space, false).await?;
        let points = checks::points(space, points)?;
        if points.is_empty() {
            return Ok(());
        }
        let tenant = tenant.clone();
        blocking("writing points", move || open.upsert(&tenant, &points)).await
    }

    async fn delete(&self, space: &Space, tenant: &TenantId, ids: Vec<u64>) -> Result<()> {
        let tenant = tenant.clone();
        self.on("removing points", space, move |open| {
            open.delete(&tenant, &ids)
        })
        .await
    }

    async fn delete_tenant(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        let tenant = tenant.clone();
        self.on("removing a tenant", space, move |open| {
            open.delete_tenant(&tenant)
        })
        .await
    }

    async fn flush(&self, space: &Space) -> Result<()> {
        self.on("flushing a space", space, OpenSpace::flush).await
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
        let query = direction(&vector);
        let is_short = |block: &Block| block.len() <= FEW_POINTS;
        self.search(space, tenant, is_short, move |block| {
            block.search_dense(&query, limit)
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
        let asked = query.clone();
        let is_short = move |block: &Block| block.postings(&asked) <= FEW_POSTINGS;
        self.search(space, tenant, is_short, move |block| {
            block.search_sparse(&query, limit)
        })
        .await
    }

    async fn count(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        let tenant = tenant.clone();
        self.on("counting points", space, move |open| open.count(&tenant))
            .await
    }

    async fn list_ids(&self, space: &Space, tenant: &TenantId) -> Result<Vec<u64>> {
        let tenant = tenant.clone();
        self.on("listing points", space, move |open| open.list_ids(&tenant))
            .await
    }

    async fn health(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(VectorError::Closed),
            false => Ok(()),
        }
    }

    async fn close(&self) {
        let _changing = self.changing.lock().await;
        self.closed.store(true, Ordering::Release);
        let open: Vec<_> = {
            let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
            spaces.drain().map(|(_, open)| open).collect()
        };
        for open in open {
            let space = open.file().space().name.clone();
            let flushed = blocking("closing a space", move || {
                open.leave_memory();
                open.flush()
            });
            if let Err(error) = flushed.await {
                tracing::error!(space, %error, "the last flush of a space failed");
            }
        }
    }
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
