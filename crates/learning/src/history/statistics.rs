//! What a tenant's history says as of a moment: activity, vocabulary, areas.
//!
//! Age is counted in items, not in days, against the tenant's newest item: a tenant that is quiet
//! for a month has not forgotten who answers, and a replay gives the same answers as the day it
//! happened.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::OnceLock;

use super::corpus::{Corpus, CorpusItem};
use super::forecast::forecast;
use crate::text::keywords::Rules;
use crate::text::{Numbers, Postings, keywords, tokens};

/// Weight of a word of an expert's profile: what a person has written there is meant.
const PROFILE_WORD: f32 = 3.0;
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

/// Half-lives of the activity shares.
const ACTIVITY: [HalfLife; 3] = [
    HalfLife::Never,
    HalfLife::Share(0.10),
    HalfLife::Share(0.03),
];
/// Positions in [`ACTIVITY`].
pub(crate) const ALL_TIME: usize = 0;
pub(crate) const RECENT: usize = 1;
const AREA_RECENT: usize = 2;
/// Half-life of the experts of an area.
const AREA_HALF_LIFE: HalfLife = HalfLife::Share(0.03);
/// Half-life of vocabularies.
const VOCABULARY: HalfLife = HalfLife::Share(0.25);
/// Half-life of who answers texts that begin alike.
const OPENING: HalfLife = HalfLife::Share(0.10);
/// Smoothing of who answers texts that begin alike towards recent activity, in items.
const OPENING_PRIOR: f32 = 1.0;

/// Which vocabulary is meant: what texts are about, or how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    Words,
    Style,
}

impl Vocabulary {
    /// Smoothing of an expert's probabilities towards the tenant's, in words.
    fn prior(self) -> f32 {
        match self {
            Self::Words => 200.0,
            Self::Style => 400.0,
        }
    }

    fn postings(self, corpus: &Corpus) -> &Postings {
        match self {
            Self::Words => corpus.words(),
            Self::Style => corpus.style(),
        }
    }
}

/// Log ratios by expert.
type ByExpert = Box<[(u16, f32)]>;

/// What the words of the questions so far say of each expert, by vocabulary: most come again in the next
/// questions. Good for one [`Statistics`].
#[derive(Debug, Default)]
pub(crate) struct WordScoreCache([HashMap<u32, Option<ByExpert>, BuildHasherDefault<Numbers>>; 2]);

/// How much of a vocabulary was used, by whom.
#[derive(Debug, Clone)]
struct Usage {
    /// Words of all items, each counted once an item.
    total: f32,
    /// The same by expert, newer items counting less.
    experts: Vec<f32>,
}

/// What the first `n` items of a corpus say.
#[derive(Debug, Clone)]
pub struct Statistics {
    n: usize,
    /// How much each item counts for vocabularies, and for openings.
    decays: [Vec<f32>; 2],
    activity: Vec<Vec<f32>>,
    words: Usage,
    style: Usage,
    /// Per area and expert, smoothed share of the area's recent items.
    area_shares: Vec<Vec<f32>>,
    last_position: Vec<Option<u32>>,
    /// Each expert's share of the next answers, at the pace that is the tenant's own.
    forecast: Vec<f32>,
    /// Made when they are first asked for.
    rules: OnceLock<Rules>,
}

impl Statistics {
    /// Counts the first `n` items of `corpus` (all, when there are fewer).
    #[must_use]
    pub fn as_of(corpus: &Corpus, n: usize) -> Self {
        let n = n.min(corpus.items().len());
        let items = &corpus.items()[..n];
        let decays = [VOCABULARY.weights(n), OPENING.weights(n)];
        let mut last_position = vec![None; corpus.experts().len()];
        for (position, item) in items.iter().enumerate() {
            for &expert in &item.experts {
                // Positions fit: see `Corpus::new`.
                last_position[usize::from(expert)] = Some(position as u32);
            }
        }
        let activity: Vec<Vec<f32>> = ACTIVITY
            .iter()
            .map(|half| activity(corpus, n, *half))
            .collect();
        Self {
            n,
            words: usage(corpus, n, &decays[0], |item| item.words.len()),
            style: usage(corpus, n, &decays[0], |item| item.style.tokens.len()),
            area_shares: areas(corpus, n, &activity[AREA_RECENT]),
            decays,
            activity,
            last_position,
            forecast: forecast(corpus, n),
            rules: OnceLock::new(),
        }
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

    /// Per expert, the age of its newest item as a share of the history; 1 when there is none.
    pub(crate) fn idle(&self) -> impl Iterator<Item = f32> + '_ {
        let n = self.n.max(1) as f32;
        self.last_position.iter().map(move |last| match last {
            Some(position) => (self.n - 1 - *position as usize) as f32 / n,
            None => 1.0,
        })
    }

