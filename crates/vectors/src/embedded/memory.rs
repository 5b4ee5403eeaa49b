//! How much of the points is in memory: at most a number of bytes, the latest searched first.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};

use super::block::Block;

/// A tenant's place in memory, with its points or without.
#[derive(Debug, Default)]
pub(super) struct Resident {
    /// How many points the tenant has, where they were counted.
    changing: Mutex<Option<u64>>,
    block: RwLock<Option<Block>>,
    /// Bytes of the block as [`Memory`] has counted them; zero for a tenant that is not in its list.
    counted: AtomicUsize,
    /// Number of the last search, over all tenants.
    used: AtomicU64,
}

impl Resident {
    /// Held by whoever changes the tenant's points, counts them, or reads them in; with how many there are, where
    /// that is known.
    pub(super) fn changing(&self) -> MutexGuard<'_, Option<u64>> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The points, where they are in memory.
    pub(super) fn block(&self) -> RwLockReadGuard<'_, Option<Block>> {
        self.block.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The points, where they are in memory and nobody changes them in this moment.
    pub(super) fn block_at_once(&self) -> Option<RwLockReadGuard<'_, Option<Block>>> {
        match self.block.try_read() {
            Ok(block) => Some(block),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The same, to change them.
    pub(super) fn block_mut(&self) -> RwLockWriteGuard<'_, Option<Block>> {
        self.block.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves memory, unless somebody is searching right now.
    fn evict(&self) -> bool {
        match self.block.try_write() {
            Ok(mut block) => *block = None,
            Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = None,
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
}

/// The memory that all spaces of a store share.
#[derive(Debug)]
pub(super) struct Memory {
    budget: usize,
    searches: AtomicU64,
    residents: Mutex<Residents>,
}

#[derive(Debug, Default)]
struct Residents {
    bytes: usize,
    list: Vec<Arc<Resident>>,
}

impl Memory {
    /// Memory for `budget` bytes of points. One tenant that is larger alone is in memory all the same.
    pub(super) fn new(budget: usize) -> Self {
        Self {
            budget,
            searches: AtomicU64::new(0),
            residents: Mutex::default(),
        }
    }

    /// Notes that a tenant is searched.
    pub(super) fn touch(&self, resident: &Resident) {
        let now = self.searches.fetch_add(1, Ordering::Relaxed);
        resident.used.store(now, Ordering::Relaxed);
    }

    /// Counts a tenant as it is now, and makes room for it at the cost of those not searched for the
    /// longest time.
    pub(super) fn account(&self, resident: &Arc<Resident>) {
        let mut residents = self
            .residents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        residents.count(resident);
        let mut left = residents.list.len();
        while residents.bytes > self.budget && left > 0 {
            left -= 1;
            let others = residents
                .list
                .iter()
                .filter(|one| !Arc::ptr_eq(one, resident));
            let oldest = others.min_by_key(|one| one.used.load(Ordering::Relaxed));
            let Some(oldest) = oldest.cloned() else {
                return;
            };
            // Somebody who searches it now has made it the latest.
            if oldest.evict() {
                residents.count(&oldest);
            } else {
                self.touch(&oldest);
            }
        }
    }

    /// Bytes in memory, as counted.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let residents = self
            .residents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        residents.bytes
    }
}

impl Residents {
    /// Takes over a tenant's bytes, and its place in the list.
    fn count(&mut self, resident: &Arc<Resident>) {
        let bytes = resident.block().as_ref().map_or(0, Block::bytes);
        let before = resident.counted.swap(bytes, Ordering::Relaxed);
        self.bytes = self.bytes - before + bytes;
        if before == 0 && bytes > 0 {
            self.list.push(Arc::clone(resident));
        } else if before > 0 && bytes == 0 {
            self.list.retain(|one| !Arc::ptr_eq(one, resident));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SparseVector;

    fn filled(points: u64) -> Arc<Resident> {
        let mut block = Block::new(100);
        for id in 0..points {
            block.put(id, &[1; 100], &SparseVector::default());
        }
        let resident = Arc::new(Resident::default());
        *resident.block_mut() = Some(block);
        resident
    }

    fn is_in(resident: &Resident) -> bool {
        resident.block().is_some()
    }

    #[test]
    fn the_tenant_not_searched_for_longest_leaves_first() {
        let one = filled(50);
        let bytes = one.block().as_ref().unwrap().bytes();
        let memory = Memory::new(bytes * 5 / 2);
        let tenants = [one, filled(50), filled(50)];
        memory.touch(&tenants[0]);
        memory.account(&tenants[0]);
        memory.touch(&tenants[1]);
        memory.account(&tenants[1]);
        memory.touch(&tenants[0]);
        assert_eq!(memory.bytes(), 2 * bytes);
        memory.touch(&tenants[2]);
        memory.account(&tenants[2]);
        assert!(is_in(&tenants[0]) && !is_in(&tenants[1]) && is_in(&tenants[2]));
        assert_eq!(memory.bytes(), 2 * bytes);
    }

    #[test]
    fn a_tenant_that_is_searched_now_stays() {
        let (one, other) = (filled(50), filled(50));
        let memory = Memory::new(1);
        memory.account(&one);
        let searching = one.block();
        memory.account(&other);
        assert!(searching.is_some());
        drop(searching);
        memory.account(&other);
        assert!(!is_in(&one), "it leaves at the next occasion");
        assert!(is_in(&other), "one tenant is in memory whatever its size");
    }

    #[test]
    fn a_tenant_that_was_emptied_is_not_counted() {
        let one = filled(50);
        let memory = Memory::new(usize::MAX);
        memory.account(&one);
        *one.block_mut() = None;
        memory.account(&one);
        assert_eq!(memory.bytes(), 0);
        assert!(memory.residents.lock().unwrap().list.is_empty());
    }
}
