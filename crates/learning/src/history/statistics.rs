//! What a tenant's history says as of a moment: activity, vocabulary, areas.
//!
//! Age is counted in items, not in days, against the tenant's newest item: a tenant that is quiet
//! for a month has not forgotten who answers, and a replay gives the same answers as the day it
//! happened. How it counts is in [`super::half_life`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;
use std::sync::OnceLock;

use super::corpus::{Corpus, CorpusItem};
use super::forecast::Forecaster;
use super::half_life::HalfLife;
use super::shares::{Activity, Usage};
use crate::layout::{Column, LayoutError, Rows, Sections, SnapshotWriter};
use crate::text::keywords::Rules;
use crate::text::{Numbers, Postings, keywords, tokens};

/// Weight of a word of an expert's profile: what a person has written there is meant.
const PROFILE_WORD: f32 = 3.0;
/// Smoothing of an area's experts towards the tenant's, in items.
const AREA_PRIOR: f64 = 2.0;

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

/// In place of the position of an expert's last item, where there is none.
const NEVER: u32 = u32::MAX;

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

/// The experts of one area, by how much their items count; to be scaled.
type AreaExperts = Vec<(u16, f64)>;

/// What the first `n` items of a corpus say. Items are added one by one, each at the same cost.
#[derive(Debug, Clone)]
pub struct Statistics {
    n: usize,
    /// How much each item counts for vocabularies, and for openings; to be scaled.
    decays: [Column<f32>; 2],
    activity: [Activity; 3],
    words: Usage,
    style: Usage,
    areas: Vec<AreaExperts>,
    last_position: Vec<Option<u32>>,
    /// Experts known by the items counted.
    known: usize,
    forecaster: Forecaster,
    /// Each expert's share of the next answers, at the pace that is the tenant's own.
    forecast: Vec<f32>,
    /// Made when they are first asked for.
    rules: OnceLock<Rules>,
}

impl Statistics {
    /// Counts the first `n` items of `corpus` (all, when there are fewer).
    #[must_use]
    pub fn as_of(corpus: &Corpus, n: usize) -> Self {
        let mut made = Self {
            n: 0,
            decays: Default::default(),
            activity: Default::default(),
            words: Usage::default(),
            style: Usage::default(),
            areas: Vec::new(),
            last_position: Vec::new(),
            known: corpus.listed(),
            forecaster: Forecaster::new(),
            forecast: Vec::new(),
            rules: OnceLock::new(),
        };
        made.grow(corpus, n);
        made
    }

    /// Counts the items up to the first `n` of the corpus that it counts already; the same, bit for bit, as
    /// [`Statistics::as_of`].
    pub fn grow(&mut self, corpus: &Corpus, n: usize) {
        let n = n.min(corpus.len());
        self.make_room(corpus.experts().len());
        for position in self.n..n {
            let item = corpus.item(position);
            self.add(item, position);
            // Others are numbered in the order in which items name them.
            let named = item.experts.iter().map(|expert| usize::from(*expert) + 1);
            self.known = named.fold(self.known, usize::max);
            self.forecaster.add(corpus, position, self.known);
        }
        self.n = self.n.max(n);
        self.activity.iter_mut().for_each(Activity::share_out);
        self.forecast = self.forecaster.forecast(corpus.experts().len());
        self.rules = OnceLock::new();
    }

    fn make_room(&mut self, experts: usize) {
        self.last_position.resize(experts, None);
        self.words.experts.resize(experts, 0.0);
        self.style.experts.resize(experts, 0.0);
        for activity in &mut self.activity {
            activity.sums.resize(experts, 0.0);
        }
    }