    /// Share of the items, by expert, with the half-life `ACTIVITY[which]`.
    pub(crate) fn activity(&self, which: usize) -> &[f32] {
        &self.activity[which]
    }

    /// Each expert's share of the next answers, at the pace that is the tenant's own.
    pub(crate) fn forecast(&self) -> &[f32] {
        &self.forecast
    }

    /// Makes the keyword rules, which reads all words of all items: a moment at a large tenant. Once is
    /// enough.
    pub fn make_rules(&self, corpus: &Corpus) {
        self.rules.get_or_init(|| expert_rules(corpus, self.n));
    }

    /// What keyword rules say for each expert. They are made from the corpus that was counted.
    pub(crate) fn rules(&self, corpus: &Corpus, words: &[(u32, f32)]) -> Vec<f32> {
        let made = || expert_rules(corpus, self.n);
        let words = words.iter().map(|&(word, _)| word);
        keywords::apply(
            self.rules.get_or_init(made),
            words,
            self.last_position.len(),
        )
    }

    /// Inverse document frequency of a word; none for an unknown word.
    #[must_use]
    pub fn word_weight(&self, corpus: &Corpus, word: u32) -> Option<f32> {
        match corpus.words().before(word, self.n).len() {
            0 => None,
            df => Some(tokens::inverse_document_frequency(self.n, df)),
        }
    }

    /// The query that finds the items sharing words with a text: its words, each with its inverse
    /// document frequency. Unknown words are left out.
    #[must_use]
    pub fn query_weights(&self, corpus: &Corpus, counts: &[(u32, f32)]) -> (Vec<u32>, Vec<f32>) {
        counts
            .iter()
            .filter_map(|&(word, _)| Some((word, self.word_weight(corpus, word)?)))
            .unzip()
    }

    /// How much better each expert's vocabulary explains the words than the tenant's does: the sum
    /// of log ratios (naive Bayes with a prior), divided by the square root of the number of words.
    /// Words that fewer than two items have say nothing.
    pub(crate) fn vocabulary(
        &self,
        corpus: &Corpus,
        which: Vocabulary,
        words: impl Iterator<Item = u32>,
        cache: &mut WordScoreCache,
    ) -> Vec<f32> {
        let usage = self.usage(which);
        let cache = &mut cache.0[which as usize];
        let mut sums = vec![0.0_f32; usage.experts.len()];
        let mut used = 0.0_f32;
        for word in words {
            let by_expert = cache
                .entry(word)
                .or_insert_with(|| self.word_by_expert(corpus, which, word));
            if let Some(by_expert) = by_expert {
                used += 1.0;
                for &(expert, ratio) in by_expert.iter() {
                    sums[usize::from(expert)] += ratio;
                }
            }
        }
        let root = used.max(1.0).sqrt();
        for (sum, total) in sums.iter_mut().zip(&usage.experts) {
            // The part of the log ratio that is the same for each word of the question.
            *sum = (*sum - used * (total / which.prior()).ln_1p()) / root;
        }
        sums
    }

