//! Similar items: the nearest by meaning and by words, joined by rank, words by how much they say as well.

use std::collections::HashMap;

use domain::cost::Meter;
use domain::{Item, TenantContext};
use metering::usage;
use vectors::{Hit, SparseVector};

use super::Experts;
use crate::Result;

/// Reciprocal rank fusion's constant (Cormack, Clarke and Büttcher, 2009).
const FUSION: f64 = 60.0;
/// Hits of each kind that are joined.
const DEPTH: usize = 100;

/// Items that are like a text.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarItems {
    /// The most similar first.
    pub items: Vec<SimilarItem>,
    /// The embedding model read only the beginning of the text.
    pub truncated: bool,
}

/// An item that is like a text.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarItem {
    /// The item.
    pub item: Item,
    /// Cosine similarity; 0 where only the words are alike.
    pub similarity: f64,
    /// The lexical score; 0 where no word is alike.
    pub lexical_score: f64,
    /// The embedding model read only the beginning of the item's text.
    pub truncated: bool,
}

/// What is known of a hit of either kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Joined {
    fused: f64,
    similarity: f64,
    lexical_score: f64,
}

impl Experts {
    /// The items most similar to a text.
    ///
    /// # Errors
    /// The tenant cannot be made resident; the embedding model or a store fails.
    pub async fn similar(
        &self,
        ctx: &TenantContext,
        text: String,
        limit: usize,
    ) -> Result<SimilarItems> {
        let tenant = ctx.tenant();
        let mut view = self.view(ctx).await?;
        let (dense, lexical) = loop {
            let (indices, values) = {
                let known = view.history();
                known.search.query(&known.corpus, &known.statistics, &text)
            };
            let query = SparseVector { indices, values };
            let space = view.encoder.space();
            let vector = view.encoder.query(tenant, &text).await?.vector;
            let dense = self.vectors.search_dense(space, tenant, vector, DEPTH);
            let dense = dense.await?;
            let lexical = self.vectors.search_sparse(space, tenant, query, DEPTH);
            let lexical = lexical.await?;
            match self.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => {
                    usage::add(Meter::SearchCpu, usage::micros(dense.cpu + lexical.cpu));
                    break (dense.hits, lexical.hits);
                }
            }
        };
        let ranked = fused(&dense, &lexical, limit);
        let points: Vec<u64> = ranked.iter().map(|(point, _)| *point).collect();
        let tx = self.residency.source().store.begin(ctx).await?;
        let items = tx.items().by_points(&points).await?;
        drop(tx);
        let mut items: HashMap<u64, Item> =
            items.into_iter().map(|item| (item.point, item)).collect();
        let encoder = view.encoder.clone();
        // A hundred long texts take a while to tokenize: not on a thread that others wait for.
        let marked = usage::blocking(Meter::ModelCpu, move || {
            // An item that was deleted since it was indexed is not there any more.
            let found = ranked
                .into_iter()
                .filter_map(|(point, joined)| Some((items.remove(&point)?, joined)));
            SimilarItems {
                items: found
                    .map(|(item, joined)| SimilarItem {
                        truncated: encoder.truncates(&item.content.text),
                        similarity: joined.similarity,
                        lexical_score: joined.lexical_score,
                        item,
                    })
                    .collect(),
                truncated: encoder.truncates(&text),
            }
        });
        Ok(marked.await?)
    }
}

/// The best hits of both kinds.
fn fused(dense: &[Hit], lexical: &[Hit], limit: usize) -> Vec<(u64, Joined)> {
    let mut joined: HashMap<u64, Joined> = HashMap::new();
    for (rank, hit) in dense.iter().enumerate() {
        let entry = joined.entry(hit.id).or_default();
        entry.fused += 1.0 / (FUSION + rank as f64);
        entry.similarity = f64::from(hit.score);
    }
    // Ranks alone would make of one common word as much as of a rare id that stands in one item only.
    let best = lexical.first().map_or(1.0, |hit| f64::from(hit.score));
    for (rank, hit) in lexical.iter().enumerate() {
        let entry = joined.entry(hit.id).or_default();
        entry.lexical_score = f64::from(hit.score);
        entry.fused += entry.lexical_score / best.max(1e-9) / (FUSION + rank as f64);
    }
    let mut ranked: Vec<(u64, Joined)> = joined.into_iter().collect();
    ranked.sort_by(|a, b| b.1.fused.total_cmp(&a.1.fused).then(a.0.cmp(&b.0)));
    ranked.truncate(limit);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(all: &[(u64, f32)]) -> Vec<Hit> {
        let hit = |&(id, score): &(u64, f32)| Hit { id, score };
        all.iter().map(hit).collect()
    }

    #[test]
    fn an_item_that_both_searches_find_comes_first() {
        let dense = hits(&[(1, 0.9), (2, 0.8)]);
        let lexical = hits(&[(3, 9.0), (2, 8.0)]);
        let ranked = fused(&dense, &lexical, 10);
        assert_eq!(ranked.len(), 3);
        assert_eq!(ranked[0].0, 2);
        assert_eq!(ranked[0].1.lexical_score, 8.0);
        assert!((ranked[0].1.similarity - 0.8).abs() < 1e-6);
        assert_eq!(fused(&dense, &lexical, 1).len(), 1);
    }

    #[test]
    fn a_common_word_counts_less_than_a_rare_one() {
        // Item 7 shares a rare id with the text; item 8 only a word that every item has.
        let lexical = hits(&[(7, 12.0), (8, 0.6)]);
        let dense = hits(&[(9, 0.4)]);
        let order: Vec<u64> = fused(&dense, &lexical, 3).iter().map(|one| one.0).collect();
        assert_eq!(order, [7, 9, 8]);
        assert!(fused(&[], &[], 3).is_empty());
    }
}
