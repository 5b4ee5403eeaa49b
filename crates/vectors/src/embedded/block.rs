//! The points of one tenant in memory, laid out to be searched from end to end.
//!
//! Every search is exact: a dense one multiplies the query into each direction of the block, a sparse
//! one walks the postings of the query's words. Writing a point costs its own words and numbers,
//! however many points there are: a point that is replaced or removed leaves an empty slot, and a
//! block whose slots are a quarter empty is packed.

use std::collections::HashMap;

use super::direction::{append_bytes, cosine};
use super::words::{Posting, Words};
use crate::port::{Hit, SparseVector};

/// Slots that may be empty before a block is packed, as a part of all: one in so many.
const EMPTY_SHARE: usize = 4;
/// Fewer empty slots than this are left alone.
const EMPTY_AT_LEAST: usize = 64;

/// A search by words that finds fewer than one posting for so many slots makes a list of them, not a table of
/// all slots.
const FEW_POSTINGS: usize = 16;

/// The points of a tenant in a space, or of many the newest.
#[derive(Debug)]
pub(super) struct Block {
    dimensions: usize,
    /// The id of each slot.
    ids: Vec<u64>,
    /// Slots whose points are gone.
    is_empty: Vec<bool>,
    empty: usize,
    /// The directions of the slots, one after the other.
    directions: Vec<i16>,
    words: Words,
    /// The first slots, as they were read: their ids ascend.
    read: usize,
    /// The slots of the points written since.
    slots: HashMap<u64, u32>,
}

