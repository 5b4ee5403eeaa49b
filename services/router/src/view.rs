//! A tenant's view: what the router knows of it without asking anybody.

use std::collections::HashMap;
use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::{ExpertId, ItemId, TenantContext, VerticalId};
use embedding::Embedder;
use learning::{Corpus, Document, Features, Heads, Statistics};
use ndarray::{Array2, ArrayView1};
use server::ServiceError;
use storage::{Store, TenantTx, Tiers};

use crate::chain::{Chain, ChainStamp};

/// One tenant, resident.
pub(crate) struct TenantView {
    pub corpus: Corpus,
    pub statistics: Statistics,
    pub heads: Heads,
    /// In the corpus's order.
    pub experts: Vec<ResidentExpert>,
    /// In the corpus's order.
    pub items: Vec<ResidentItem>,
    /// Experts that may be recommended now, by position.
    pub candidates: Vec<u16>,
    /// The models that may answer.
    pub chain: Chain,
    /// What of the store this was made from.
    pub stamp: Stamp,
}

/// What tells a view that is up to date from one that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    watermark: u64,
    experts: (usize, Option<DateTime<Utc>>),
    chain: ChainStamp,
}

pub(crate) struct ResidentExpert {
    pub id: ExpertId,
    pub display_name: String,
}

pub(crate) struct ResidentItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
}

impl Resident for TenantView {
    fn resident_bytes(&self) -> usize {
        self.corpus.bytes() + self.statistics.bytes() + self.heads.bytes() + self.items.len() * 64
    }
}

impl TenantView {
    /// Reads a tenant from the store.
    pub(crate) async fn load(
        store: &Store,
        artifacts: &ArtifactStore,
        embedder: &Embedder,
        ctx: &TenantContext,
    ) -> Result<Self, ServiceError> {
        let vertical = vertical_of(store, ctx).await?;
        let tiers = store.platform().tiers();
        let tx = store.begin(ctx).await?;
        let stamp = Stamp::read(&tx, &tiers, &vertical).await?;
        let items = tx.items().at_watermark(stamp.watermark).await?;
        let listed = tx.experts().all().await?;
        let chain = Chain::load(&tx, &tiers, artifacts, &vertical).await?;
        let hashes: Vec<_> = items
            .iter()
            .filter(|item| !item.content.experts.is_empty())
            .map(|item| embedder.content_hash(&item.content.text))
            .collect();
        let space = embedder.space();
        let known = tx.embeddings().get(space.name, &hashes).await?;
        drop(tx);
        // Thousands of texts are cut into words: not on a thread that others wait for.
        let dimensions = space.dimensions;
        tokio::task::spawn_blocking(move || {
            let vectors = rows(&hashes, &known, dimensions);
            Self::build(&items, &listed, &vectors, chain, stamp)
        })
        .await
        .map_err(ServiceError::internal)?
    }

    fn build(
        items: &[domain::Item],
        listed: &[domain::Expert],
        vectors: &Array2<f32>,
        chain: Chain,
        stamp: Stamp,
    ) -> Result<Self, ServiceError> {
        let corpus = Corpus::new(items.iter().map(Document::from), listed)
            .map_err(ServiceError::internal)?;
        let statistics = Statistics::as_of(&corpus, corpus.items().len());
        let heads = Heads::fit(&corpus, vectors.view(), corpus.items().len());
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
            heads,
            experts,
            items,
            candidates,
            chain,
            stamp,
        })
    }
}

impl Stamp {
    /// What the store has now.
    pub(crate) async fn read(
        tx: &TenantTx,
        tiers: &Tiers,
        vertical: &VerticalId,
    ) -> Result<Self, ServiceError> {
        let experts = tx.experts().all().await?;
        Ok(Self {
            watermark: tx.items().watermark().await?,
            experts: (
                experts.len(),
                experts.iter().map(|expert| expert.updated_at).max(),
            ),
            chain: ChainStamp::read(tx, tiers, vertical).await?,
        })
    }
}

/// One row a hash: its embedding, or zeros while it has none.
fn rows(
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

/// The vertical whose models stand between the tenant's own and the global one.
pub(crate) async fn vertical_of(
    store: &Store,
    ctx: &TenantContext,
) -> Result<VerticalId, ServiceError> {
    let tenant = store.platform().get_tenant(ctx.tenant()).await?;
    let found = tenant.map(|tenant| tenant.vertical);
    found.ok_or_else(|| ServiceError::not_found(format_args!("tenants/{}", ctx.tenant())))
}

/// A view that requests share.
pub(crate) type SharedView = Arc<TenantView>;