    /// What one word says for each expert who used it; none where too few items have it.
    fn word_by_expert(&self, corpus: &Corpus, which: Vocabulary, word: u32) -> Option<ByExpert> {
        let positions = which.postings(corpus).before(word, self.n);
        if positions.len() < 2 {
            return None;
        }
        let usage = self.usage(which);
        let mut mass = vec![0.0_f32; usage.experts.len()];
        let mut touched: Vec<u16> = Vec::new();
        for &position in positions {
            let decay = self.decays[0][position as usize];
            for &expert in &corpus.items()[position as usize].experts {
                let sum = &mut mass[usize::from(expert)];
                if *sum == 0.0 {
                    touched.push(expert);
                }
                *sum += decay;
            }
        }
        let expected = which.prior() * positions.len() as f32 / usage.total;
        let ratio = |expert: u16| (mass[usize::from(expert)] / expected).ln_1p();
        let all = touched.into_iter().map(|expert| (expert, ratio(expert)));
        Some(all.collect())
    }

    fn usage(&self, which: Vocabulary) -> &Usage {
        match which {
            Vocabulary::Words => &self.words,
            Vocabulary::Style => &self.style,
        }
    }

    /// Smoothed share of each expert in the items that begin with this tag; recent activity when
    /// there is no tag.
    pub(crate) fn opening(&self, corpus: &Corpus, which: usize, tag: Option<u32>) -> Vec<f32> {
        let base = self.activity(RECENT);
        let Some(tag) = tag else {
            return base.to_vec();
        };
        let mut shares: Vec<f32> = base.iter().map(|share| OPENING_PRIOR * share).collect();
        let mut total = OPENING_PRIOR;
        for &position in corpus.openings()[which].before(tag, self.n) {
            let decay = self.decays[1][position as usize];
            for &expert in &corpus.items()[position as usize].experts {
                shares[usize::from(expert)] += decay;
                total += decay;
            }
        }
        shares.iter_mut().for_each(|share| *share /= total);
        shares
    }

    /// Smoothed share of each expert in an area.
    pub(crate) fn area_share(&self, area: usize) -> Option<&[f32]> {
        self.area_shares.get(area).map(Vec::as_slice)
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let experts = self.last_position.len();
        // As large as they can become: a view is weighed before anybody asks for them.
        let rules = experts * keywords::WORDS * 64;
        self.n * 8 + experts * 64 + self.area_shares.len() * experts * 4 + rules
    }
}

/// The rules of a tenant's experts: words that stand out in what each answered among the first `n`
/// items, and the words of the profiles.
fn expert_rules(corpus: &Corpus, n: usize) -> Rules {
    let items = corpus.items()[..n].iter();
    let examples = items.map(|item| {
        let words = item.words.iter().map(|&(word, _)| word);
        (words, &item.experts[..])
    });
    let mut rules = keywords::standing_out(corpus.experts().len(), examples);
    for (expert, profile) in corpus.profiles().iter().enumerate() {
        for &(word, _) in profile {
            // As many experts as fit: see `Corpus::new`.
            rules
                .entry(word)
                .or_default()
                .push((expert as u16, PROFILE_WORD));
        }
    }
    rules
}

fn usage(corpus: &Corpus, n: usize, decays: &[f32], words: impl Fn(&CorpusItem) -> usize) -> Usage {
    let mut made = Usage {
        total: 0.0,
        experts: vec![0.0; corpus.experts().len()],
    };
    for (item, decay) in corpus.items()[..n].iter().zip(decays) {
        let words = words(item) as f32;
        made.total += words;
        for &expert in &item.experts {
            made.experts[usize::from(expert)] += decay * words;
        }
    }
    made
}

fn areas(corpus: &Corpus, n: usize, base: &[f32]) -> Vec<Vec<f32>> {
    let weights = AREA_HALF_LIFE.weights(n);
    let mut shares: Vec<Vec<f32>> = (0..corpus.areas())
        .map(|_| base.iter().map(|share| AREA_PRIOR * share).collect())
        .collect();
    let mut totals = vec![AREA_PRIOR; corpus.areas()];
    for (item, weight) in corpus.items()[..n].iter().zip(&weights) {
        let Some(area) = item.area.map(usize::from) else {
            continue;
        };
        for &expert in &item.experts {
            shares[area][usize::from(expert)] += weight;
            totals[area] += weight;
        }
    }
    for (share, total) in shares.iter_mut().zip(totals) {
        share.iter_mut().for_each(|share| *share /= total);
    }
    shares
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
