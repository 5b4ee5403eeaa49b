//! A tenant's history as it is resident: items and experts as numbers, which features look at.

use chrono::{DateTime, Utc};
use domain::{ExpertId, ItemId};
use learning::{
    Corpus, Document, Features, OnlineClassifier, RidgeScorer, SearchWords, Statistics,
};
use ndarray::Array2;
use vectors::Hit;

use crate::Result;

/// Items and experts of one tenant, as numbers.
pub struct ExpertCorpus {
    pub(super) corpus: Corpus,
    pub(super) statistics: Statistics,
    /// Words of all items, whoever answered.
    pub(super) search: SearchWords,
    pub(super) heads: RidgeScorer,
    pub(super) online: OnlineClassifier,
    /// In the corpus's order.
    pub(super) experts: Vec<ResidentExpert>,
    /// In the corpus's order.
    pub(super) items: Vec<ResidentItem>,
    /// Experts that may be recommended now, by position.
    pub(super) candidates: Vec<u16>,
}

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
            + self.heads.bytes()
            + self.online.bytes()
            + self.items.len() * 64
    }

    /// Makes it from the store's rows; `vectors` has one row for each item with an expert. Takes some
    /// hundred milliseconds for thousands of items: not on a thread that others wait for.
    pub(super) fn build(
        items: &[domain::Item],
        listed: &[domain::Expert],
        vectors: &Array2<f32>,
    ) -> Result<Self> {
        let corpus = Corpus::new(items.iter().map(Document::from), listed)?;
        let statistics = Statistics::as_of(&corpus, corpus.items().len());
        let texts = items.iter().map(|item| &item.content);
        let search =
            SearchWords::new(texts.map(|one| (one.text.as_str(), !one.experts.is_empty())));
        let heads = RidgeScorer::fit(&corpus, vectors.view(), corpus.items().len());
        let online = OnlineClassifier::fit(&corpus, corpus.items().len());
        let experts: Vec<ResidentExpert> = corpus
            .experts()
            .iter()
            .enumerate()
            .map(|(at, id)| ResidentExpert {
                id: id.clone(),
                // Experts that only items name come after the listed ones and have no name.
                display_name: listed
                    .get(at)
                    .map(|expert| expert.display_name.clone())
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| id.to_string()),
            })
            .collect();
        let may_answer = |at: usize| listed.get(at).is_none_or(|e| e.active && e.available);
        let candidates = Features::new(&corpus, &statistics)
            .candidates()
            .into_iter()
            .filter(|&at| may_answer(usize::from(at)))
            .collect();
        let items = items
            .iter()
            .filter(|item| !item.content.experts.is_empty())
            .map(|item| ResidentItem {
                id: item.content.id.clone(),
                occurred_at: item.content.occurred_at,
            })
            .collect();
        Ok(Self {
            corpus,
            statistics,
            search,
            heads,
            online,
            experts,
            items,
            candidates,
        })
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