    fn add(&mut self, item: CorpusItem<'_>, position: usize) {
        let experts = item.experts;
        for &expert in experts {
            // Positions fit: see `Corpus::new`.
            self.last_position[usize::from(expert)] = Some(position as u32);
        }
        for (activity, half) in self.activity.iter_mut().zip(ACTIVITY) {
            activity.add(experts, half.unscaled(position));
        }
        for (decays, half) in self.decays.iter_mut().zip([VOCABULARY, OPENING]) {
            decays.push(half.unscaled(position) as f32);
        }
        let weight = VOCABULARY.unscaled(position);
        self.words.add(item.words.len(), experts, weight);
        self.style.add(item.style_tokens.len(), experts, weight);
        if let Some(area) = item.area.map(usize::from) {
            if self.areas.len() <= area {
                self.areas.resize(area + 1, AreaExperts::new());
            }
            let known = &mut self.areas[area];
            let weight = AREA_HALF_LIFE.unscaled(position);
            for &expert in experts {
                match known.iter_mut().find(|(one, _)| *one == expert) {
                    Some((_, sum)) => *sum += weight,
                    None => known.push((expert, weight)),
                }
            }
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
        &self.activity[which].shares
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
        let scale = VOCABULARY.scale(self.n);
        for (sum, total) in sums.iter_mut().zip(&usage.experts) {
            // The part of the log ratio that is the same for each word of the question.
            let total = (total / scale) as f32;
            *sum = (*sum - used * (total / which.prior()).ln_1p()) / root;
        }
        sums
    }

    /// What one word says for each expert who used it; none where too few items have it.
    fn word_by_expert(&self, corpus: &Corpus, which: Vocabulary, word: u32) -> Option<ByExpert> {
        let positions = which.postings(corpus).shared(word, self.n)?;
        let usage = self.usage(which);
        let mut mass = vec![0.0_f32; usage.experts.len()];
        let mut touched: Vec<u16> = Vec::new();
        for position in positions.iter() {
            let decay = self.decays[0].at(position as usize);
            for &expert in corpus.experts_of(position as usize) {
                let sum = &mut mass[usize::from(expert)];
                if *sum == 0.0 {
                    touched.push(expert);
                }
                *sum += decay;
            }
        }
        let scale = VOCABULARY.scale(self.n) as f32;
        let expected = scale * which.prior() * positions.len() as f32 / usage.total as f32;
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
        let prior = OPENING_PRIOR * OPENING.scale(self.n) as f32;
        let mut shares: Vec<f32> = base.iter().map(|share| prior * share).collect();
        let mut total = prior;
        for position in corpus.openings()[which].before(tag, self.n).iter() {
            let decay = self.decays[1].at(position as usize);
            for &expert in corpus.experts_of(position as usize) {
                shares[usize::from(expert)] += decay;
                total += decay;
            }
        }
        shares.iter_mut().for_each(|share| *share /= total);
        shares
    }

    /// Smoothed share of each expert in an area.
    pub(crate) fn area_share(&self, area: usize) -> Vec<f32> {
        let base = &self.activity[AREA_RECENT].shares;
        let Some(known) = self.areas.get(area) else {
            return base.clone();
        };
        let prior = AREA_PRIOR * AREA_HALF_LIFE.scale(self.n);
        let total = prior + known.iter().map(|(_, sum)| sum).sum::<f64>();
        let share = |base: &f32| (f64::from(*base) * prior / total) as f32;
        let mut shares: Vec<f32> = base.iter().map(share).collect();
        for &(expert, sum) in known {
            shares[usize::from(expert)] += (sum / total) as f32;
        }
        shares
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let experts = self.last_position.len();
        // As large as they can become: a view is weighed before anybody asks for them.
        let rules = experts * keywords::WORDS * 64;
        let areas: usize = self.areas.iter().map(|area| 24 + area.len() * 16).sum();
        let decays: usize = self.decays.iter().map(Column::bytes).sum();
        decays + experts * 120 + self.forecaster.bytes() + areas + rules
    }

    /// Writes what questions look at.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.n as u64, self.known as u64])?;
        self.decays.iter().try_for_each(|decays| decays.save(to))?;
        self.activity.iter().try_for_each(|one| one.save(to))?;
        self.words.save(to)?;
        self.style.save(to)?;
        let (mut experts, mut sums) = (Rows::<u16>::default(), Rows::<f64>::default());
        for area in &self.areas {
            experts.push(area.iter().map(|(expert, _)| *expert));
            sums.push(area.iter().map(|(_, sum)| *sum));
        }
        experts.save(to)?;
        sums.save(to)?;
        let last = self.last_position.iter();
        let last: Vec<u32> = last.map(|last| last.unwrap_or(NEVER)).collect();
        to.values(&last)?;
        to.values(&self.forecast)?;
        self.forecaster.save_numbers(to)
    }

    /// Writes what only learning looks at.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.forecaster.save(to)
    }

    /// Reads what was written, where it lies.
    ///
    /// # Errors
    /// Sections are not those that are written.
    pub fn load(answers: &mut Sections, learning: &mut Sections) -> Result<Self, LayoutError> {
        let [n, known] = Column::<u64>::load_array(answers)?;
        let decays = [Column::load(answers)?, Column::load(answers)?];
        let mut activity: [Activity; 3] = Default::default();
        for one in &mut activity {
            *one = Activity::load(answers)?;
        }
        let (words, style) = (Usage::load(answers)?, Usage::load(answers)?);
        let experts = Rows::<u16>::load(answers)?;
        let sums = Rows::<f64>::load(answers)?;
        if experts.len() != sums.len() {
            return Err(LayoutError::Malformed);
        }
        let area = |at: usize| {
            let sums = sums.row(at).iter().copied();
            experts.row(at).iter().copied().zip(sums).collect()
        };
        let last = Column::<u32>::load_vec(answers)?.into_iter();
        Ok(Self {
            n: n as usize,
            decays,
            activity,
            words,
            style,
            areas: (0..experts.len()).map(area).collect(),
            last_position: last.map(|last| (last != NEVER).then_some(last)).collect(),
            known: known as usize,
            forecast: Column::load_vec(answers)?,
            forecaster: Forecaster::load(answers, learning)?,
            rules: OnceLock::new(),
        })
    }
}

/// The rules of a tenant's experts: words that stand out in what each answered among the first `n`
/// items, and the words of the profiles.
fn expert_rules(corpus: &Corpus, n: usize) -> Rules {
    let items = corpus.items(0..n);
    let examples = items.map(|item| (item.words.iter().copied(), item.experts));
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
