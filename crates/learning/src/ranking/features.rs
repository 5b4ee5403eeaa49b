//! Features: numbers that say the same thing about a candidate at every tenant.
//!
//! All are logarithms of smoothed shares or scores of comparable scale, so that one small linear
//! ranker can be learned on some tenants and serve others. `docs/adr/0003-ranker.md` has what each
//! is worth and what was tried and left out.

use super::neighbor_votes::{Hybrid, Votes};
use super::ridge::RIDGE_SCORERS;
use crate::history::{ALL_TIME, Corpus, Hits, RECENT, Statistics, Vocabulary, WordScoreCache};
use crate::text::style::Style;

/// The features, in the order of the columns, in words for people.
pub const FEATURES: [&str; 16] = [
    "similar questions, recent ones first",
    "same words, recent ones first",
    "similar questions with the same words",
    "the latest similar questions",
    "what this expert answers, fitted over the long run",
    "what this expert answers, fitted to the latest questions",
    "the words this expert answers",
    "the style this expert answers",
    "words and style this expert answers, learned item by item",
    "questions that begin alike",
    "questions with the same tag",
    "the area this question seems to be in",
    "share of all answers",
    "forecast share of the next answers",
    "time since the expert's last answer",
    "the expert's profile",
];

/// How they are computed; 2: weights by age are powers of places.
const FORM: u32 = 2;
/// Names the features, their order and their form: what was learned of others is not used.
pub(crate) const FEATURE_SET: u32 = fingerprint(&FEATURES) ^ FORM;

/// The form of a snapshot of a history: what features look at, and the sections that hold it. Raised by one when
/// the sections change, so that a snapshot of another form is made again.
pub const HISTORY_FORM: u32 = FEATURE_SET.wrapping_add(2);

/// FNV-1a over the names, so that a change of features or of their order cannot be forgotten here. Where all
/// are computed in another way, their form has another number.
const fn fingerprint(names: &[&str]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < names.len() {
        let name = names[at].as_bytes();
        let mut byte = 0;
        while byte <= name.len() {
            // A name ends with a byte that no name has.
            let value = if byte < name.len() { name[byte] } else { 0 };
            hash = (hash ^ value as u32).wrapping_mul(0x0100_0193);
            byte += 1;
        }
        at += 1;
    }
    hash
}

/// The feature that no history can teach when profiles are rare: its weight starts from
/// [`PROFILE_PRIOR`] instead of zero.
pub(crate) const PROFILE: usize = FEATURES.len() - 1;
/// Weight of a profile that has all words of a question, set by hand.
pub(crate) const PROFILE_PRIOR: f64 = 2.0;

/// Added to a share of votes before its logarithm is taken.
pub(crate) const VOTE_FLOOR: f32 = 0.02;
/// Added to a share of activity before its logarithm is taken.
const ACTIVITY_FLOOR: f32 = 0.005;