impl Block {
    /// A block without points.
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            ids: Vec::new(),
            is_empty: Vec::new(),
            empty: 0,
            directions: Vec::new(),
            words: Words::default(),
            read: 0,
            slots: HashMap::new(),
        }
    }

    /// Writes a point, replacing the one of the same id.
    pub(super) fn put(&mut self, id: u64, direction: &[i16], words: &SparseVector) {
        self.clear(id);
        self.directions.extend_from_slice(direction);
        let slot = self.take_slot(id);
        self.slots.insert(id, slot);
        for (word, weight) in words.indices.iter().zip(&words.values) {
            self.words.add(*word, slot, *weight);
        }
        self.pack_if_sparse();
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
        self.directions.capacity() * size_of::<i16>()
            + self.ids.capacity() * size_of::<u64>()
            + self.is_empty.capacity()
            + self.slots.capacity() * (size_of::<(u64, u32)>() + 1)
            + self.words.bytes()
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len() - self.empty
    }

    /// The slots that have points, with their ids.
    fn points(&self) -> impl Iterator<Item = (usize, u64)> {
        let ids = self.ids.iter().copied().enumerate();
        ids.filter(|(slot, _)| !self.is_empty[*slot])
    }

    /// The points nearest to a direction; none where it is that of zeros.
    pub(super) fn search_dense(&self, query: &[i16], limit: usize) -> Vec<Hit> {
        if query.iter().all(|value| *value == 0) {
            return Vec::new();
        }
        let scored = self.points().map(|(slot, id)| {
            let start = slot * self.dimensions;
            let own = &self.directions[start..start + self.dimensions];
            let score = cosine(query, own);
            Hit { id, score }
        });
        best(scored, limit)
    }

    /// How many postings a search by words looks at.
    pub(super) fn postings(&self, query: &SparseVector) -> usize {
        let words = query.indices.iter();
        words.map(|word| self.words.of(*word).count()).sum()
    }

    /// The points that share words with the query.
    pub(super) fn search_sparse(&self, query: &SparseVector, limit: usize) -> Vec<Hit> {
        let hit = |(slot, score): (u32, f32)| {
            let slot = slot as usize;
            let id = self.ids[slot];
            (!self.is_empty[slot]).then_some(Hit { id, score })
        };
        if self.postings(query) * FEW_POSTINGS < self.ids.len() {
            return best(self.scores_of_few(query).into_iter().filter_map(hit), limit);
        }
        let (scores, found) = self.scores_of_many(query);
        let scored = found.into_iter().map(|slot| (slot, scores[slot as usize]));
        best(scored.filter_map(hit), limit)
    }

    /// The score of each slot that shares words with the query, from a list of all that is shared.
    fn scores_of_few(&self, query: &SparseVector) -> Vec<(u32, f32)> {
        let words = query.indices.iter().zip(&query.values);
        let shared = words.flat_map(|(word, weight)| {
            let postings = self.words.of(*word);
            postings.map(move |posting| (posting.slot, posting.weight * weight))
        });
        let mut scores: Vec<(u32, f32)> = shared.collect();
        // Stable: sums come out the same whichever way they were made.
        scores.sort_by_key(|(slot, _)| *slot);
        scores.dedup_by(|next, sum| {
            let is_same = next.0 == sum.0;
            if is_same {
                sum.1 += next.1;
            }
            is_same
        });
        scores
    }

    /// As [`Block::scores_of_few`], with a place for the score of each slot there is, and the slots that have one.
    fn scores_of_many(&self, query: &SparseVector) -> (Vec<f32>, Vec<u32>) {
        let mut scores = vec![f32::NAN; self.ids.len()];
        let mut found = Vec::new();
        for (word, weight) in query.indices.iter().zip(&query.values) {
            for posting in self.words.of(*word) {
                let (score, shared) = (&mut scores[posting.slot as usize], posting.weight * weight);
                if score.is_nan() {
                    *score = shared;
                    found.push(posting.slot);
                } else {
                    *score += shared;
                }
            }
        }
        (scores, found)
    }

    fn take_slot(&mut self, id: u64) -> u32 {
        // Slots fit: a tenant's points are counted in millions at the most.
        let slot = self.ids.len() as u32;
        self.ids.push(id);
        self.is_empty.push(false);
        slot
    }

    fn clear(&mut self, id: u64) {
        let read = || {
            let read = &self.ids[..self.read];
            read.binary_search_by_key(&order(id), |id| order(*id)).ok()
        };
        let slot = self.slots.remove(&id).map(|slot| slot as usize);
        if let Some(slot) = slot.or_else(read)
            && !self.is_empty[slot]
        {
            self.is_empty[slot] = true;
            self.empty += 1;
        }
    }

    /// Gives back the slots of points that are gone, once there are enough of them.
    fn pack_if_sparse(&mut self) {
        if self.empty < EMPTY_AT_LEAST.max(self.ids.len() / EMPTY_SHARE) {
            return;
        }
        let mut by_id: Vec<(usize, u64)> = self.points().collect();
        by_id.sort_unstable_by_key(|(_, id)| order(*id));
        let mut moved: Vec<Option<u32>> = vec![None; self.ids.len()];
        let mut packed = Filling::new(self.dimensions);
        for (slot, id) in by_id {
            let start = slot * self.dimensions;
            let direction = &self.directions[start..start + self.dimensions];
            packed.block.directions.extend_from_slice(direction);
            moved[slot] = Some(packed.block.take_slot(id));
        }
        for (word, posting) in self.words.all() {
            if let Some(slot) = moved[posting.slot as usize] {
                packed.postings.push((word, Posting { slot, ..posting }));
            }
        }
        *self = packed.filled();
    }
}

/// The order of ids in a file, whose numbers have a sign.
fn order(id: u64) -> i64 {
    id.cast_signed()
}

/// A block that is made of all its points at once, in the order of their ids: it takes no more bytes than it
/// needs.
#[derive(Debug)]
pub(super) struct Filling {
    block: Block,
    postings: Vec<(u32, Posting)>,
}

