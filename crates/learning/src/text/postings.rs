//! Postings: per number of a word, the items that have it, oldest first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;

use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

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
    /// In a snapshot.
    based: Based,
    /// In a snapshot, numbers that one item has, where they lie apart.
    rare: Based,
    /// Positions since.
    map: HashMap<u32, Vec<u32>, BuildHasherDefault<Numbers>>,
    entries: usize,
}

/// Numbers, ascending, where the positions of each end, and these.
#[derive(Debug, Clone, Default)]
struct Based {
    numbers: Column<u32>,
    ends: Column<u32>,
    positions: Column<u32>,
}

impl Based {
    fn get(&self, number: u32) -> &[u32] {
        match self.numbers.as_slice().binary_search(&number) {
            Ok(at) => {
                let start = at.checked_sub(1).map_or(0, |before| self.ends.at(before));
                let end = self.ends.at(at);
                self.positions.range(start as usize..end as usize)
            }
            Err(_) => &[],
        }
    }

    fn save<W: io::Write>(
        numbers: &[u32],
        positions: impl Fn(u32) -> Vec<u32>,
        to: &mut SnapshotWriter<W>,
    ) -> io::Result<()> {
        let (mut ends, mut all) = (Vec::with_capacity(numbers.len()), Vec::new());
        for &number in numbers {
            all.extend(positions(number));
            // Four billion are more than a tenant's million items have.
            ends.push(all.len() as u32);
        }
        to.values(numbers)?;
        to.values(&ends)?;
        to.values(&all)
    }

    fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Ok(Self {
            numbers: Column::load(from)?,
            ends: Column::load(from)?,
            positions: Column::load(from)?,
        })
    }
}

/// Positions of items, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Positions<'a>([&'a [u32]; 2]);

impl<'a> Positions<'a> {
    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.0[0].len() + self.0[1].len()
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> + 'a {
        self.0[0].iter().chain(self.0[1]).copied()
    }
}

impl Postings {
    /// Notes that the item at `position`, which no earlier call exceeds, has the number.
    pub(crate) fn add(&mut self, number: u32, position: u32) {
        self.map.entry(number).or_default().push(position);
        self.entries += 1;
    }

    /// The items before `n` that have the number, oldest first.
    pub(crate) fn before(&self, number: u32, n: usize) -> Positions<'_> {
        let based = match self.based.get(number) {
            [] => self.rare.get(number),
            based => based,
        };
        Positions([until(based, n), until(self.since(number), n)])
    }

    /// The items before `n` that have the number, if several have it. What one has is only looked at to learn.
    pub(crate) fn shared(&self, number: u32, n: usize) -> Option<Positions<'_>> {
        let mut based = self.based.get(number);
        let since = self.since(number);
        if based.is_empty() && !since.is_empty() {
            based = self.rare.get(number);
        }
        let found = Positions([until(based, n), until(since, n)]);
        (found.len() > 1).then_some(found)
    }

    fn since(&self, number: u32) -> &[u32] {
        self.map.get(&number).map_or(&[][..], Vec::as_slice)
    }

    fn numbers(&self) -> Vec<u32> {
        let since = self.map.keys().copied();
        let based = self.based.numbers.iter().chain(self.rare.numbers.iter());
        let mut numbers: Vec<u32> = based.chain(since).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Writes those that so many items have as the next sections.
    fn save_some<W: io::Write>(
        &self,
        some: impl Fn(usize) -> bool,
        to: &mut SnapshotWriter<W>,
    ) -> io::Result<()> {
        let mut numbers = self.numbers();
        numbers.retain(|number| some(self.before(*number, usize::MAX).len()));
        let positions = |number| self.before(number, usize::MAX).iter().collect();
        Based::save(&numbers, positions, to)
    }

    /// Bytes of memory it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.map.len() * 48 + self.entries * 4
    }

    /// Writes it as the next sections.
    pub(crate) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.save_some(|_| true, to)
    }

    /// Writes the numbers that several items have as the next sections.
    pub(crate) fn save_shared<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.save_some(|items| items > 1, to)
    }

    /// Writes the others.
    pub(crate) fn save_rare<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.save_some(|items| items < 2, to)
    }

    /// Reads the next sections.
    pub(crate) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Ok(Self {
            based: Based::load(from)?,
            ..Self::default()
        })
    }

    /// Reads the next sections, the numbers that several items have and the others.
    pub(crate) fn load_apart(
        shared: &mut Sections,
        rare: &mut Sections,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            based: Based::load(shared)?,
            rare: Based::load(rare)?,
            ..Self::default()
        })
    }
}

/// Those before `n`.
fn until(positions: &[u32], n: usize) -> &[u32] {
    let end = match positions.last() {
        Some(&last) if (last as usize) < n => positions.len(),
        _ => positions.partition_point(|&position| (position as usize) < n),
    };
    &positions[..end]
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
        let before = |number, n| postings.before(number, n).iter().collect::<Vec<_>>();
        assert_eq!(before(7, 0), [0; 0]);
        assert_eq!(before(7, 4), [0, 3]);
        assert_eq!(before(7, 99), [0, 3, 8]);
        assert_eq!(before(8, 99), [0; 0]);
    }
}
