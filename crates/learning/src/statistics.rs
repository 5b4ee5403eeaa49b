//! What a tenant's history says as of a moment: activity, vocabulary, areas.
//!
//! Age is counted in items, not in days, against the tenant's newest item: a tenant that is quiet
//! for a month has not forgotten who answers, and a replay gives the same answers as the day it
//! happened.

use std::collections::HashMap;

use crate::{Corpus, words};

/// Smoothing of the vocabulary's probabilities towards the tenant's, in words.
const VOCABULARY_PRIOR: f32 = 200.0;
/// Smoothing of an area's experts towards the tenant's, in items.
const AREA_PRIOR: f32 = 2.0;

/// How much an item of some age counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HalfLife {
    /// All count the same.
    Never,
    /// Half after this share of the history.
    Share(f32),
}

impl HalfLife {
    /// The weight of an item that `age` items are newer than, in a history of `n`.
    pub(crate) fn weight(self, age: usize, n: usize) -> f32 {
        let half = match self {
            Self::Never => return 1.0,
            Self::Share(share) => share * n as f32,
        };
        (-(age as f32) / half.max(1.0)).exp2()
    }

    /// The weights of all positions of a history of `n`.
    pub(crate) fn weights(self, n: usize) -> Vec<f32> {
        (0..n)
            .map(|position| self.weight(n - 1 - position, n))
            .collect()
    }
}

/// One expert's use of one word.
#[derive(Debug, Clone, Copy)]
struct Use {
    expert: u16,
    /// Items, newer ones counting more.
    items: f32,
}

/// What the first `n` items of a corpus say.
#[derive(Debug, Clone)]
pub struct Statistics {
    n: usize,
    experts: usize,
    document_frequency: HashMap<u32, u32>,
    /// Per word, who used it.
    uses: HashMap<u32, Vec<Use>>,
    /// Sum over words of the document frequency.
    total_df: f32,
    /// Per expert, the sum of its uses.
    use_totals: Vec<f32>,
    activity: Vec<Vec<f32>>,
    /// Per area and expert, smoothed share of the area's recent items.
    area_shares: Vec<Vec<f32>>,
    last_position: Vec<Option<u32>>,
}

/// Half-lives of the activity shares.
const ACTIVITY: [HalfLife; 3] = [
    HalfLife::Never,
    HalfLife::Share(0.10),
    HalfLife::Share(0.02),
];
/// Positions in [`ACTIVITY`].
pub(crate) const ALL_TIME: usize = 0;
pub(crate) const RECENT: usize = 1;
pub(crate) const LATEST: usize = 2;
/// Half-life of the vocabulary.
const VOCABULARY: HalfLife = HalfLife::Share(0.25);

impl Statistics {
    /// Counts the first `n` items of `corpus` (all, when there are fewer).
    #[must_use]
    pub fn as_of(corpus: &Corpus, n: usize) -> Self {
        let items = &corpus.items()[..n.min(corpus.items().len())];
        let n = items.len();
        let experts = corpus.experts().len();
        let mut made = Self {
            n,
            experts,
            document_frequency: HashMap::new(),
            uses: HashMap::new(),
            total_df: 0.0,
            use_totals: vec![0.0; experts],
            activity: ACTIVITY
                .iter()
                .map(|half| activity(corpus, n, *half))
                .collect(),
            area_shares: Vec::new(),
            last_position: vec![None; experts],
        };
        for (position, item) in items.iter().enumerate() {
            let recent = VOCABULARY.weight(n - 1 - position, n);
            for &expert in &item.experts {
                // Positions fit: see `Corpus::new`.
                made.last_position[usize::from(expert)] = Some(position as u32);
            }
            for &(word, _) in &item.words {
                *made.document_frequency.entry(word).or_default() += 1;
                made.total_df += 1.0;
                let uses = made.uses.entry(word).or_default();
                for &expert in &item.experts {
                    made.use_totals[usize::from(expert)] += recent;
                    match uses.iter_mut().find(|one| one.expert == expert) {
                        Some(one) => one.items += recent,
                        None => uses.push(Use {
                            expert,
                            items: recent,
                        }),
                    }
                }
            }
        }
        made.area_shares = made.count_areas(corpus);
        made
    }

