//! Similar items: the nearest by meaning and by words, joined by rank, words by how much they say as well.

use std::collections::HashMap;

use api::v1;
use domain::cost::Meter;
use domain::{ResourceName, TenantContext};
use metering::usage;
use server::ServiceError;
use vectors::SparseVector;

use crate::Router;
use crate::space::AskedSpace;

/// Reciprocal rank fusion's constant (Cormack, Clarke and Büttcher, 2009).
const FUSION: f64 = 60.0;
/// Hits of each kind that are joined.
const DEPTH: usize = 100;

impl Router {
    pub(crate) async fn similar(
        &self,
        ctx: &TenantContext,
        text: String,
        limit: usize,
    ) -> Result<v1::FindSimilarItemsResponse, ServiceError> {
        let parts = &self.parts;
        let mut view = parts.residents.view(ctx).await?;
        let (dense, lexical) = loop {
            let (indices, values) = view.search.query(&view.corpus, &view.statistics, &text);
            let query = SparseVector { indices, values };
            let AskedSpace { space, embedder } = &view.asked;
            let embedded = embedder.embed_query(text.clone()).await?;
            usage::embedded(embedded.tokens, embedded.cpu);
            let vector = embedded.vector;
            let vectors = &parts.vectors;
            let dense = vectors.search_dense(space, ctx.tenant(), vector, DEPTH);
            let dense = dense.await?;
            let lexical = vectors.search_sparse(space, ctx.tenant(), query, DEPTH);
            let lexical = lexical.await?;
            match parts.residents.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => {
                    usage::add(Meter::SearchCpu, usage::micros(dense.cpu + lexical.cpu));
                    break (dense.hits, lexical.hits);
                }
            }
        };
        let mut joined: HashMap<u64, (f64, f64, f64)> = HashMap::new();
        for (rank, hit) in dense.iter().enumerate() {
            let entry = joined.entry(hit.id).or_default();
            entry.0 += 1.0 / (FUSION + rank as f64);
            entry.1 = f64::from(hit.score);
        }
        // Ranks alone would make of one common word as much as of a rare id that stands in one item only.
        let best = lexical.first().map_or(1.0, |hit| f64::from(hit.score));
        for (rank, hit) in lexical.iter().enumerate() {
            let entry = joined.entry(hit.id).or_default();
            entry.2 = f64::from(hit.score);
            entry.0 += entry.2 / best.max(1e-9) / (FUSION + rank as f64);
        }
        let mut ranked: Vec<(u64, (f64, f64, f64))> = joined.into_iter().collect();
        ranked.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
        ranked.truncate(limit);
        let points: Vec<u64> = ranked.iter().map(|(point, _)| *point).collect();
        let items = parts
            .store
            .begin(ctx)
            .await?
            .items()
            .by_points(&points)
            .await?;
        let mut items: HashMap<u64, domain::Item> =
            items.into_iter().map(|item| (item.point, item)).collect();
        let found: Vec<v1::SimilarItem> = ranked
            .into_iter()
            // An item that was deleted since it was indexed is not there any more.
            .filter_map(|(point, scores)| Some(to_wire(ctx, items.remove(&point)?, scores)))
            .collect();
        let embedder = view.asked.embedder.clone();
        // A hundred long texts take a while to tokenize: not on a thread that others wait for.
        let marked = usage::blocking(Meter::ModelCpu, move || {
            let mut items = found;
            for item in &mut items {
                item.truncated = embedder.truncates(&item.text);
            }
            let truncated = embedder.truncates(&text);
            v1::FindSimilarItemsResponse { items, truncated }
        });
        marked.await.map_err(ServiceError::internal)
    }
}

fn to_wire(ctx: &TenantContext, item: domain::Item, scores: (f64, f64, f64)) -> v1::SimilarItem {
    let content = item.content;
    v1::SimilarItem {
        item: ResourceName::Item(ctx.tenant().clone(), content.id).to_string(),
        text: content.text,
        similarity: scores.1,
        words: scores.2,
        experts: content.experts.into_iter().map(String::from).collect(),
        occur_time: Some(api::timestamp(content.occurred_at)),
        truncated: false,
    }
}
