//! Whose view is read again next: each key once however often it changed, and never twice at once.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// Keys that wait, in the order in which they changed first, and keys at work.
pub(super) struct Schedule<K> {
    order: VecDeque<K>,
    waiting: HashSet<K>,
    running: HashSet<K>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashSet::new(),
            running: HashSet::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Schedule<K> {
    /// A key has changed.
    pub(super) fn add(&mut self, key: K) {
        if self.waiting.insert(key.clone()) {
            self.order.push_back(key);
        }
    }

    /// The key to work on now: the first that waits and is not at work. One that changed while it is at
    /// work waits until that has ended, because it may have read what was before.
    pub(super) fn next(&mut self) -> Option<K> {
        let at = self
            .order
            .iter()
            .position(|key| !self.running.contains(key))?;
        let key = self.order.remove(at)?;
        self.waiting.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// The work on a key has ended.
    pub(super) fn done(&mut self, key: &K) {
        self.running.remove(key);
    }

    /// Keys at work.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_key_are_one_and_do_not_run_beside_each_other() {
        let mut schedule = Schedule::default();
        for key in ["a", "b", "a", "a"] {
            schedule.add(key);
        }
        assert_eq!(schedule.next(), Some("a"));
        schedule.add("a");
        assert_eq!(schedule.next(), Some("b"));
        assert_eq!(schedule.next(), None, "a is at work");
        assert_eq!(schedule.running(), 2);
        schedule.done(&"a");
        assert_eq!(schedule.next(), Some("a"));
        schedule.done(&"a");
        schedule.done(&"b");
        assert_eq!((schedule.next(), schedule.running()), (None, 0));
    }
}
