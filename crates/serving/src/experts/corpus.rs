//! A tenant's history as it is resident: items and experts as numbers, which features look at.
//!
//! New items are added where it lies: the cost of one does not grow with the history. What is not simply added
//! (an item that changed, one that happened before others) has the history read again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ExpertId, Item, ItemId};
use learning::{
    Corpus, Document, Features, OnlineClassifier, RidgeScorer, SearchWords, Statistics,
};
use ndarray::{Array2, ArrayView1};
use vectors::Hit;

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
    /// In the corpus's order.
    pub(super) items: Vec<ResidentItem>,
    /// Experts that may be recommended now, by position.
    pub(super) candidates: Vec<u16>,
    /// Of the listed experts, those that may not be recommended now, by position.
    barred: Vec<bool>,
    /// The number of the newest change that is in it.
    covered: u64,
}

/// Items whose embeddings are read in one go.
const EMBEDDINGS: usize = 1_000;
/// Items that are added, or learned, in one go: some milliseconds, for which requests wait.
pub(super) const AT_ONCE: usize = 16;

pub(super) struct ResidentExpert {
    pub id: ExpertId,
    pub display_name: String,
}

pub(super) struct ResidentItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
}

impl ExpertCorpus {
    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.corpus.bytes()
            + self.statistics.bytes()
            + self.search.bytes()
            + self.ridge.bytes()
            + self.online.bytes()
            + self.items.len() * 64
    }

    /// The number of the newest change that is in it.
    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    /// The points of the next items whose embeddings are to be learned; none when all are learned.
    pub(super) fn embeddings_wanted(&self) -> Vec<u64> {
        let items = self.corpus.items();
        let end = items.len().min(self.ridge.learned() + EMBEDDINGS);
        let wanted = &items[self.ridge.learned()..end];
        wanted.iter().map(|item| item.point).collect()
    }

    /// Whether the embeddings that come can be learned, or none are missing.
    pub(super) fn learns_embeddings(&self) -> bool {
        self.ridge.learns() || self.ridge.learned() == self.corpus.items().len()
    }

    /// Learns a few items from their embeddings, which are given by point; whether there were any.
    pub(super) fn learn_embeddings(&mut self, embeddings: &HashMap<u64, Vec<f32>>) -> bool {
        let (items, learned) = (self.corpus.items(), self.ridge.learned());
        let end = items.len().min(learned + AT_ONCE);
        self.ridge.learn(&self.corpus, end, |at| {
            let embedding = embeddings.get(&items[at].point)?;
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
        let n = corpus.items().len();
        let texts = items.iter().map(|item| &item.content);
        let search =
            SearchWords::new(texts.map(|one| (one.text.as_str(), !one.experts.is_empty())));
        let mut made = Self {
            statistics: Statistics::as_of(&corpus, n),
            search,
            ridge: RidgeScorer::fit(&corpus, vectors.view(), n),
            online: OnlineClassifier::fit(&corpus, n),
            experts: Vec::new(),
            items: Vec::new(),
            candidates: Vec::new(),
            barred: listed.iter().map(|e| !e.active || !e.available).collect(),
            covered,
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
        let newest = self.items.last().map(|item| (item.occurred_at, &item.id));
        let mut answered = items.iter().filter(|item| !item.content.experts.is_empty());
        (items.is_empty() || self.ridge.learns())
            && items.iter().all(|item| item.revision == 1)
            && answered.all(|item| {
                let content = &item.content;
                newest.is_none_or(|newest| newest < (content.occurred_at, &content.id))
            })
    }

    /// Adds items that [`ExpertCorpus::can_take`]; with their embeddings it is then the same as one built of
    /// all items, bit for bit.
    pub(super) fn take(&mut self, items: &[Item]) -> Result<()> {
        for item in items {
            let content = &item.content;
            self.corpus.push(&Document::from(item))?;
            self.search.push(&content.text, !content.experts.is_empty());
            self.note(item);
        }
        let n = self.corpus.items().len();
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
            self.items.push(ResidentItem {
                id: item.content.id.clone(),
                occurred_at: item.content.occurred_at,
            });
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

    /// Makes what the keyword rules need, which reads all words of all items. Once is enough.
    pub(super) fn make_keyword_rules(&self) {
        self.statistics.make_rules(&self.corpus);
    }

    /// Whether the expert may be recommended now.
    pub(super) fn is_candidate(&self, id: &ExpertId) -> bool {
        let mut candidates = self.candidates.iter();
        candidates.any(|&at| self.experts[usize::from(at)].id == *id)
    }

    /// Hits as positions in the corpus; an item that is indexed but not in the corpus yet is passed
    /// over.
    pub(super) fn positions(&self, hits: &[Hit]) -> Vec<(u32, f32)> {
        hits.iter()
            // Positions fit: see `Corpus::new`.
            .filter_map(|hit| Some((self.corpus.position(hit.id)? as u32, hit.score)))
            .collect()
    }
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
