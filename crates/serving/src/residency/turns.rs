//! One turn at a time for each key, and any number of keys at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// Turns by key. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Turns {
    locks: Arc<Mutex<HashMap<String, Lock>>>,
}

/// A turn of a key; it ends when this is dropped.
pub(super) struct Turn {
    turns: Turns,
    key: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn of a key.
    pub(super) async fn take(&self, key: &str) -> Turn {
        let lock = Arc::clone(self.locks().entry(key.to_owned()).or_default());
        Turn {
            turns: self.clone(),
            key: key.to_owned(),
            held: Some(lock.lock_owned().await),
        }
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lock>> {
        // Only maps are changed under it: nothing is half done after a panic.
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held.take();
        let mut locks = self.turns.locks();
        // Whoever waits holds the lock's other end; without one the key needs no place.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_waits_for_itself_and_for_no_other() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        let other = turns.take("b").await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.take("a").await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(other);
        assert!(turns.locks().is_empty(), "nothing is left of past turns");
    }
}
