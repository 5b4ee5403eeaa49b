//! Neighbour votes: the nearest items of a question, each voting for the experts who answered it.

use std::collections::HashMap;

use super::features::VOTE_FLOOR;
use crate::history::{Corpus, HalfLife, Hits};

/// Items that vote by meaning alone or by words alone, and in the list that prefers late ones.
const VOTERS: usize = 100;
/// Items that vote by both.
const HYBRID_VOTERS: usize = 200;
/// Dense similarity counts as `exp((s - best) / temperature)`.
const DENSE_TEMPERATURE: f32 = 0.10;
const HYBRID_TEMPERATURE: f32 = 0.12;
const LATEST_TEMPERATURE: f32 = 0.07;
/// What the best match by words adds to a cosine similarity.
const WORDS_SHARE: f32 = 0.5;
/// How much of the logarithm of an item's weight by age is added to its score, and by which age.
const AGE_SHARE: f32 = 0.08;
const AGE: HalfLife = HalfLife::Share(0.15);
/// Half-lives of the votes.
const RECENT: HalfLife = HalfLife::Share(0.10);
const LATEST: HalfLife = HalfLife::Share(0.20);
const AREA: HalfLife = HalfLife::Share(0.25);

/// Weighted items, as positions in the corpus.
pub(crate) type Weighted = Vec<(u32, f32)>;

/// The nearest items by meaning and words together, with their joint scores.
///
/// Both lists of hits are cut, so an item of one may miss its score in the other: a missing cosine
/// is at most the last of the list, a missing score of words is taken for none.
pub(crate) struct Hybrid {
    scored: Weighted,
    n: usize,
}

impl Hybrid {
    pub(crate) fn new(hits: &Hits, n: usize) -> Self {
        let best = hits.lexical.first().map_or(1.0, |hit| hit.1).max(1e-6);
        let floor = hits.dense.last().map_or(0.0, |hit| hit.1);
        let mut scores: HashMap<u32, (f32, f32)> = HashMap::with_capacity(2 * hits.dense.len());
        for &(position, cosine) in &hits.dense {
            scores.insert(position, (cosine, 0.0));
        }
        for &(position, words) in &hits.lexical {
            scores.entry(position).or_insert((floor, 0.0)).1 = words / best;
        }
        let mut scored: Weighted = scores
            .into_iter()
            .map(|(position, (cosine, words))| (position, cosine + WORDS_SHARE * words))
            .collect();
        sort(&mut scored);
        Self { scored, n }
    }

    /// The same with the late ones preferred.
    fn latest(&self) -> Weighted {
        let mut scored: Weighted = self
            .scored
            .iter()
            .map(|&(position, score)| {
                let age = AGE.weight(self.n - 1 - position as usize, self.n);
                (
                    position,
                    score + AGE_SHARE * age.max(f32::MIN_POSITIVE).ln(),
                )
            })
            .collect();
        sort(&mut scored);
        scored
    }
}

/// Best first, equal ones by position.
fn sort(scored: &mut Weighted) {
    scored.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
}

/// The votes by meaning, for experts and for areas.
pub(crate) struct Dense {
    pub recent: Weighted,
    pub areas: Weighted,
}

/// Counts votes of the first `n` items of a corpus.
#[derive(Clone, Copy)]
pub(crate) struct Votes<'a> {
    corpus: &'a Corpus,
    n: usize,
}

impl<'a> Votes<'a> {
    pub(crate) fn new(corpus: &'a Corpus, n: usize) -> Self {
        Self { corpus, n }
    }

    pub(crate) fn dense(&self, hits: &[(u32, f32)]) -> Dense {
        let weights = softmax(&hits[..hits.len().min(VOTERS)], DENSE_TEMPERATURE);
        Dense {
            recent: self.aged(&weights, RECENT),
            areas: self.aged(&weights, AREA),
        }
    }

