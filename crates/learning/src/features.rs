//! Features: numbers that say the same thing about a candidate at every tenant.
//!
//! All are logarithms of smoothed shares or scores of comparable scale, so that one small linear
//! ranker can be learned on some tenants and serve others. `docs/adr/0003-ranker.md` has what each
//! is worth and what was tried and left out.

use crate::Corpus;
use crate::statistics::{ALL_TIME, HalfLife, LATEST, RECENT, Statistics};

/// Nearest items of each kind that features look at.
pub const NEIGHBOURS: usize = 100;

/// The features, in the order of the columns, in words for people.
pub const FEATURES: [&str; 8] = [
    "similar questions, recent ones first",
    "similar questions of any time",
    "same words, recent ones first",
    "the words this expert answers lately",
    "share of all answers",
    "share of the latest answers",
    "the area this question seems to be in",
    "the expert's profile",
];

/// The feature that no history can teach when profiles are rare: its weight starts from
/// [`PROFILE_PRIOR`] instead of zero.
pub(crate) const PROFILE: usize = 7;
/// Weight of a profile that has all words of a question, set by hand.
pub(crate) const PROFILE_PRIOR: f64 = 2.0;

/// Added to a share of votes before its logarithm is taken.
const VOTE_FLOOR: f32 = 0.02;
/// Added to a share of activity before its logarithm is taken.
const ACTIVITY_FLOOR: f32 = 0.005;
/// Dense similarity counts as `exp((s - best) / TEMPERATURE)`.
const TEMPERATURE: f32 = 0.10;
/// The nearest items of a question, as positions in the corpus with their scores, best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// By cosine similarity.
    pub dense: Vec<(u32, f32)>,
    /// By BM25.
    pub lexical: Vec<(u32, f32)>,
}

/// One row of features for each expert of the corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    values: Vec<[f32; FEATURES.len()]>,
}

impl FeatureMatrix {
    /// The features of an expert.
    #[must_use]
    pub fn row(&self, expert: usize) -> &[f32; FEATURES.len()] {
        &self.values[expert]
    }

    /// How many experts there are.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.values.len()
    }

    /// The matrix with these rows, one an expert.
    #[must_use]
    pub fn from_rows(values: Vec<[f32; FEATURES.len()]>) -> Self {
        Self { values }
    }
}

/// Computes features of questions against one tenant's history.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    corpus: &'a Corpus,
    statistics: &'a Statistics,
}

impl<'a> Features<'a> {
    /// Features against the part of `corpus` that `statistics` counted.
    #[must_use]
    pub fn new(corpus: &'a Corpus, statistics: &'a Statistics) -> Self {
        Self { corpus, statistics }
    }

    /// The features of every expert for a question with these `words` ([`crate::words::count`]) and these
    /// nearest items. `area` is the question's, where the caller knows it.
    #[must_use]
    pub fn compute(&self, words: &[(u32, f32)], hits: &Hits, area: Option<u16>) -> FeatureMatrix {
        let dense = Votes::new(self, softmax(&hits.dense, TEMPERATURE));
        let lexical = Votes::new(self, squared_share(&hits.lexical));
        let tenth = HalfLife::Share(0.10);
        let columns: [Vec<f32>; FEATURES.len()] = [
            dense.log_shares(tenth),
            dense.log_shares(HalfLife::Never),
            lexical.log_shares(tenth),
            self.statistics.vocabulary(words),
            self.log_activity(ALL_TIME),
            self.log_activity(LATEST),
            self.area_affinity(&dense, area),
            (0..self.corpus.experts().len())
                .map(|e| self.profile_match(words, e))
                .collect(),
        ];
        let mut values = vec![[0.0; FEATURES.len()]; self.corpus.experts().len()];
        for (feature, column) in columns.iter().enumerate() {
            for (row, value) in values.iter_mut().zip(column) {
                row[feature] = *value;
            }
        }
        FeatureMatrix { values }
    }

