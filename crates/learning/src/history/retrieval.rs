//! Exact retrieval over a corpus, for training: what the vector store answers when serving, as of
//! any moment of the past.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::corpus::Corpus;
use super::statistics::Statistics;
use crate::text::tokens;

/// Nearest items of each kind that features look at.
pub const NEIGHBOURS: usize = 200;

/// The nearest items of a question, as positions in the corpus with their scores, best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// By cosine similarity.
    pub dense: Vec<(u32, f32)>,
    /// By BM25.
    pub lexical: Vec<(u32, f32)>,
}

/// Finds nearest items among the older part of a corpus.
#[derive(Debug)]
pub struct Retriever<'a> {
    corpus: &'a Corpus,
    /// One row an item, of length 1; of zeros where an item has no embedding yet.
    vectors: ArrayView2<'a, f32>,
    /// Per word, the items that have it and its BM25 weight there, oldest first.
    postings: HashMap<u32, Vec<(u32, f32)>>,
}

impl<'a> Retriever<'a> {
    /// A retriever over `corpus`, whose items have `vectors` (items by dimensions, rows of length
    /// 1, in the corpus's order).
    ///
    /// # Panics
    /// When there is not one row an item: the caller made both from the same list.
    #[must_use]
    pub fn new(corpus: &'a Corpus, vectors: ArrayView2<'a, f32>) -> Self {
        assert_eq!(vectors.nrows(), corpus.len(), "one vector for each item");
        let mut postings: HashMap<u32, Vec<(u32, f32)>> = HashMap::new();
        for (position, item) in corpus.items(0..corpus.len()).enumerate() {
            for (word, weight) in tokens::document_weights(&item.counted()) {
                postings
                    .entry(word)
                    .or_default()
                    .push((position as u32, weight));
            }
        }
        Self {
            corpus,
            vectors,
            postings,
        }
    }

    /// The corpus.
    #[must_use]
    pub fn corpus(&self) -> &'a Corpus {
        self.corpus
    }

    /// The items' embeddings.
    #[must_use]
    pub fn vectors(&self) -> ArrayView2<'a, f32> {
        self.vectors
    }

    /// The nearest of the first `statistics.items()` items, for each of the items `from..to` taken
    /// as questions.
    #[must_use]
    pub fn hits(&self, statistics: &Statistics, from: usize, to: usize) -> Vec<Hits> {
        let n = statistics.items();
        let questions = self.vectors.slice(s![from..to, ..]);
        let history = self.vectors.slice(s![..n, ..]);
        let similarities: Array2<f32> = questions.dot(&history.t());
        let mut scores = vec![0.0_f32; n];
        (from..to)
            .zip(similarities.outer_iter())
            .map(|(question, row)| Hits {
                dense: match is_zero(self.vectors.row(question)) {
                    true => Vec::new(),
                    false => best(row.iter().copied().enumerate()),
                },
                lexical: self.lexical(statistics, question, &mut scores),
            })
            .collect()
    }

    fn lexical(
        &self,
        statistics: &Statistics,
        question: usize,
        scores: &mut [f32],
    ) -> Vec<(u32, f32)> {
        scores.fill(0.0);
        let n = scores.len() as u32;
        for &word in self.corpus.item(question).words {
            let Some(weight) = statistics.word_weight(self.corpus, word) else {
                continue;
            };
            for &(position, value) in self.postings.get(&word).into_iter().flatten() {
                if position >= n {
                    break;
                }
                scores[position as usize] += weight * value;
            }
        }
        best(
            scores
                .iter()
                .copied()
                .enumerate()
                .filter(|(_, score)| *score > 0.0),
        )
    }
}

/// Whether a vector has no direction: nothing is near it, as the vector store says.
fn is_zero(vector: ArrayView1<'_, f32>) -> bool {
    vector.iter().all(|value| *value == 0.0)
}

/// The [`NEIGHBOURS`] best, best first, equal ones by position.
fn best(scores: impl Iterator<Item = (usize, f32)>) -> Vec<(u32, f32)> {
    // As whole numbers, which sort several times faster. Positions fit: see `Corpus::new`.
    let mut all: Vec<u64> = scores
        .map(|(at, score)| (u64::from(descending(score)) << 32) | at as u64)
        .collect();
    if all.len() > NEIGHBOURS {
        all.select_nth_unstable(NEIGHBOURS - 1);
        all.truncate(NEIGHBOURS);
    }
    all.sort_unstable();
    let back = |key: u64| (key as u32, ascending((key >> 32) as u32));
    all.into_iter().map(back).collect()
}

const SIGN: u32 = 1 << 31;

/// A number that is smaller for a larger score, in the order of [`f32::total_cmp`].
fn descending(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits & SIGN == 0 {
        !(bits | SIGN)
    } else {
        bits
    }
}

/// The score that [`descending`] made the number of.
fn ascending(number: u32) -> f32 {
    f32::from_bits(if number & SIGN == 0 {
        !number & !SIGN
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equal_ones_by_position() {
        let scores = [0.5, -1.0, f32::MAX, 0.0, -0.0, 0.5, -f32::MAX, 1e-30];
        let mut expected: Vec<(u32, f32)> = (0..).zip(scores).collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let bits = |found: Vec<(u32, f32)>| -> Vec<(u32, u32)> {
            found.iter().map(|(at, s)| (*at, s.to_bits())).collect()
        };
        let found = best(scores.into_iter().enumerate());
        assert_eq!(bits(found), bits(expected));
        let many = (0..3 * NEIGHBOURS).map(|at| (at, (at % NEIGHBOURS) as f32));
        let found = best(many);
        assert_eq!(found.len(), NEIGHBOURS);
        let top = NEIGHBOURS as f32 - 1.0;
        let at = |turn: usize| (turn * NEIGHBOURS + NEIGHBOURS - 1) as u32;
        assert_eq!(found[..3], [(at(0), top), (at(1), top), (at(2), top)]);
    }
}
