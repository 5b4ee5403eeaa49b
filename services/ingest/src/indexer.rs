//! The indexer: embeds what the index has not seen, and makes it findable.
//!
//! The vector store keeps nothing before it is flushed, so the watermark of what is indexed is
//! written to the database after the flush and never before. A crash in between indexes the same
//! items again, which changes nothing.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Alias, ItemId, JobKind, TaskId, TenantContext};
use embedding::Embedder;
use learning::words;
use server::Clock;
use storage::{ItemChange, JobFailure, JobRunner, JobWork, NewJob, Outcome, Store};
use vectors::{Point, Space, SparseVector, VectorStore};

/// Items embedded and upserted at a time.
const CHUNK: u32 = 256;

/// Indexes tenants' items.
pub struct Indexer {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The embedding model.
    pub embedder: Embedder,
    /// The space that is indexed.
    pub space: Space,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobRunner for Indexer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::IndexItems, JobKind::RebuildIndex]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let ctx = TenantContext::for_background_work(work.tenant()?, "indexer");
        let rebuild = work.job.kind == JobKind::RebuildIndex;
        let result = match rebuild {
            true => self.rebuild(&ctx, work).await,
            false => self.catch_up(&ctx, work).await,
        };
        let indexed = result?;
        if indexed > 0 {
            self.ask_for_a_check(&ctx).await.map_err(retry)?;
        }
        Ok(vec![("indexed_items".to_owned(), indexed.to_string())])
    }
}

/// A failure on the way, as the job queue understands it.
fn retry(error: impl std::fmt::Display) -> JobFailure {
    tracing::warn!(%error, "indexing will be tried again");
    JobFailure::Retry("a part that indexing needs did not answer".to_owned())
}

impl Indexer {
    /// New items say how the tenant's models do: those that serve, or are tried, are weighed on them.
    async fn ask_for_a_check(&self, ctx: &TenantContext) -> storage::Result<()> {
        let tx = self.store.begin(ctx).await?;
        let task = TaskId::experts();
        for alias in [Alias::Champion, Alias::Challenger] {
            if tx.models().alias(&task, alias).await?.is_some() {
                let now = self.clock.now();
                tx.jobs().enqueue(NewJob::checking(), now).await?;
                return tx.commit().await;
            }
        }
        Ok(())
    }

