//! Answers for items that nobody has answered yet, computed before anybody asks.
//!
//! Whoever opens a list of open questions should see its experts at once. An answer is given only
//! while its stamp is that of the tenant's view, and is computed when it is asked for otherwise.

use std::collections::HashMap;
use std::time::Instant;

use domain::{Item, ItemId, TaskId, TenantContext};
use encoding::{EncodedQuery, Lane};
use storage::PrecomputedAnswer;

use super::precomputed::PRECOMPUTED_EXPERTS;
use super::{ExpertQuery, Experts, ExpertsView, QueryVector, RankerChoice};
use crate::Result;

/// Answers computed and stored at a time.
const CHUNK: usize = 32;

/// What was done for a tenant's open items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrecomputeCounts {
    /// Answers that were computed.
    pub computed: usize,
    /// Answers that still hold.
    pub held: usize,
    /// Answers that were removed, because their items are open no more.
    pub removed: usize,
}

impl Experts {
    /// Makes sure that the newest `most` open items have answers that hold, and no other item has one.
    /// `proceed` is asked before each step, with the share that is done; when it declines, the answer
    /// is none.
    ///
    /// # Errors
    /// As [`Experts::recommend`].
    pub async fn precompute(
        &self,
        ctx: &TenantContext,
        most: u32,
        mut proceed: impl FnMut(f32) -> bool + Send,
    ) -> Result<Option<PrecomputeCounts>> {
        let view = self.residency.up_to_date(ctx, &TaskId::experts()).await?;
        let stamp = view.fingerprint();
        let (open, stored) = self.open_and_stored(ctx, most).await?;
        let closed: Vec<ItemId> = stored
            .keys()
            .filter(|id| !open.iter().any(|item| item.content.id == **id))
            .cloned()
            .collect();
        self.remove(ctx, &closed).await?;
        let holds = |item: &Item| {
            let stored = stored.get(&item.content.id);
            stored.is_some_and(|(revision, made)| *revision == item.revision && *made == stamp)
        };
        let outdated: Vec<&Item> = open.iter().filter(|item| !holds(item)).collect();
        for (done, chunk) in outdated.chunks(CHUNK).enumerate() {
            if !proceed((done * CHUNK) as f32 / outdated.len() as f32) {
                return Ok(None);
            }
            self.compute(ctx, &view, &stamp, chunk).await?;
        }
        Ok(Some(PrecomputeCounts {
            computed: outdated.len(),
            held: open.len() - outdated.len(),
            removed: closed.len(),
        }))
    }

    /// The open items that are to have answers, and the revision and stamp of those there are.
    async fn open_and_stored(
        &self,
        ctx: &TenantContext,
        most: u32,
    ) -> Result<(Vec<Item>, HashMap<ItemId, (u32, String)>)> {
        let tx = self.residency.source().store.begin(ctx).await?;
        let open = match most {
            0 => Vec::new(),
            most => tx.items().open(None, most).await?,
        };
        Ok((open, tx.precomputed().stamps().await?))
    }

    async fn remove(&self, ctx: &TenantContext, items: &[ItemId]) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let tx = self.residency.source().store.begin(ctx).await?;
        tx.precomputed().delete(items).await?;
        Ok(tx.commit().await?)
    }

    /// Computes the answers of some items, and stores them. Their embeddings are in the cache, where
    /// the index has put them, or wait behind all that somebody waits for.
    async fn compute(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
        stamp: &str,
        items: &[&Item],
    ) -> Result<()> {
        let texts: Vec<&str> = items
            .iter()
            .map(|item| item.content.text.as_str())
            .collect();
        let vectors = view.encoder.encode(ctx, &texts, Lane::Passage).await?;
        let mut answers = Vec::with_capacity(items.len());
        for (item, vector) in items.iter().zip(vectors) {
            let query = ExpertQuery {
                text: item.content.text.clone(),
                area: item.content.area.clone(),
                top_k: PRECOMPUTED_EXPERTS,
                choice: RankerChoice::Routed,
                routing_key: None,
                deadline: None,
            };
            let vector = QueryVector::Encoded(EncodedQuery::cached(vector));
            let asked = (vector, Instant::now());
            let answer = self.answer(ctx, view, &query, asked).await?;
            answers.push(PrecomputedAnswer {
                item: item.content.id.clone(),
                revision: item.revision,
                stamp: stamp.to_owned(),
                answer: answer.recommended,
                shadow: answer.shadow,
                computed_at: self.clock.now(),
            });
        }
        let tx = self.residency.source().store.begin(ctx).await?;
        tx.precomputed().put(answers).await?;
        Ok(tx.commit().await?)
    }
}