    /// Items counted.
    #[must_use]
    pub fn items(&self) -> usize {
        self.n
    }

    /// Whether an expert has answered anything.
    #[must_use]
    pub fn has_history(&self, expert: usize) -> bool {
        self.last_position.get(expert).is_some_and(Option::is_some)
    }

    /// Share of the items, by expert, with the half-life `ACTIVITY[which]`.
    pub(crate) fn activity(&self, which: usize) -> &[f32] {
        &self.activity[which]
    }

    /// Inverse document frequency of a word; none for a word that nobody used.
    #[must_use]
    pub fn word_weight(&self, word: u32) -> Option<f32> {
        let df = *self.document_frequency.get(&word)? as usize;
        Some(words::inverse_document_frequency(self.n, df))
    }

    /// The query that finds the items sharing words with a text: its words, each with its inverse
    /// document frequency. Words that nobody used are left out.
    #[must_use]
    pub fn query_weights(&self, counts: &[(u32, f32)]) -> (Vec<u32>, Vec<f32>) {
        counts
            .iter()
            .filter_map(|&(word, _)| Some((word, self.word_weight(word)?)))
            .unzip()
    }

    /// How much better each expert's vocabulary explains the words than the tenant's does: the sum
    /// of log ratios (naive Bayes with a prior), divided by the square root of the number of words.
    pub(crate) fn vocabulary(&self, counts: &[(u32, f32)]) -> Vec<f32> {
        let mut sums = vec![0.0; self.experts];
        let mut used = 0usize;
        for (word, _) in counts {
            let df = self.document_frequency.get(word).copied().unwrap_or(0);
            if df < 2 {
                continue;
            }
            used += 1;
            let expected = VOCABULARY_PRIOR * df as f32 / self.total_df;
            for one in self.uses.get(word).into_iter().flatten() {
                sums[usize::from(one.expert)] += (one.items / expected).ln_1p();
            }
        }
        let words = used as f32;
        let root = words.max(1.0).sqrt();
        for (sum, total) in sums.iter_mut().zip(&self.use_totals) {
            // The part of the log ratio that is the same for each word of the question.
            *sum = (*sum - words * (total / VOCABULARY_PRIOR).ln_1p()) / root;
        }
        sums
    }

    /// Smoothed share of each expert in an area.
    pub(crate) fn area_share(&self, area: usize) -> Option<&[f32]> {
        self.area_shares.get(area).map(Vec::as_slice)
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let uses: usize = self
            .uses
            .values()
            .map(|uses| 48 + uses.capacity() * 8)
            .sum();
        uses + self.document_frequency.len() * 16
            + self.experts * 64
            + self.area_shares.len() * self.experts * 4
    }

    fn count_areas(&self, corpus: &Corpus) -> Vec<Vec<f32>> {
        let weights = HalfLife::Share(0.10).weights(self.n);
        let base = &self.activity[RECENT];
        let mut shares: Vec<Vec<f32>> = (0..corpus.areas())
            .map(|_| base.iter().map(|share| AREA_PRIOR * share).collect())
            .collect();
        let mut totals = vec![AREA_PRIOR; corpus.areas()];
        for (item, weight) in corpus.items()[..self.n].iter().zip(&weights) {
            let Some(area) = item.area.map(usize::from) else {
                continue;
            };
            totals[area] += weight;
            for &expert in &item.experts {
                shares[area][usize::from(expert)] += weight;
            }
        }
        for (share, total) in shares.iter_mut().zip(totals) {
            share.iter_mut().for_each(|share| *share /= total);
        }
        shares
    }
}

/// Each expert's share of the items, newer ones counting more.
fn activity(corpus: &Corpus, n: usize, half: HalfLife) -> Vec<f32> {
    let mut shares = vec![0.0_f32; corpus.experts().len()];
    for (position, item) in corpus.items()[..n].iter().enumerate() {
        let weight = half.weight(n - 1 - position, n);
        for &expert in &item.experts {
            shares[usize::from(expert)] += weight;
        }
    }
    let total: f32 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share /= total);
    }
    shares
}
