//! The words of a tenant's points in memory.

use std::collections::HashMap;

/// A word of a point: where it stands and how much it weighs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posting {
    pub slot: u32,
    pub weight: f32,
}

/// Where words stand, and how much they weigh there. Postings of empty slots are passed over by the reader.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The words that a block was made of, ascending; where the postings of each end; and these.
    numbers: Vec<u32>,
    ends: Vec<u32>,
    postings: Vec<Posting>,
    /// Those written since.
    since: HashMap<u32, Vec<Posting>>,
    count: usize,
}

impl Words {
    pub(super) fn add(&mut self, word: u32, slot: u32, weight: f32) {
        let posting = Posting { slot, weight };
        self.since.entry(word).or_default().push(posting);
        self.count += 1;
    }

    pub(super) fn of(&self, word: u32) -> impl Iterator<Item = &Posting> {
        let read = match self.numbers.binary_search(&word) {
            Ok(at) => self.read(at),
            Err(_) => &[],
        };
        read.iter()
            .chain(self.since.get(&word).into_iter().flatten())
    }

    fn read(&self, at: usize) -> &[Posting] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.postings[start as usize..self.ends[at] as usize]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Posting)> {
        let read = self.numbers.iter().enumerate();
        let read = read.flat_map(|(at, word)| self.read(at).iter().map(|one| (*word, *one)));
        let since = self.since.iter();
        read.chain(since.flat_map(|(word, all)| all.iter().map(|one| (*word, *one))))
    }

    pub(super) fn bytes(&self) -> usize {
        const WORD: usize = size_of::<(u32, Vec<Posting>)>() + 1;
        (self.numbers.len() + self.ends.len()) * size_of::<u32>()
            + (self.postings.len() + self.count) * size_of::<Posting>()
            + self.since.capacity() * WORD
    }
}

impl From<Vec<(u32, Posting)>> for Words {
    fn from(mut all: Vec<(u32, Posting)>) -> Self {
        all.sort_unstable_by_key(|(word, posting)| (*word, posting.slot));
        let mut made = Self::default();
        made.postings.reserve_exact(all.len());
        for (word, posting) in all {
            if made.numbers.last() != Some(&word) {
                made.numbers.push(word);
                made.ends.push(0);
            }
            made.postings.push(posting);
            if let Some(end) = made.ends.last_mut() {
                // A point has at most some hundred words.
                *end = made.postings.len() as u32;
            }
        }
        made.numbers.shrink_to_fit();
        made.ends.shrink_to_fit();
        made
    }
}
