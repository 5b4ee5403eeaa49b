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
    /// So many points of a tenant are searched, those of the highest ids, give or take a fifth.
    searched: usize,
    /// A tenant was removed since the last flush.
    erased: AtomicBool,
}

impl OpenSpace {
    /// A space with nothing in memory.
    pub(super) fn new(file: SpaceFile, memory: Arc<Memory>, searched: usize) -> Self {
        Self {
            file,
            tenants: RwLock::default(),
            memory,
            searched,
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
        let mut count = resident.changing();
        *count = None;
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
        let resident = self.resident(tenant);
        let _changing = resident.changing();
        self.file.ids(tenant)
    }

    /// See [`VectorStore::count`](crate::VectorStore::count).
    pub(super) fn count(&self, tenant: &TenantId) -> Result<u64> {
        let resident = self.resident(tenant);
        let mut known = resident.changing();
        // The file has to be walked: once.
        let count = known.map_or_else(|| self.file.count(tenant), Ok)?;
        *known = Some(count);
        Ok(count)
    }

    /// Writes to the file, which says how many points there are more or fewer, then to memory where the tenant is
    /// there.
    fn change(
        &self,
        tenant: &TenantId,
        file: impl FnOnce() -> Result<i64>,
        memory: impl FnOnce(&mut Block),
    ) -> Result<()> {
        let resident = self.resident(tenant);
        let mut count = resident.changing();
        // Of a write that failed it is not known what came of it.
        let known = count.take();
        let more = file()?;
        *count = known.and_then(|known| known.checked_add_signed(more));
        let mut block = resident.block_mut();
        if let Some(points) = block.as_mut() {
            memory(points);
            let here = points.len();
            let is_part = count.is_none_or(|all| all > here as u64);
            let fifth = self.searched / 5;
            if here > self.searched + fifth || (is_part && here < self.searched - fifth) {
                // The next search reads those that are searched then.
                *block = None;
            }
        }
        drop(block);
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
        let mut count = resident.changing();
        // Somebody else may have read it in the meantime.
        if let Some(block) = resident.block().as_ref() {
            return Ok(search(block));
        }
        let (block, is_all) = self.file.read(tenant, self.searched)?;
        if is_all {
            *count = Some(block.len() as u64);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Space, SparseVector};

    const SEARCHED: usize = 10;

    fn points(ids: std::ops::Range<u64>) -> Vec<Point> {
        ids.map(|id| Point {
            id,
            dense: vec![1.0, 0.0],
            sparse: SparseVector {
                indices: vec![7],
                values: vec![1.0],
            },
        })
        .collect()
    }

    fn found(space: &OpenSpace, tenant: &TenantId) -> Vec<u64> {
        let hits = space
            .search(tenant, |block| {
                block.search_dense(&direction(&[1.0, 0.0]), 100)
            })
            .unwrap();
        hits.into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn of_many_points_the_newest_are_searched_and_all_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let named = Space {
            name: "minilm".to_owned(),
            dimensions: 2,
        };
        let file = SpaceFile::open(&named, &folder.path().join("points"), true).unwrap();
        let memory = Arc::new(Memory::new(usize::MAX));
        let space = OpenSpace::new(file, memory, SEARCHED);
        let [big, small] = ["big", "small"].map(|id| TenantId::parse(id).unwrap());
        let is_searched = |ids: std::ops::Range<u64>| {
            assert_eq!(found(&space, &big), ids.collect::<Vec<_>>());
        };

        space.upsert(&small, &points(900..905)).unwrap();
        space.upsert(&big, &points(0..10)).unwrap();
        is_searched(0..10);
        // A fifth more may come before they are read again.
        space.upsert(&big, &points(10..12)).unwrap();
        is_searched(0..12);
        space.upsert(&big, &points(12..13)).unwrap();
        is_searched(3..13);
        // Old ones are deleted and counted though they are not searched.
        assert_eq!(space.count(&big).unwrap(), 13);
        space.delete(&big, &[0, 12]).unwrap();
        is_searched(3..12);
        assert_eq!(space.count(&big).unwrap(), 11);
        assert_eq!(space.list_ids(&big).unwrap(), (1..12).collect::<Vec<_>>());
        let twice = [points(11..14), points(13..14)].concat();
        space.upsert(&big, &twice).unwrap();
        assert_eq!(space.count(&big).unwrap(), 13);
        space.delete(&big, &[12, 13, 99]).unwrap();
        space.leave_memory();
        is_searched(2..12);
        // What was searched is gone: those before are, though nothing was read again for another reason.
        space.delete(&big, &(2..12).collect::<Vec<_>>()).unwrap();
        is_searched(1..2);
        space.upsert(&big, &points(2..12)).unwrap();
        assert_eq!(space.count(&big).unwrap(), 11);
        assert_eq!(found(&space, &small), (900..905).collect::<Vec<_>>());
        assert_eq!(space.delete_tenant(&big).unwrap(), 11);
        is_searched(0..0);
    }
}
