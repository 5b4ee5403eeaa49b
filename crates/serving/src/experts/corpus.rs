//! A tenant's history as it is resident: items and experts as numbers, which features look at.
//!
//! New items are added where it lies: the cost of one does not grow with the history. What is not simply added
//! (an item that changed, one that happened before others) has the history read again.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::{ExpertId, HISTORY_ITEMS, Item};
use learning::layout::{LayoutError, Part, Snapshot, SnapshotWriter, Texts};
use learning::{
    Corpus, Document, Features, HISTORY_FORM, NEIGHBOURS, OnlineClassifier, RidgeScorer,
    SearchWords, Statistics,
};
use ndarray::{Array2, ArrayView1};
use vectors::{Hit, MAX_LIMIT};

use crate::Result;

/// Items and experts of one tenant, as numbers.
pub struct ExpertCorpus {
    pub(super) corpus: Corpus,
    pub(super) statistics: Statistics,
    /// Words of all items, whoever answered.
    pub(super) search: SearchWords,
    pub(super) ridge: RidgeScorer,
    pub(super) online: OnlineClassifier,
    /// In the corpus's order.
    pub(super) experts: Vec<ResidentExpert>,
    /// The ids of items, in the corpus's order.
    pub(super) ids: Texts,
    /// Experts that may be recommended now, by position.
    pub(super) candidates: Vec<u16>,
    /// Of the listed experts, those that may not be recommended now, by position.
    barred: Vec<bool>,
    /// The number of the newest change that is in it.
    covered: u64,
    saved: Option<Saved>,
    /// When it could not be saved.
    save_failed: Mutex<Option<Instant>>,
}

/// The snapshot that a history lies in, but for what came since.
struct Saved {
    snapshot: Snapshot,
    /// Items in it, and items whose embeddings were learned.
    items: usize,
    learned: usize,
    /// Whether what learning looks at is what was written; not known before somebody learns.
    learning_is_whole: OnceLock<bool>,
}

/// A history that has grown by a fifth over what one is built of is built again, of the newest items.
const MOST_ITEMS: usize = (HISTORY_ITEMS + HISTORY_ITEMS / 5) as usize;
/// Items whose embeddings are read in one go.
const EMBEDDINGS: usize = 1_000;
/// Items that are added, or learned, in one go: some milliseconds, for which requests wait.
pub(super) const AT_ONCE: usize = 16;

pub(super) struct ResidentExpert {
    pub id: ExpertId,
    pub display_name: String,
}

impl ExpertCorpus {
    /// Bytes it takes, about: those of its own, and those of its snapshot that questions look at.
    pub(super) fn bytes(&self) -> usize {
        let saved = self.saved.as_ref();
        let mapped = saved.map_or(0, |saved| saved.snapshot.bytes(Part::Answers));
        let names = self.experts.iter();
        let names: usize = names.map(|one| 80 + one.display_name.len()).sum();
        mapped
            + self.corpus.bytes()
            + self.statistics.bytes()
            + self.search.bytes()
            + self.ridge.bytes()
            + self.online.bytes()
            + self.ids.bytes()
            + names
            + size_of::<Self>()
    }

    /// Items that came, or were learned, since its snapshot; none where it has no snapshot.
    pub(super) fn unsaved(&self) -> Option<usize> {
        let saved = self.saved.as_ref()?;
        let learned = self.ridge.learned() - saved.learned;
        Some(learned.max(self.corpus.len() - saved.items))
    }

