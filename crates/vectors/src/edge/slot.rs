//! Where a loaded shard lives while searches and its owner share it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use qdrant_edge::EdgeShard;

use crate::VectorError;
use crate::port::Result;

/// A shard that many threads search and one thread, the owner, writes.
///
/// Searches and writes both hold the lock for reading: the engine allows them side by side. The
/// owner alone takes it for writing, to put the shard in or take it out. A shard that was taken out
/// is nobody else's, which is what the engine asks for before it is dropped.
#[derive(Debug)]
pub(super) struct Slot(RwLock<State>);

/// What a slot holds.
#[derive(Debug)]
pub(super) enum State {
    /// A shard in use.
    Open(Box<EdgeShard>),
    /// Nothing: the store was closed or the space is being reset.
    Closed,
    /// Nothing: the shard could not be loaded again. Why.
    Broken { space: String, detail: String },
}

impl Slot {
    /// A slot that holds the shard.
    pub(super) fn new(shard: EdgeShard) -> Self {
        Self(RwLock::new(State::Open(Box::new(shard))))
    }

    /// The lock for reading: look inside with [`State::shard`].
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        // A state is replaced in one move, so it is whole even after a panic.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a shard, without waiting for an owner that is just reloading it.
    pub(super) fn health(&self) -> Result<()> {
        match self.0.try_read() {
            Ok(state) => state.shard().map(drop),
            Err(TryLockError::Poisoned(state)) => state.into_inner().shard().map(drop),
            Err(TryLockError::WouldBlock) => Ok(()),
        }
    }

    /// The lock for writing; waits for the searches under way and holds new ones up. For the owner.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The shard, or why there is none.
    pub(super) fn shard(&self) -> Result<&EdgeShard> {
        match self {
            Self::Open(shard) => Ok(shard),
            Self::Closed => Err(VectorError::Closed),
            Self::Broken { space, detail } => Err(VectorError::Corrupt {
                space: space.clone(),
                detail: detail.clone(),
            }),
        }
    }

    /// Takes the shard out.
    pub(super) fn close(&mut self) -> Option<Box<EdgeShard>> {
        match std::mem::replace(self, Self::Closed) {
            Self::Open(shard) => Some(shard),
            Self::Closed | Self::Broken { .. } => None,
        }
    }
}
