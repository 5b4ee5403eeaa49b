//! Baselines: the simple methods that a model has to beat, in every report.

use serde::{Deserialize, Serialize};

use crate::statistics::{ALL_TIME, RECENT};
use crate::{Corpus, Hits, Statistics};

/// A method without anything learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Baseline {
    /// Who answered most, over all time.
    MostPopular,
    /// Who answered most lately: half-life of a tenth of the items.
    RecentlyActive,
    /// Votes of the nearest items by words, weighted by BM25.
    LexicalKnn,
    /// Votes of the nearest items by meaning, weighted by cosine: a plain vector store's answer.
    DenseKnn,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::MostPopular,
        Self::RecentlyActive,
        Self::LexicalKnn,
        Self::DenseKnn,
    ];
    const VOTERS: usize = 100;

    /// Its name, as reports and `model_override` say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MostPopular => "most-popular",
            Self::RecentlyActive => "recently-active",
            Self::LexicalKnn => "lexical-knn",
            Self::DenseKnn => "dense-knn",
        }
    }

    /// The baseline of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|baseline| baseline.name() == name)
    }

    /// The candidates, best first, with their scores.
    #[must_use]
    pub fn rank(
        self,
        corpus: &Corpus,
        statistics: &Statistics,
        hits: &Hits,
        candidates: &[u16],
    ) -> Vec<(usize, f64)> {
        let scores = match self {
            Self::MostPopular => statistics.activity(ALL_TIME).to_vec(),
            Self::RecentlyActive => statistics.activity(RECENT).to_vec(),
            Self::LexicalKnn => votes(corpus, &hits.lexical),
            Self::DenseKnn => votes(corpus, &hits.dense),
        };
        let mut ranked: Vec<(usize, f64)> = candidates
            .iter()
            .map(|&expert| (usize::from(expert), f64::from(scores[usize::from(expert)])))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }
}

fn votes(corpus: &Corpus, hits: &[(u32, f32)]) -> Vec<f32> {
    let mut votes = vec![0.0; corpus.experts().len()];
    for &(position, score) in hits.iter().take(Baseline::VOTERS) {
        for &expert in &corpus.items()[position as usize].experts {
            votes[usize::from(expert)] += score.max(0.0);
        }
    }
    votes
}
