//! The points of one tenant in memory, laid out to be searched from end to end.
//!
//! Every search is exact: a dense one multiplies the query into each direction of the block, a sparse
//! one walks the postings of the query's words. Writing a point costs its own words and numbers,
//! however many points there are: a point that is replaced or removed leaves an empty slot, and a
//! block whose slots are a quarter empty is packed.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::direction::{append_bytes, cosine};
use crate::port::{Hit, SparseVector};

/// Slots that may be empty before a block is packed, as a part of all: one in so many.
const EMPTY_SHARE: usize = 4;
/// Fewer empty slots than this are left alone.
const EMPTY_AT_LEAST: usize = 64;

/// What a point without content has in place of its id.
const EMPTY: Option<u64> = None;

/// A word of a point: where it stands and how much it weighs.
#[derive(Debug, Clone, Copy)]
struct Posting {
    slot: u32,
    weight: f32,
}

/// All points of a tenant in a space.
#[derive(Debug)]
pub(super) struct Block {
    dimensions: usize,
    /// The id in each slot.
    ids: Vec<Option<u64>>,
    /// The directions of the slots, one after the other.
    directions: Vec<i16>,
    /// Where each word stands. Postings of empty slots are passed over.
    words: HashMap<u32, Vec<Posting>>,
    postings: usize,
    slots: HashMap<u64, u32>,
}

impl Block {
    /// A block without points.
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            ids: Vec::new(),
            directions: Vec::new(),
            words: HashMap::new(),
            postings: 0,
            slots: HashMap::new(),
        }
    }

    /// Writes a point, replacing the one of the same id.
    pub(super) fn put(&mut self, id: u64, direction: &[i16], words: &SparseVector) {
        self.clear(id);
        self.directions.extend_from_slice(direction);
        let words = words
            .indices
            .iter()
            .copied()
            .zip(words.values.iter().copied());
        self.take_slot(id, words);
        self.pack_if_sparse();
    }

    /// Writes a point as a file has it; `false` when its bytes are not such a point.
    pub(super) fn put_bytes(&mut self, id: u64, direction: &[u8], words: &[u8]) -> bool {
        let (words, rest) = words.as_chunks::<8>();
        if !rest.is_empty() || !append_bytes(direction, self.dimensions, &mut self.directions) {
            return false;
        }
        let words = words.iter().map(|&[a, b, c, d, e, f, g, h]| {
            let weight = f32::from_le_bytes([e, f, g, h]);
            (u32::from_le_bytes([a, b, c, d]), weight)
        });
        self.take_slot(id, words);
        true
    }

    /// Removes the points of these ids.
    pub(super) fn remove(&mut self, ids: &[u64]) {
        for id in ids {
            self.clear(*id);
        }
        self.pack_if_sparse();
    }

    /// Bytes that the block holds, nearly.
    pub(super) fn bytes(&self) -> usize {
        const WORD: usize = size_of::<(u32, Vec<Posting>)>() + 1;
        self.directions.capacity() * size_of::<i16>()
            + self.ids.capacity() * size_of::<Option<u64>>()
            + self.slots.capacity() * (size_of::<(u64, u32)>() + 1)
            + self.words.capacity() * WORD
            + self.postings * size_of::<Posting>()
    }

    /// All ids, ascending.
    pub(super) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.slots.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The points nearest to a direction.
    pub(super) fn search_dense(&self, query: &[i16], limit: usize) -> Vec<Hit> {
        let directions = self.directions.chunks_exact(self.dimensions);
        let scored = self.ids.iter().zip(directions).filter_map(|(id, own)| {
            let id = (*id)?;
            let score = cosine(query, own);
            Some(Hit { id, score })
        });
        best(scored, limit)
    }

    /// The points that share words with the query.
    pub(super) fn search_sparse(&self, query: &SparseVector, limit: usize) -> Vec<Hit> {
        let mut scores: HashMap<u32, f32> = HashMap::new();
        for (word, weight) in query.indices.iter().zip(&query.values) {
            for posting in self.words.get(word).into_iter().flatten() {
                *scores.entry(posting.slot).or_default() += posting.weight * weight;
            }
        }
        let scored = scores.into_iter().filter_map(|(slot, score)| {
            let id = self.ids[slot as usize]?;
            Some(Hit { id, score })
        });
        best(scored, limit)
    }

    fn take_slot(&mut self, id: u64, words: impl Iterator<Item = (u32, f32)>) {
        let slot = self.ids.len() as u32;
        self.ids.push(Some(id));
        self.slots.insert(id, slot);
        for (word, weight) in words {
            let posting = Posting { slot, weight };
            self.words.entry(word).or_default().push(posting);
            self.postings += 1;
        }
    }

    fn clear(&mut self, id: u64) {
        if let Some(slot) = self.slots.remove(&id) {
            self.ids[slot as usize] = EMPTY;
        }
    }

    /// Gives back the slots of points that are gone, once there are enough of them.
    fn pack_if_sparse(&mut self) {
        let empty = self.ids.len() - self.slots.len();
        if empty < EMPTY_AT_LEAST.max(self.ids.len() / EMPTY_SHARE) {
            return;
        }
        let mut moved: Vec<Option<u32>> = Vec::with_capacity(self.ids.len());
        let mut packed = Self::new(self.dimensions);
        for (id, direction) in self
            .ids
            .iter()
            .zip(self.directions.chunks_exact(self.dimensions))
        {
            moved.push(id.map(|_| packed.ids.len() as u32));
            let Some(id) = *id else { continue };
            packed.directions.extend_from_slice(direction);
            packed.take_slot(id, std::iter::empty());
        }
        for (word, postings) in self.words.drain() {
            let kept = postings.into_iter().filter_map(|posting| {
                let slot = moved[posting.slot as usize]?;
                Some(Posting { slot, ..posting })
            });
            let kept: Vec<Posting> = kept.collect();
            packed.postings += kept.len();
            if !kept.is_empty() {
                packed.words.insert(word, kept);
            }
        }
        *self = packed;
    }
}

