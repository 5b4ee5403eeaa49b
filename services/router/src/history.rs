//! A tenant's history as the router keeps it: what features look at.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ExpertId, ItemId};
use learning::{
    Corpus, Document, Features, OnlineClassifier, RidgeScorer, SearchWords, Statistics,
};
use ndarray::{Array2, ArrayView1};
use server::ServiceError;

/// Items and experts of one tenant, as numbers.
pub(crate) struct History {
    pub corpus: Corpus,
    pub statistics: Statistics,
    /// Words of all items, whoever answered.
    pub search: SearchWords,
    pub heads: RidgeScorer,
    pub online: OnlineClassifier,
    /// In the corpus's order.
    pub experts: Vec<ResidentExpert>,
    /// In the corpus's order.
    pub items: Vec<ResidentItem>,
    /// Experts that may be recommended now, by position.
    pub candidates: Vec<u16>,
}

pub(crate) struct ResidentExpert {
    pub id: ExpertId,
    pub display_name: String,
}

pub(crate) struct ResidentItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
}

impl History {
    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.corpus.bytes()
            + self.statistics.bytes()
            + self.search.bytes()
            + self.heads.bytes()
            + self.online.bytes()
            + self.items.len() * 64
    }

    /// Makes it from the store's rows; `vectors` has one row for each item with an expert. Takes some
    /// hundred milliseconds for thousands of items: not on a thread that others wait for.
    pub(crate) fn build(
        items: &[domain::Item],
        listed: &[domain::Expert],
        vectors: &Array2<f32>,
    ) -> Result<Self, ServiceError> {
        let corpus = Corpus::new(items.iter().map(Document::from), listed)
            .map_err(ServiceError::internal)?;
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
}

/// One row a hash: its embedding, or zeros while it has none.
pub(crate) fn rows(
    hashes: &[[u8; 32]],
    known: &HashMap<[u8; 32], Vec<f32>>,
    dimensions: usize,
) -> Array2<f32> {
    let mut rows = Array2::zeros((hashes.len(), dimensions));
    for (mut row, hash) in rows.outer_iter_mut().zip(hashes) {
        if let Some(vector) = known.get(hash).filter(|vector| vector.len() == dimensions) {
            row.assign(&ArrayView1::from(vector));
        }
    }
    rows
}