    /// Indexes all changes that the index has not seen.
    async fn catch_up(&self, ctx: &TenantContext, work: &JobWork) -> Result<u64, JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let seen = tx
            .index()
            .watermark(&self.space.name)
            .await
            .map_err(retry)?;
        let target = tx.items().watermark().await.map_err(retry)?;
        drop(tx);
        let indexed = self.index_after(ctx, work, seen, target).await?;
        if self.is_whole(ctx).await? {
            return Ok(indexed);
        }
        tracing::warn!(tenant = %ctx.tenant(), "the index has lost points; it is made again");
        self.rebuild(ctx, work).await
    }

    /// Whether each item has its point, as far as counting tells; an index that newer changes have
    /// overtaken in the meantime counts as whole, since the next job looks again.
    async fn is_whole(&self, ctx: &TenantContext) -> Result<bool, JobFailure> {
        let points = self
            .vectors
            .count(&self.space, ctx.tenant())
            .await
            .map_err(retry)?;
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let items = tx.items().count().await.map_err(retry)?;
        let seen = tx
            .index()
            .watermark(&self.space.name)
            .await
            .map_err(retry)?;
        let committed = tx.items().watermark().await.map_err(retry)?;
        Ok(points == items || seen < committed)
    }

    /// Writes every item again, then removes points that stand for no item. Answers stay possible
    /// all the while.
    async fn rebuild(&self, ctx: &TenantContext, work: &JobWork) -> Result<u64, JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let target = tx.items().watermark().await.map_err(retry)?;
        drop(tx);
        let indexed = self.index_after(ctx, work, 0, target).await?;
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let mut wanted: Vec<u64> = tx
            .items()
            .points()
            .await
            .map_err(retry)?
            .into_iter()
            .map(|(point, _)| point)
            .collect();
        drop(tx);
        wanted.sort_unstable();
        let found = self
            .vectors
            .list_ids(&self.space, ctx.tenant())
            .await
            .map_err(retry)?;
        let stray: Vec<u64> = found
            .into_iter()
            .filter(|id| wanted.binary_search(id).is_err())
            .collect();
        if !stray.is_empty() {
            self.vectors
                .delete(&self.space, ctx.tenant(), stray)
                .await
                .map_err(retry)?;
            self.vectors.flush(&self.space).await.map_err(retry)?;
        }
        Ok(indexed)
    }

    async fn index_after(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        mut seen: u64,
        target: u64,
    ) -> Result<u64, JobFailure> {
        let started_at = seen;
        let mut indexed = 0;
        loop {
            if work.should_stop() {
                return Err(JobFailure::Cancelled);
            }
            let tx = self.store.begin(ctx).await.map_err(retry)?;
            let changes = tx.items().changed_since(seen, CHUNK).await.map_err(retry)?;
            drop(tx);
            let Some(last) = changes.last().map(|change| change.change) else {
                // Changes that were overtaken by later ones have no row of their own.
                self.advance(ctx, seen.max(target)).await?;
                return Ok(indexed);
            };
            indexed += changes.len() as u64;
            self.index(ctx, changes).await?;
            self.vectors.flush(&self.space).await.map_err(retry)?;
            self.advance(ctx, last).await?;
            seen = last;
            let span = target.saturating_sub(started_at).max(1) as f32;
            let done = (seen.saturating_sub(started_at) as f32 / span).min(1.0);
            work.progress(done, format!("{indexed} items indexed"));
        }
    }

    /// Never goes back: while a rebuild writes old items again, newer ones stay indexed.
    async fn advance(&self, ctx: &TenantContext, to: u64) -> Result<(), JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        if tx
            .index()
            .watermark(&self.space.name)
            .await
            .map_err(retry)?
            < to
        {
            tx.index()
                .set_watermark(&self.space.name, to)
                .await
                .map_err(retry)?;
            tx.commit().await.map_err(retry)?;
        }
        Ok(())
    }

    async fn index(&self, ctx: &TenantContext, changes: Vec<ItemChange>) -> Result<(), JobFailure> {
        let mut gone = Vec::new();
        let mut texts: Vec<(u64, ItemId, String)> = Vec::new();
        for change in changes {
            match change.item {
                Some(item) => texts.push((change.point, change.id, item.content.text)),
                None => gone.push(change.point),
            }
        }
        if !gone.is_empty() {
            self.vectors
                .delete(&self.space, ctx.tenant(), gone)
                .await
                .map_err(retry)?;
        }
        if texts.is_empty() {
            return Ok(());
        }
        let vectors = self.embed(ctx, &texts).await?;
        let points = texts
            .iter()
            .zip(vectors)
            .map(|((point, _, text), dense)| {
                let weights = words::document_weights(&words::count(text));
                let (indices, values) = weights.into_iter().unzip();
                Point {
                    id: *point,
                    dense,
                    sparse: SparseVector { indices, values },
                }
            })
            .collect();
        self.vectors
            .upsert(&self.space, ctx.tenant(), points)
            .await
            .map_err(retry)
    }

    /// The embeddings of texts: from the cache, or computed and put there.
    async fn embed(
        &self,
        ctx: &TenantContext,
        texts: &[(u64, ItemId, String)],
    ) -> Result<Vec<Vec<f32>>, JobFailure> {
        let hashes: Vec<[u8; 32]> = texts
            .iter()
            .map(|(_, _, text)| self.embedder.content_hash(text))
            .collect();
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let mut known = tx
            .embeddings()
            .get(&self.space.name, &hashes)
            .await
            .map_err(retry)?;
        drop(tx);
        let mut missing: Vec<([u8; 32], String)> = Vec::new();
        for (hash, (_, _, text)) in hashes.iter().zip(texts) {
            if !known.contains_key(hash) && !missing.iter().any(|(other, _)| other == hash) {
                missing.push((*hash, text.clone()));
            }
        }
        if !missing.is_empty() {
            let (new_hashes, new_texts): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
            let embedded = self
                .embedder
                .embed_passages(new_texts)
                .await
                .map_err(retry)?;
            let computed: Vec<([u8; 32], Vec<f32>)> = new_hashes
                .into_iter()
                .zip(embedded.into_iter().map(|one| one.vector))
                .collect();
            let tx = self.store.begin(ctx).await.map_err(retry)?;
            tx.embeddings()
                .put(&self.space.name, computed.clone())
                .await
                .map_err(retry)?;
            tx.commit().await.map_err(retry)?;
            known.extend(computed);
        }
        hashes
            .iter()
            .map(|hash| {
                known
                    .get(hash)
                    .cloned()
                    .ok_or_else(|| retry("an embedding is missing"))
            })
            .collect()
    }
}