/// A hit in the order of a heap whose top is the worst one.
#[derive(PartialEq)]
struct Worst(Hit);

impl Eq for Worst {}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.0.score.total_cmp(&self.0.score);
        by_score.then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best `limit` of the hits, best first, equal scores by id.
fn best(hits: impl Iterator<Item = Hit>, limit: usize) -> Vec<Hit> {
    let mut heap: BinaryHeap<Worst> = BinaryHeap::with_capacity(limit + 1);
    for hit in hits {
        let hit = Worst(hit);
        if heap.len() < limit {
            heap.push(hit);
        } else if let Some(mut worst) = heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }
    let sorted = heap.into_sorted_vec();
    sorted.into_iter().map(|Worst(hit)| hit).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::direction::direction;
    use super::*;
    use crate::checks;

    const DIMENSIONS: usize = 4;

    /// What is done to a block.
    #[derive(Debug, Clone)]
    enum Step {
        Put(u64, Vec<f32>, BTreeMap<u32, f32>),
        Remove(Vec<u64>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let vector = prop::collection::vec(-1.0_f32..1.0, DIMENSIONS);
        let words = prop::collection::btree_map(0_u32..12, 0.1_f32..3.0, 0..5);
        prop_oneof![
            4 => (0_u64..200, vector, words).prop_map(|(id, v, w)| Step::Put(id, v, w)),
            1 => prop::collection::vec(0_u64..200, 1..40).prop_map(Step::Remove),
        ]
    }

    fn sparse(words: &BTreeMap<u32, f32>) -> SparseVector {
        SparseVector {
            indices: words.keys().copied().collect(),
            values: words.values().copied().collect(),
        }
    }

    type Points = BTreeMap<u64, (Vec<i16>, SparseVector)>;

    fn expected(
        points: &Points,
        limit: usize,
        score: impl Fn(&Vec<i16>, &SparseVector) -> Option<f32>,
    ) -> Vec<Hit> {
        let scored = points.iter().filter_map(|(id, (dense, words))| {
            let score = score(dense, words)?;
            Some(Hit { id: *id, score })
        });
        let mut hits: Vec<Hit> = scored.collect();
        checks::order(&mut hits);
        hits.truncate(limit);
        hits
    }

    fn shared(a: &SparseVector, b: &SparseVector) -> Option<f32> {
        let mut score = None;
        for (word, weight) in b.indices.iter().zip(&b.values) {
            if let Some(at) = a.indices.iter().position(|own| own == word) {
                *score.get_or_insert(0.0) += a.values[at] * weight;
            }
        }
        score
    }

    proptest! {
        /// Whatever is written and removed, both searches find what comparing every point finds.
        #[test]
        fn searches_are_exact_through_any_writes(
            steps in prop::collection::vec(step(), 1..400),
            query in prop::collection::vec(-1.0_f32..1.0, DIMENSIONS),
            words in prop::collection::btree_map(0_u32..12, 0.1_f32..3.0, 0..6),
            limit in 1_usize..30,
        ) {
            let mut block = Block::new(DIMENSIONS);
            let mut points = Points::new();
            for step in steps {
                match step {
                    Step::Put(id, vector, words) => {
                        let (dense, words) = (direction(&vector), sparse(&words));
                        block.put(id, &dense, &words);
                        points.insert(id, (dense, words));
                    }
                    Step::Remove(ids) => {
                        block.remove(&ids);
                        points.retain(|id, _| !ids.contains(id));
                    }
                }
            }
            prop_assert_eq!(block.ids(), points.keys().copied().collect::<Vec<_>>());
            let query = direction(&query);
            let dense = expected(&points, limit, |own, _| Some(cosine(&query, own)));
            prop_assert_eq!(block.search_dense(&query, limit), dense);
            let words = sparse(&words);
            let lexical = expected(&points, limit, |_, own| shared(own, &words));
            prop_assert_eq!(block.search_sparse(&words, limit), lexical);
        }
    }

    #[test]
    fn a_block_that_is_rewritten_does_not_grow() {
        let mut block = Block::new(DIMENSIONS);
        let words = SparseVector {
            indices: vec![1, 2],
            values: vec![1.0, 2.0],
        };
        for round in 0..5_000_u64 {
            block.put(round % 100, &[1, 2, 3, 4], &words);
        }
        assert_eq!(block.ids().len(), 100);
        assert!(block.ids.len() <= 200, "{} slots", block.ids.len());
        assert!(block.postings <= 400, "{} postings", block.postings);
    }

    #[test]
    fn bytes_that_are_no_point_are_told() {
        let mut block = Block::new(2);
        assert!(block.put_bytes(1, &[0; 4], &[0; 16]));
        assert!(!Block::new(2).put_bytes(1, &[0; 3], &[]));
        assert!(!Block::new(2).put_bytes(1, &[0; 6], &[]));
        assert!(!Block::new(2).put_bytes(1, &[0; 4], &[0; 7]));
    }
}
