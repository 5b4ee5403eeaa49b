//! Postings: per number of a word, the items that have it, oldest first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The numbers are hashes already: they need no second one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The map takes its groups from the high bits and its marks from the low ones.
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Per number, the positions of the items that have it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Postings {
    map: HashMap<u32, Vec<u32>, BuildHasherDefault<Numbers>>,
    entries: usize,
}

impl Postings {
    /// Notes that the item at `position`, which no earlier call exceeds, has the number.
    pub(crate) fn add(&mut self, number: u32, position: u32) {
        self.map.entry(number).or_default().push(position);
        self.entries += 1;
    }

    /// The items before `n` that have the number, oldest first.
    pub(crate) fn before(&self, number: u32, n: usize) -> &[u32] {
        let all = self.map.get(&number).map_or(&[][..], Vec::as_slice);
        let end = match all.last() {
            Some(&last) if (last as usize) < n => all.len(),
            _ => all.partition_point(|&position| (position as usize) < n),
        };
        &all[..end]
    }

    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.map.len() * 48 + self.entries * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_is_seen() {
        let mut postings = Postings::default();
        for (number, position) in [(7, 0), (7, 3), (9, 3), (7, 8)] {
            postings.add(number, position);
        }
        assert_eq!(postings.before(7, 0), [0; 0]);
        assert_eq!(postings.before(7, 4), [0, 3]);
        assert_eq!(postings.before(7, 99), [0, 3, 8]);
        assert_eq!(postings.before(8, 99), [0; 0]);
    }
}
