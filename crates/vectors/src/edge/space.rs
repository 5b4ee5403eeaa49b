//! A space that is loaded: its shard for searches, and the way to its owner for writes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use domain::TenantId;
use qdrant_edge::{EdgeShard, OperationResult};
use tokio::sync::{mpsc, oneshot};

use super::folder::Folder;
use super::guard::guarded;
use super::owner::{Command, Owner};
use super::slot::Slot;
use super::{blocking, translate};
use crate::port::{Hit, Result, Space, SparseVector};
use crate::{VectorError, checks};

/// A space in use.
pub(super) struct OpenSpace {
    space: Space,
    slot: Arc<Slot>,
    owner: mpsc::Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl OpenSpace {
    /// Loads the space, which is made where it is missing, and starts its owner. Blocks.
    pub(super) fn load(space: &Space, folder: &Folder) -> Result<Self> {
        let slot = Arc::new(Slot::new(folder.load(space)?));
        let (owner, thread) = Owner::start(space, folder, &slot)?;
        Ok(Self {
            space: space.clone(),
            slot,
            owner,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The space's name.
    pub(super) fn name(&self) -> &str {
        &self.space.name
    }

    /// Refuses a space of this name but other dimensions.
    pub(super) fn check(&self, space: &Space) -> Result<()> {
        if space.dimensions == self.space.dimensions {
            return Ok(());
        }
        Err(VectorError::SpaceMismatch {
            space: space.name.clone(),
            stored: self.space.dimensions,
            asked: space.dimensions,
        })
    }

    /// Asks the owner, waiting for a place in its queue and then for its answer.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.owner
            .send(command(reply))
            .await
            .map_err(|_| VectorError::Closed)?;
        answer.await.map_err(|_| VectorError::Closed)?
    }

    /// Flushes and puts the shard away; returns when the owner has ended.
    pub(super) async fn close(&self) -> Result<()> {
        let closed = match self.ask(|reply| Command::Close { reply }).await {
            // The owner has ended before.
            Err(VectorError::Closed) => Ok(()),
            other => other,
        };
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            blocking("waiting for the owner", move || {
                thread.join().map_err(|_| VectorError::Panicked {
                    doing: "owning a shard",
                    detail: "its thread ended".to_owned(),
                })
            })
            .await?;
        }
        closed
    }

    /// Whether the shard is there and its owner at work.
    pub(super) fn health(&self) -> Result<()> {
        if self.owner.is_closed() {
            return Err(VectorError::Closed);
        }
        self.slot.health()
    }

    /// See [`VectorStore::search_dense`](crate::VectorStore::search_dense). Blocks, as all below.
    pub(super) fn search_dense(
        &self,
        tenant: &TenantId,
        vector: Vec<f32>,
        limit: usize,
    ) -> Result<Vec<Hit>> {
        let query = translate::dense_query(vector, translate::of_tenant(tenant)?, limit);
        let found = self.read("searching", |shard| shard.search(query))?;
        let mut hits = translate::hits(found)?;
        checks::order(&mut hits);
        Ok(hits)
    }

    /// See [`VectorStore::search_sparse`](crate::VectorStore::search_sparse).
    pub(super) fn search_sparse(
        &self,
        tenant: &TenantId,
        query: SparseVector,
        limit: usize,
    ) -> Result<Vec<Hit>> {
        if query.indices.is_empty() {
            return Ok(Vec::new());
        }
        let query = translate::sparse_query(query, translate::of_tenant(tenant)?, limit)?;
        let found = self.read("searching words", |shard| shard.search(query))?;
        let mut hits = translate::hits(found)?;
        checks::order(&mut hits);
        Ok(hits)
    }

    /// See [`VectorStore::count`](crate::VectorStore::count).
    pub(super) fn count(&self, tenant: &TenantId) -> Result<u64> {
        let request = translate::count(translate::of_tenant(tenant)?);
        Ok(self.read("counting points", |shard| shard.count(request))? as u64)
    }

    /// See [`VectorStore::list_ids`](crate::VectorStore::list_ids).
    pub(super) fn list_ids(&self, tenant: &TenantId) -> Result<Vec<u64>> {
        let request = translate::scroll(translate::of_tenant(tenant)?, false);
        let (records, _) = self.read("listing points", |shard| shard.scroll(request))?;
        records.iter().map(translate::id).collect()
    }

    /// See [`VectorStore::fetch`](crate::VectorStore::fetch).
    pub(super) fn fetch(&self, tenant: &TenantId, ids: Vec<u64>) -> Result<Vec<(u64, Vec<f32>)>> {
        let request = translate::scroll(translate::of_tenant_with_ids(tenant, ids)?, true);
        let (records, _) = self.read("fetching points", |shard| shard.scroll(request))?;
        records.into_iter().map(translate::dense_of).collect()
    }

    fn read<T>(
        &self,
        doing: &'static str,
        call: impl FnOnce(&EdgeShard) -> OperationResult<T>,
    ) -> Result<T> {
        let state = self.slot.read();
        let shard = state.shard()?;
        guarded(doing, || call(shard))
    }
}

impl fmt::Debug for OpenSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpace")
            .field("space", &self.space)
            .finish_non_exhaustive()
    }
}
