//! Explanation: what moved an expert's score, and the items that speak for the expert.

use domain::{Evidence, FeatureContribution, ItemId};
use learning::{Contribution, FEATURES, Hits};

use super::corpus::ExpertCorpus;

/// Contributions shown for each expert.
const CONTRIBUTIONS: usize = 6;
/// Pieces of evidence shown for each expert.
const EVIDENCE: usize = 3;

/// The strongest contributions, by the names of their features.
pub(super) fn contributions(all: Vec<Contribution>) -> Vec<FeatureContribution> {
    let strongest = all.into_iter().take(CONTRIBUTIONS);
    strongest
        .map(|one| FeatureContribution {
            feature: FEATURES[one.feature].to_owned(),
            value: one.value,
            contribution: one.contribution,
        })
        .collect()
}

/// The nearest of the items that an expert answered: by meaning first, then by words, each once.
pub(super) fn evidence(corpus: &ExpertCorpus, hits: &Hits, expert: usize) -> Vec<Evidence> {
    let answered = |position: u32| {
        let experts = corpus.corpus.experts_of(position as usize);
        experts.iter().any(|one| usize::from(*one) == expert)
    };
    let dense = hits.dense.iter().map(|&(at, s)| (at, f64::from(s)));
    let lexical = hits.lexical.iter().map(|&(at, _)| (at, 0.0));
    let mut seen: Vec<u32> = Vec::with_capacity(EVIDENCE);
    dense
        .chain(lexical)
        .filter(|(at, _)| answered(*at))
        .filter(|(at, _)| {
            let is_new = !seen.contains(at);
            seen.push(*at);
            is_new
        })
        .take(EVIDENCE)
        .filter_map(|(at, similarity)| {
            let at = at as usize;
            Some(Evidence {
                // It was one when the item was added.
                item: ItemId::parse(corpus.ids.at(at)).ok()?,
                similarity,
                occurred_at: corpus.corpus.item(at).occurred_at,
            })
        })
        .collect()
}