/// What features are computed from.
#[derive(Debug, Clone, Copy)]
pub struct FeatureInputs<'a> {
    /// Its words ([`crate::text::tokens::count`]).
    pub words: &'a [(u32, f32)],
    /// How it is written ([`crate::text::style::read`]).
    pub style: &'a Style,
    /// Its nearest items.
    pub hits: &'a Hits,
    /// What each ridge scorer predicts for each expert ([`RidgeScorer::predict`](crate::RidgeScorer::predict));
    /// empty when the question could not be embedded.
    pub ridge: &'a [Vec<f32>],
    /// What the online classifier predicts for each expert
    /// ([`OnlineClassifier::predict`](crate::OnlineClassifier::predict)).
    pub online: &'a [f32],
    /// Its area, where the caller knows it.
    pub area: Option<u16>,
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

    /// The features of every expert for a question.
    #[must_use]
    pub fn compute(&self, asked: FeatureInputs<'_>) -> FeatureMatrix {
        self.compute_next(asked, &mut WordScoreCache::default())
    }

    /// [`Features::compute`] for one of many questions: `cache` goes from one to the next.
    pub(crate) fn compute_next(
        &self,
        asked: FeatureInputs<'_>,
        cache: &mut WordScoreCache,
    ) -> FeatureMatrix {
        let (corpus, statistics) = (self.corpus, self.statistics);
        let votes = Votes::new(corpus, statistics.items());
        let hybrid = Hybrid::new(asked.hits, statistics.items());
        let dense = votes.dense(&asked.hits.dense);
        let numbers = asked.words.iter().map(|&(word, _)| word);
        let tokens = asked.style.tokens.iter().copied();
        let columns: [Vec<f32>; FEATURES.len()] = [
            votes.log_shares(&dense.recent),
            votes.log_shares(&votes.lexical(&asked.hits.lexical)),
            votes.log_shares(&votes.hybrid(&hybrid)),
            votes.log_shares(&votes.latest(&hybrid)),
            self.ridge(asked.ridge, 0),
            self.ridge(asked.ridge, 1),
            statistics.vocabulary(corpus, Vocabulary::Words, numbers, cache),
            statistics.vocabulary(corpus, Vocabulary::Style, tokens, cache),
            asked.online.to_vec(),
            log(
                VOTE_FLOOR,
                &statistics.opening(corpus, 1, asked.style.opening[1]),
            ),
            log(
                VOTE_FLOOR,
                &statistics.opening(corpus, 0, asked.style.opening[0]),
            ),
            self.area_affinity(&votes.areas(&dense.areas), asked.area),
            log(ACTIVITY_FLOOR, statistics.activity(ALL_TIME)),
            log(ACTIVITY_FLOOR, statistics.forecast()),
            statistics
                .idle()
                .map(|age| -(100.0 * age).ln_1p())
                .collect(),
            (0..corpus.experts().len())
                .map(|e| self.profile_match(asked.words, e))
                .collect(),
        ];
        let mut values = vec![[0.0; FEATURES.len()]; corpus.experts().len()];
        for (feature, column) in columns.iter().enumerate() {
            for (row, value) in values.iter_mut().zip(column) {
                row[feature] = *value;
            }
        }
        FeatureMatrix { values }
    }

    fn ridge(&self, scores: &[Vec<f32>], which: usize) -> Vec<f32> {
        debug_assert!(scores.is_empty() || scores.len() == RIDGE_SCORERS);
        let scores = scores.get(which).into_iter().flatten();
        let mut column: Vec<f32> = scores
            .map(|score| (VOTE_FLOOR + score.max(0.0)).ln())
            .collect();
        // Nothing is expected of experts who came since the scores were made.
        column.resize(self.corpus.experts().len(), VOTE_FLOOR.ln());
        column
    }

    /// How much of the question's words a profile has, from 0 to 1: what speaks for an expert who has
    /// not answered anything yet.
    fn profile_match(&self, words: &[(u32, f32)], expert: usize) -> f32 {
        let weigh = |word: u32| {
            let known = self.statistics.word_weight(self.corpus, word);
            known.unwrap_or(1.0)
        };
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

    /// The experts of whom something is known: those with a history or a profile.
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

    /// The experts of the areas that the question seems to be in, or of the area it is in.
    fn area_affinity(&self, seems: &[(usize, f32)], area: Option<u16>) -> Vec<f32> {
        let given;
        let shares = match area {
            Some(area) => {
                given = [(usize::from(area), 1.0)];
                &given[..]
            }
            None => seems,
        };
        let mut affinity = vec![0.0_f32; self.corpus.experts().len()];
        let mut known = 0.0;
        for &(area, share) in shares {
            let experts = self.statistics.area_share(area);
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

fn log(floor: f32, shares: &[f32]) -> Vec<f32> {
    shares.iter().map(|share| (floor + share).ln()).collect()
}
