//! A space that is open: its file, and the tenants of it that are in memory.
//!
//! A tenant is read into memory by the first search of it and stays while there is room; writes go to
//! the file first and then, where the tenant is in memory, to its block. Whoever changes or reads in a
//! tenant holds its `changing`, so block and file never differ; searches share the block's lock and
//! wait only while a write that is committed already is carried over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use domain::TenantId;

use super::block::Block;
use super::direction::direction;
use super::file::SpaceFile;
use super::memory::{Memory, Resident};
use crate::port::{Point, Result};

/// A space in use.
#[derive(Debug)]
pub(super) struct OpenSpace {
    file: SpaceFile,
    tenants: RwLock<HashMap<TenantId, Arc<Resident>>>,
    memory: Arc<Memory>,
    /// A tenant was removed since the last flush.
    erased: AtomicBool,
}

impl OpenSpace {
    /// A space with nothing in memory.
    pub(super) fn new(file: SpaceFile, memory: Arc<Memory>) -> Self {
        Self {
            file,
            tenants: RwLock::default(),
            memory,
            erased: AtomicBool::new(false),
        }
    }

    /// Its file.
    pub(super) fn file(&self) -> &SpaceFile {
        &self.file
    }

    /// Takes all tenants out of memory.
    pub(super) fn leave_memory(&self) {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        for resident in tenants.values() {
            *resident.block_mut() = None;
            self.memory.account(resident);
        }
    }

    /// See [`VectorStore::upsert`](crate::VectorStore::upsert). Blocks, as all below.
    pub(super) fn upsert(&self, tenant: &TenantId, points: &[Point]) -> Result<()> {
        self.change(
            tenant,
            || self.file.upsert(tenant, points),
            |block| {
                for point in points {
                    block.put(point.id, &direction(&point.dense), &point.sparse);
                }
            },
        )
    }

    /// See [`VectorStore::delete`](crate::VectorStore::delete).
    pub(super) fn delete(&self, tenant: &TenantId, ids: &[u64]) -> Result<()> {
        let file = || self.file.delete(tenant, ids);
        self.change(tenant, file, |block| block.remove(ids))
    }

    /// See [`VectorStore::delete_tenant`](crate::VectorStore::delete_tenant).
    pub(super) fn delete_tenant(&self, tenant: &TenantId) -> Result<u64> {
        let resident = self.resident(tenant);
        let _changing = resident.changing();
        let removed = self.file.delete_tenant(tenant)?;
        self.erased.store(true, Ordering::Release);
        // The entry stays, for whoever waits for it: what they do must be seen by all others.
        *resident.block_mut() = None;
        self.memory.account(&resident);
        Ok(removed)
    }

    /// See [`VectorStore::flush`](crate::VectorStore::flush).
    pub(super) fn flush(&self) -> Result<()> {
        let erased = self.erased.swap(false, Ordering::AcqRel);
        let flushed = self.file.flush(erased);
        if erased && flushed.is_err() {
            self.erased.store(true, Ordering::Release);
        }
        flushed
    }

    /// See [`VectorStore::list_ids`](crate::VectorStore::list_ids).
    pub(super) fn list_ids(&self, tenant: &TenantId) -> Result<Vec<u64>> {
        self.search(tenant, Block::ids)
    }

    /// See [`VectorStore::count`](crate::VectorStore::count).
    pub(super) fn count(&self, tenant: &TenantId) -> Result<u64> {
        // In memory it is known; the file has to be walked.
        if let Some(block) = self.resident(tenant).block().as_ref() {
            return Ok(block.count());
        }
        self.file.count(tenant)
    }

    /// Writes to the file, then to memory where the tenant is there.
    fn change(
        &self,
        tenant: &TenantId,
        file: impl FnOnce() -> Result<()>,
        memory: impl FnOnce(&mut Block),
    ) -> Result<()> {
        let resident = self.resident(tenant);
        let _changing = resident.changing();
        file()?;
        if let Some(block) = resident.block_mut().as_mut() {
            memory(block);
        }
        self.memory.account(&resident);
        Ok(())
    }

    /// What `search` finds where the points are in memory, nobody changes them in this moment, and `is_short`
    /// says that it takes a fraction of a millisecond.
    pub(super) fn search_at_once<T>(
        &self,
        tenant: &TenantId,
        is_short: impl FnOnce(&Block) -> bool,
        search: impl FnOnce(&Block) -> T,
    ) -> Option<T> {
        let resident = self.resident(tenant);
        let block = resident.block_at_once()?;
        let few = block.as_ref().filter(|block| is_short(block))?;
        self.memory.touch(&resident);
        Some(search(few))
    }

    /// What `search` finds among the tenant's points, which are read from the file where they are not in
    /// memory.
    pub(super) fn search<T>(&self, tenant: &TenantId, search: impl Fn(&Block) -> T) -> Result<T> {
        let resident = self.resident(tenant);
        self.memory.touch(&resident);
        if let Some(block) = resident.block().as_ref() {
            return Ok(search(block));
        }
        let _changing = resident.changing();
        // Somebody else may have read it in the meantime.
        if let Some(block) = resident.block().as_ref() {
            return Ok(search(block));
        }
        let block = self.file.read(tenant)?;
        let found = search(&block);
        *resident.block_mut() = Some(block);
        self.memory.account(&resident);
        Ok(found)
    }

    fn resident(&self, tenant: &TenantId) -> Arc<Resident> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(resident) = tenants.get(tenant) {
            return Arc::clone(resident);
        }
        drop(tenants);
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant.clone()).or_default())
    }
}
