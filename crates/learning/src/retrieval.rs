//! Exact retrieval over a corpus, for training: what the vector store answers when serving, as of
//! any moment of the past.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView2, s};

use crate::features::{Hits, NEIGHBOURS};
use crate::{Corpus, Statistics, words};

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
        assert_eq!(
            vectors.nrows(),
            corpus.items().len(),
            "one vector for each item"
        );
        let mut postings: HashMap<u32, Vec<(u32, f32)>> = HashMap::new();
        for (position, item) in corpus.items().iter().enumerate() {
            for (word, weight) in words::document_weights(&item.words) {
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
                dense: best(row.iter().copied().enumerate()),
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
        for &(word, _) in &self.corpus.items()[question].words {
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

/// The [`NEIGHBOURS`] best, best first, equal ones by position.
fn best(scores: impl Iterator<Item = (usize, f32)>) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = scores.map(|(at, score)| (at as u32, score)).collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if all.len() > NEIGHBOURS {
        all.select_nth_unstable_by(NEIGHBOURS - 1, order);
        all.truncate(NEIGHBOURS);
    }
    all.sort_unstable_by(order);
    all
}