    /// How much of the question's words a profile has, from 0 to 1: what speaks for an expert who has
    /// not answered anything yet.
    fn profile_match(&self, words: &[(u32, f32)], expert: usize) -> f32 {
        let weigh = |word: u32| self.statistics.word_weight(word).unwrap_or(1.0);
        let profile = &self.corpus.profiles()[expert];
        if profile.is_empty() {
            return 0.0;
        }
        let total: f32 = words.iter().map(|&(word, _)| weigh(word)).sum();
        let shared: f32 = words
            .iter()
            .filter(|(word, _)| profile.binary_search_by_key(word, |(w, _)| *w).is_ok())
            .map(|&(word, _)| weigh(word))
            .sum();
        if total > 0.0 { shared / total } else { 0.0 }
    }

    /// The experts that can be told apart from strangers: those with a history or a profile.
    #[must_use]
    pub fn candidates(&self) -> Vec<u16> {
        let known = |expert: &usize| {
            self.statistics.has_history(*expert) || !self.corpus.profiles()[*expert].is_empty()
        };
        // Positions fit: see `Corpus::new`.
        (0..self.corpus.experts().len())
            .filter(known)
            .map(|expert| expert as u16)
            .collect()
    }

    fn log_activity(&self, which: usize) -> Vec<f32> {
        let shares = self.statistics.activity(which);
        shares
            .iter()
            .map(|share| (ACTIVITY_FLOOR + share).ln())
            .collect()
    }

    /// The experts of the areas that the question seems to be in, or of the area it is in.
    fn area_affinity(&self, dense: &Votes<'_>, area: Option<u16>) -> Vec<f32> {
        let shares = match area {
            Some(area) => vec![(usize::from(area), 1.0)],
            None => dense.area_shares(HalfLife::Share(0.25)),
        };
        let mut affinity = vec![0.0_f32; self.corpus.experts().len()];
        let mut known = 0.0;
        for (area, share) in shares {
            let Some(experts) = self.statistics.area_share(area) else {
                continue;
            };
            known += share;
            for (sum, expert) in affinity.iter_mut().zip(experts) {
                *sum += share * expert;
            }
        }
        // What is not known of the area says what recent activity says.
        let rest = (1.0_f32 - known).max(0.0);
        let activity = self.statistics.activity(RECENT);
        affinity
            .iter()
            .zip(activity)
            .map(|(sum, base)| (VOTE_FLOOR + sum + rest * base).ln())
            .collect()
    }
}

/// Weighted votes of a question's nearest items.
struct Votes<'a> {
    features: Features<'a>,
    weights: Vec<(u32, f32)>,
}

impl<'a> Votes<'a> {
    fn new(features: &Features<'a>, weights: Vec<(u32, f32)>) -> Self {
        Self {
            features: *features,
            weights,
        }
    }

    fn aged(&self, half: HalfLife) -> impl Iterator<Item = (usize, f32)> + '_ {
        let n = self.features.statistics.items();
        self.weights.iter().map(move |&(position, weight)| {
            let position = position as usize;
            (position, weight * half.weight(n - 1 - position, n))
        })
    }

    fn log_shares(&self, half: HalfLife) -> Vec<f32> {
        let mut votes = vec![0.0_f32; self.features.corpus.experts().len()];
        for (position, weight) in self.aged(half) {
            for &expert in &self.features.corpus.items()[position].experts {
                votes[usize::from(expert)] += weight;
            }
        }
        let total: f32 = votes.iter().sum::<f32>().max(1e-9);
        votes
            .iter()
            .map(|vote| (VOTE_FLOOR + vote / total).ln())
            .collect()
    }

    fn area_shares(&self, half: HalfLife) -> Vec<(usize, f32)> {
        let mut shares = vec![0.0_f32; self.features.corpus.areas()];
        let mut total = 0.0;
        for (position, weight) in self.aged(half) {
            total += weight;
            if let Some(area) = self.features.corpus.items()[position].area {
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

fn softmax(hits: &[(u32, f32)], temperature: f32) -> Vec<(u32, f32)> {
    let best = hits.iter().map(|hit| hit.1).fold(f32::MIN, f32::max);
    hits.iter()
        .map(|&(at, score)| (at, ((score - best) / temperature).exp()))
        .collect()
}

fn squared_share(hits: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let best = hits.first().map_or(1.0, |hit| hit.1).max(1e-6);
    hits.iter()
        .map(|&(at, score)| (at, (score / best).powi(2)))
        .collect()
}