impl Filling {
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            block: Block::new(dimensions),
            postings: Vec::new(),
        }
    }

    /// How many points it has.
    pub(super) fn len(&self) -> usize {
        self.block.ids.len()
    }

    /// Adds a point as a file has it; `false` when its bytes are not such a point, or its id is not above the
    /// one before.
    pub(super) fn add(&mut self, id: u64, direction: &[u8], words: &[u8]) -> bool {
        let (words, rest) = words.as_chunks::<8>();
        let block = &mut self.block;
        if !rest.is_empty()
            || block
                .ids
                .last()
                .is_some_and(|last| order(*last) >= order(id))
            || !append_bytes(direction, block.dimensions, &mut block.directions)
        {
            return false;
        }
        let slot = block.take_slot(id);
        self.postings
            .extend(words.iter().map(|&[a, b, c, d, e, f, g, h]| {
                let weight = f32::from_le_bytes([e, f, g, h]);
                let word = u32::from_le_bytes([a, b, c, d]);
                (word, Posting { slot, weight })
            }));
        true
    }

    /// The block.
    pub(super) fn filled(mut self) -> Block {
        let block = &mut self.block;
        block.read = block.ids.len();
        block.directions.shrink_to_fit();
        block.ids.shrink_to_fit();
        block.is_empty.shrink_to_fit();
        block.words = Words::from(self.postings);
        self.block
    }
}

/// The best `limit` of the hits, best first, equal scores by id.
fn best(hits: impl Iterator<Item = Hit>, limit: usize) -> Vec<Hit> {
    let order = |a: &Hit, b: &Hit| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id));
    let Some(last) = limit.checked_sub(1) else {
        return Vec::new();
    };
    // Twice as many as are wanted are kept before the worse half goes: most hits are compared with the last of
    // the best so far and with no other.
    let (mut kept, mut floor) = (Vec::new(), None);
    for hit in hits {
        if floor.is_some_and(|floor| order(&hit, &floor).is_gt()) {
            continue;
        }
        kept.push(hit);
        if kept.len() == limit.saturating_mul(2) {
            floor = Some(*kept.select_nth_unstable_by(last, order).1);
            kept.truncate(limit);
        }
    }
    kept.sort_unstable_by(order);
    kept.truncate(limit);
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::direction::{direction, to_bytes};
    use super::super::file::words_to_bytes;
    use super::*;
    use crate::checks;

    const DIMENSIONS: usize = 4;

    /// What is done to a block.
    #[derive(Debug, Clone)]
    enum Step {
        Put(u64, Vec<f32>, BTreeMap<u32, f32>),
        Remove(Vec<u64>),
        /// It leaves memory and is read again.
        Read,
    }

    fn ids(block: &Block) -> Vec<u64> {
        let mut ids: Vec<u64> = block.points().map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids
    }

    fn read(points: &Points) -> Block {
        let mut filling = Filling::new(DIMENSIONS);
        for (id, (direction, words)) in points {
            assert!(filling.add(*id, &to_bytes(direction), &words_to_bytes(words)));
        }
        filling.filled()
    }

    fn step() -> impl Strategy<Value = Step> {
        let vector = prop::collection::vec(-1.0_f32..1.0, DIMENSIONS);
        let words = prop::collection::btree_map(0_u32..12, 0.1_f32..3.0, 0..5);
        prop_oneof![
            4 => (0_u64..200, vector, words).prop_map(|(id, v, w)| Step::Put(id, v, w)),
            1 => prop::collection::vec(0_u64..200, 1..40).prop_map(Step::Remove),
            1 => Just(Step::Read),
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
                    Step::Read => block = read(&points),
                    Step::Remove(ids) => {
                        block.remove(&ids);
                        points.retain(|id, _| !ids.contains(id));
                    }
                }
            }
            prop_assert_eq!(ids(&block), points.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(block.len(), points.len());
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
        assert_eq!(ids(&block).len(), 100);
        assert!(block.ids.len() <= 200, "{} slots", block.ids.len());
        let postings = block.words.all().count();
        assert!(postings <= 400, "{postings} postings");
    }

    #[test]
    fn bytes_that_are_no_point_are_told() {
        let filling = || Filling::new(2);
        assert!(filling().add(1, &[0; 4], &[0; 16]));
        assert!(!filling().add(1, &[0; 3], &[]));
        assert!(!filling().add(1, &[0; 6], &[]));
        assert!(!filling().add(1, &[0; 4], &[0; 7]));
        let mut twice = filling();
        assert!(twice.add(u64::MAX, &[0; 4], &[]) && twice.add(1, &[0; 4], &[]));
        assert!(!twice.add(1, &[0; 4], &[]), "ids ascend");
    }
}