    /// When it could not be saved the last time.
    pub(super) fn save_failed_at(&self) -> Option<Instant> {
        let failed = self.save_failed.lock();
        *failed.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_failed_save(&self) {
        let failed = self.save_failed.lock();
        *failed.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether what learning looks at can be used. Reads it once where it lies in a snapshot.
    fn learning_is_whole(&self) -> bool {
        self.saved.as_ref().is_none_or(|saved| {
            let is_whole = || saved.snapshot.is_whole(Part::Learning);
            *saved.learning_is_whole.get_or_init(is_whole)
        })
    }

    /// Writes a snapshot, which begins with `header`.
    pub(super) fn save(&self, header: &[u8], to: &mut impl Write) -> io::Result<()> {
        if !self.learning_is_whole() {
            return Err(io::Error::other("what it was read from is damaged"));
        }
        let mut to = SnapshotWriter::new(to, HISTORY_FORM);
        to.section(&[header])?;
        self.corpus.save_answers(&mut to)?;
        self.statistics.save_answers(&mut to)?;
        self.search.save_answers(&mut to)?;
        self.ridge.save_answers(&mut to)?;
        self.online.save_answers(&mut to)?;
        self.ids.save(&mut to)?;
        let names = self.experts.iter();
        let names = names.map(|one| one.display_name.as_str());
        names.collect::<Texts>().save(&mut to)?;
        let barred: Vec<u8> = self.barred.iter().map(|barred| u8::from(*barred)).collect();
        to.section(&[&barred])?;
        to.section(&[&self.covered.to_ne_bytes()])?;
        to.begin_learning()?;
        self.corpus.save_learning(&mut to)?;
        self.statistics.save_learning(&mut to)?;
        self.ridge.save_learning(&mut to)?;
        self.online.save_learning(&mut to)?;
        to.finish().map(|_| ())
    }

    /// What a snapshot begins with.
    ///
    /// # Errors
    /// What questions look at is not what was written.
    pub(super) fn header(snapshot: &Snapshot) -> Result<Vec<u8>, LayoutError> {
        if !snapshot.is_whole(Part::Answers) {
            return Err(LayoutError::Damaged);
        }
        Ok(snapshot.sections(Part::Answers).next_section()?.to_vec())
    }

    /// The history in a snapshot, where it lies.
    pub(super) fn load(snapshot: Snapshot) -> Result<Self, LayoutError> {
        let mut answers = snapshot.sections(Part::Answers);
        let mut learning = snapshot.sections(Part::Learning);
        let _header = answers.next_section()?;
        let corpus = Corpus::load(&mut answers, &mut learning)?;
        let statistics = Statistics::load(&mut answers, &mut learning)?;
        let search = SearchWords::load(&mut answers)?;
        let ridge = RidgeScorer::load(&mut answers, &mut learning)?;
        let online = OnlineClassifier::load(&mut answers, &mut learning)?;
        let ids = Texts::load(&mut answers)?;
        let names = Texts::load(&mut answers)?;
        let barred = answers.next_section()?;
        let covered = answers.next_section()?;
        let covered = covered[..].try_into().map_err(|_| LayoutError::Malformed)?;
        if ids.len() != corpus.len() || names.len() != corpus.experts().len() {
            return Err(LayoutError::Malformed);
        }
        let experts = corpus.experts().iter().zip(names.iter());
        let mut made = Self {
            experts: experts
                .map(|(id, name)| ResidentExpert {
                    id: id.clone(),
                    display_name: name.to_owned(),
                })
                .collect(),
            saved: Some(Saved {
                items: corpus.len(),
                learned: ridge.learned(),
                snapshot,
                learning_is_whole: OnceLock::new(),
            }),
            corpus,
            statistics,
            search,
            ridge,
            online,
            ids,
            candidates: Vec::new(),
            barred: barred.iter().map(|barred| *barred != 0).collect(),
            covered: u64::from_ne_bytes(covered),
            save_failed: Mutex::default(),
        };
        made.list_candidates();
        Ok(made)
    }

    /// The number of the newest change that is in it.
    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    /// The points of the next items whose embeddings are to be learned; none when all are learned.
    pub(super) fn embeddings_wanted(&self) -> Vec<u64> {
        let from = self.ridge.learned();
        let to = self.corpus.len().min(from + EMBEDDINGS);
        self.corpus.items(from..to).map(|item| item.point).collect()
    }

    /// Whether the embeddings that come can be learned, or none are missing.
    pub(super) fn learns_embeddings(&self) -> bool {
        self.ridge.learned() == self.corpus.len() || self.learns()
    }

    /// Whether items can be added.
    fn learns(&self) -> bool {
        self.ridge.learns() && self.learning_is_whole()
    }

    /// Learns a few items from their embeddings, which are given by point; whether there were any.
    pub(super) fn learn_embeddings(&mut self, embeddings: &HashMap<u64, Vec<f32>>) -> bool {
        let learned = self.ridge.learned();
        let end = self.corpus.len().min(learned + AT_ONCE);
        self.ridge.learn(&self.corpus, end, |at| {
            let embedding = embeddings.get(&self.corpus.item(at).point)?;
            Some(ArrayView1::from(embedding))
        });
        self.ridge.learned() > learned
    }

    /// Makes it from the store's rows as of the change `covered`; `vectors` has one row for each item with
    /// an expert. Takes some hundred milliseconds for thousands of items: not on a thread that others wait
    /// for.
    pub(super) fn build(
        (items, covered): (&[Item], u64),
        listed: &[domain::Expert],
        vectors: &Array2<f32>,
    ) -> Result<Self> {
        let corpus = Corpus::new(items.iter().map(Document::from), listed)?;
        let n = corpus.len();
        let texts = items.iter().map(|item| &item.content);
        let search =
            SearchWords::new(texts.map(|one| (one.text.as_str(), !one.experts.is_empty())));
        let mut made = Self {
            statistics: Statistics::as_of(&corpus, n),
            search,
            ridge: RidgeScorer::fit(&corpus, vectors.view(), n),
            online: OnlineClassifier::fit(&corpus, n),
            experts: Vec::new(),
            ids: Texts::default(),
            candidates: Vec::new(),
            barred: listed.iter().map(|e| !e.active || !e.available).collect(),
            covered,
            saved: None,
            save_failed: Mutex::default(),
            corpus,
        };
        made.name_experts(listed);
        for item in items {
            made.note(item);
        }
        made.list_candidates();
        Ok(made)
    }

    /// Gives up what only adding items needs: most histories are asked far more often than they grow.
    pub(super) fn stop_growing(&mut self) {
        self.ridge.stop_learning();
        self.online.stop_learning();
    }

    /// Whether `items`, which are in order of time, can be added as they are: they are new and happened
    /// after all others, and what adding them needs is there.
    pub(super) fn can_take(&self, items: &[Item]) -> bool {
        let newest = self.newest();
        let is_over_full = self.corpus.len() + items.len() > MOST_ITEMS;
        let mut answered = items.iter().filter(|item| !item.content.experts.is_empty());
        (items.is_empty() || (self.learns() && !is_over_full))
            && items.iter().all(|item| item.revision == 1)
            && answered.all(|item| {
                let content = &item.content;
                newest.is_none_or(|newest| newest < (content.occurred_at, content.id.as_str()))
            })
    }

    /// When the newest item happened, and its id.
    fn newest(&self) -> Option<(DateTime<Utc>, &str)> {
        let last = self.corpus.len().checked_sub(1)?;
        Some((self.corpus.item(last).occurred_at, self.ids.at(last)))
    }

    /// Adds items that [`ExpertCorpus::can_take`]; with their embeddings it is then the same as one built of
    /// those it had and these, bit for bit.
    pub(super) fn take(&mut self, items: &[Item]) -> Result<()> {
        for item in items {
            let content = &item.content;
            self.corpus.push(&Document::from(item))?;
            self.search.push(&content.text, !content.experts.is_empty());
            self.note(item);
        }
        let n = self.corpus.len();
        self.statistics.grow(&self.corpus, n);
        self.online.learn(&self.corpus, n);
        self.name_experts(&[]);
        self.list_candidates();
        Ok(())
    }

    /// Notes that all changes up to this one are in it.
    pub(super) fn cover(&mut self, change: u64) {
        self.covered = change;
    }

    fn note(&mut self, item: &Item) {
        if !item.content.experts.is_empty() {
            self.ids.push(item.content.id.as_str());
        }
    }

    /// Names the experts that have no name yet. Those that only items name come after the listed ones and
    /// are called by their id.
    fn name_experts(&mut self, listed: &[domain::Expert]) {
        let unnamed = self.corpus.experts().iter().enumerate();
        for (at, id) in unnamed.skip(self.experts.len()) {
            let name = listed.get(at).map(|expert| expert.display_name.clone());
            self.experts.push(ResidentExpert {
                id: id.clone(),
                display_name: name
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| id.to_string()),
            });
        }
    }

    fn list_candidates(&mut self) {
        let known = Features::new(&self.corpus, &self.statistics).candidates();
        let is_barred = |at: u16| {
            self.barred
                .get(usize::from(at))
                .is_some_and(|barred| *barred)
        };
        self.candidates = known.into_iter().filter(|&at| !is_barred(at)).collect();
    }

    /// What the ridge scorers expect of each expert.
    pub(super) fn predict_by_embedding(&self, question: &[f32]) -> Vec<Vec<f32>> {
        let experts = self.corpus.experts().len();
        self.ridge.predict(ArrayView1::from(question), experts)
    }

    /// Makes what the keyword rules need, which reads all words of all items; whether it could. Once is
    /// enough.
    pub(super) fn make_keyword_rules(&self) -> bool {
        let is_whole = self.learning_is_whole();
        if is_whole {
            self.statistics.make_rules(&self.corpus);
        }
        is_whole
    }

    /// Whether the expert may be recommended now.
    pub(super) fn is_candidate(&self, id: &ExpertId) -> bool {
        let mut candidates = self.candidates.iter();
        candidates.any(|&at| self.experts[usize::from(at)].id == *id)
    }

    /// How many hits to search for, so that enough of them are in the corpus: of a tenant that has more items than
    /// a history, as many as a search gives.
    pub(super) fn searched(&self) -> usize {
        match (self.corpus.len() as u64) < HISTORY_ITEMS {
            true => NEIGHBOURS,
            false => MAX_LIMIT,
        }
    }

    /// The nearest hits as positions in the corpus; an item that is indexed and not in the corpus (not yet, or not
    /// any more) is passed over.
    pub(super) fn positions(&self, hits: &[Hit]) -> Vec<(u32, f32)> {
        hits.iter()
            // Positions fit: see `Corpus::new`.
            .filter_map(|hit| Some((self.corpus.position(hit.id)? as u32, hit.score)))
            .take(NEIGHBOURS)
            .collect()
    }
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
