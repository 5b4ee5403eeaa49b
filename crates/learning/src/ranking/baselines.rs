//! Baselines: the simple methods that a model has to beat, in every report.

use serde::{Deserialize, Serialize};

use crate::history::{ALL_TIME, Corpus, Hits, RECENT, Statistics};

/// A method without anything learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Baseline {
    /// Who answered most, over all time.
    MostPopular,
    /// Who answered most lately: half-life of a tenth of the items.
    RecentlyActive,
    /// Words that stand out in what each expert answered, and those of the profile.
    KeywordRules,
    /// Votes of the nearest items by words, weighted by BM25.
    LexicalKnn,
    /// Votes of the nearest items by meaning, weighted by cosine: a plain vector store's answer.
    DenseKnn,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::MostPopular,
        Self::RecentlyActive,
        Self::KeywordRules,
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
            Self::KeywordRules => "keyword-rules",
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

    /// The candidates, best first, with their scores. `words` are the question's ([`crate::text::tokens::count`]).
    #[must_use]
    pub fn rank(
        self,
        (corpus, statistics): (&Corpus, &Statistics),
        words: &[(u32, f32)],
        hits: &Hits,
        candidates: &[u16],
    ) -> Vec<(usize, f64)> {
        let scores = match self {
            Self::MostPopular => statistics.activity(ALL_TIME).to_vec(),
            Self::RecentlyActive => statistics.activity(RECENT).to_vec(),
            Self::KeywordRules => statistics.rules(corpus, words),
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
        for &expert in corpus.experts_of(position as usize) {
            votes[usize::from(expert)] += score.max(0.0);
        }
    }
    votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Document;
    use crate::text::tokens;
    use domain::{Expert, ExpertId};

    #[test]
    fn keyword_rules_come_from_what_was_answered_and_from_profiles() {
        let ids = ["ada", "bob"].map(|id| vec![ExpertId::parse(id).unwrap()]);
        let texts = ["rotate the encryption keys", "pay the invoice in time"];
        let documents = (0..40).map(|at| Document {
            point: at as u64,
            text: texts[at % 2],
            area: None,
            experts: &ids[at % 2],
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let cleo = Expert {
            id: ExpertId::parse("cleo").unwrap(),
            display_name: String::new(),
            profile: "penetration tests".to_owned(),
            active: true,
            available: true,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        };
        let corpus = Corpus::new(documents, &[cleo]).unwrap();
        let statistics = Statistics::as_of(&corpus, 40);
        let first = |text: &str| {
            let known = (&corpus, &statistics);
            let asked = tokens::count(text);
            let hits = Hits::default();
            Baseline::KeywordRules.rank(known, &asked, &hits, &[0, 1, 2])[0].0
        };
        let place = |id: &str| corpus.experts().iter().position(|e| e.as_str() == id);
        for (text, id) in [
            ("Which keys are there?", "ada"),
            ("An invoice came", "bob"),
            ("Is there a penetration test?", "cleo"),
        ] {
            assert_eq!(Some(first(text)), place(id), "{text}");
        }
    }
}