    pub(crate) fn lexical(&self, hits: &[(u32, f32)]) -> Weighted {
        let best = hits.first().map_or(1.0, |hit| hit.1).max(1e-6);
        let squared = |&(at, score): &(u32, f32)| (at, (score / best).powi(2));
        let weights: Weighted = hits.iter().take(VOTERS).map(squared).collect();
        self.aged(&weights, RECENT)
    }

    pub(crate) fn hybrid(&self, hybrid: &Hybrid) -> Weighted {
        let nearest = &hybrid.scored[..hybrid.scored.len().min(HYBRID_VOTERS)];
        self.aged(&softmax(nearest, HYBRID_TEMPERATURE), RECENT)
    }

    pub(crate) fn latest(&self, hybrid: &Hybrid) -> Weighted {
        let mut nearest = hybrid.latest();
        nearest.truncate(VOTERS);
        self.aged(&softmax(&nearest, LATEST_TEMPERATURE), LATEST)
    }

    fn aged(&self, weights: &[(u32, f32)], half: HalfLife) -> Weighted {
        weights
            .iter()
            .map(|&(position, weight)| {
                let age = self.n - 1 - position as usize;
                (position, weight * half.weight(age, self.n))
            })
            .collect()
    }

    /// Each expert's share of the votes, as a logarithm.
    pub(crate) fn log_shares(&self, weighted: &[(u32, f32)]) -> Vec<f32> {
        let mut votes = vec![0.0_f32; self.corpus.experts().len()];
        for &(position, weight) in weighted {
            for &expert in self.corpus.experts_of(position as usize) {
                votes[usize::from(expert)] += weight;
            }
        }
        let total: f32 = votes.iter().sum::<f32>().max(1e-9);
        votes
            .iter()
            .map(|vote| (VOTE_FLOOR + vote / total).ln())
            .collect()
    }

    /// The areas that get votes, each with its share.
    pub(crate) fn areas(&self, weighted: &[(u32, f32)]) -> Vec<(usize, f32)> {
        let mut shares = vec![0.0_f32; self.corpus.areas()];
        let mut total = 0.0;
        for &(position, weight) in weighted {
            total += weight;
            if let Some(area) = self.corpus.item(position as usize).area {
                shares[usize::from(area)] += weight;
            }
        }
        let total = total.max(1e-9);
        shares
            .iter()
            .enumerate()
            .filter(|(_, s)| **s > 0.0)
            .map(|(a, s)| (a, s / total))
            .collect()
    }
}

fn softmax(hits: &[(u32, f32)], temperature: f32) -> Weighted {
    let best = hits.iter().map(|hit| hit.1).fold(f32::MIN, f32::max);
    hits.iter()
        .map(|&(at, score)| (at, ((score - best) / temperature).exp()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_item_overtakes_a_slightly_nearer_old_one() {
        let hits = Hits {
            dense: vec![(0, 0.80), (99, 0.78), (50, 0.20)],
            lexical: vec![(50, 3.0)],
        };
        let hybrid = Hybrid::new(&hits, 100);
        assert_eq!(hybrid.scored[0].0, 0);
        assert_eq!(hybrid.latest()[0].0, 99);
        // Half of the best match by words, on top of its cosine.
        assert_eq!(hybrid.scored[2], (50, 0.70));
    }

    #[test]
    fn what_only_words_found_gets_the_last_cosine() {
        let hits = Hits {
            dense: vec![(1, 0.9), (2, 0.4)],
            lexical: vec![(3, 2.0), (1, 1.0)],
        };
        let hybrid = Hybrid::new(&hits, 4);
        let score = |position| {
            hybrid
                .scored
                .iter()
                .find(|hit| hit.0 == position)
                .unwrap()
                .1
        };
        assert!((score(3) - 0.9).abs() < 1e-6);
        assert!((score(1) - 1.15).abs() < 1e-6);
        assert!(Hybrid::new(&Hits::default(), 0).latest().is_empty());
    }
}
