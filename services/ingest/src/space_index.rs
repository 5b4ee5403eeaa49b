//! One tenant's part of one vector space: embeds what the space has not seen, and makes it findable.
//!
//! The vector store keeps nothing before it is flushed, so the watermark of what is indexed is
//! written to the database after the flush and never before. A crash in between indexes the same
//! items again, which changes nothing.

use std::ops::Range;

use domain::{ErrorKind, TenantContext};
use encoding::{Encoder, Lane};
use jobs::{JobFailure, JobWork};
use learning::tokens;
use storage::{ItemChange, Store, TenantTx};
use vectors::{Point, SparseVector, VectorStore};

/// Items embedded and upserted at a time.
const CHUNK: u32 = 256;
/// Points are counted after so many changes, and where a job finds nothing to do.
const COUNTED_EACH: u64 = 64;
/// Items that may be written while writers wait: embedded in a fraction of a second.
const LAST_STEP: usize = 48;

/// One tenant's part of one space.
pub(crate) struct SpaceIndex<'a> {
    pub store: &'a Store,
    pub vectors: &'a dyn VectorStore,
    pub ctx: &'a TenantContext,
    pub encoder: Encoder,
    /// What the space has to be to the tenant for the writing to go on.
    pub role: Role,
}

/// What a space is to its tenant while it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Questions are asked in it.
    Active,
    /// The tenant wants it to be the active one.
    Wanted,
}

/// How far a writing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Everything that was committed when it began; so many items were written.
    All(u64),
    /// The space lost its role meanwhile.
    Left,
}

impl SpaceIndex<'_> {
    /// Indexes all changes that the space has not seen, and now and then makes it again where points are missing.
    pub(crate) async fn catch_up(&self, work: &JobWork) -> Result<Written, JobFailure> {
        let tx = self.begin().await?;
        let seen = tx.index().watermark(self.encoder.name()).await?;
        let target = tx.items().watermark().await?;
        drop(tx);
        let written = self.index_after(work, seen..target).await?;
        // Counting takes the longer the more items there are: not for each of them.
        let is_counted = seen == target || seen / COUNTED_EACH != target / COUNTED_EACH;
        if written == Written::Left || !is_counted || self.is_whole().await? {
            return Ok(written);
        }
        tracing::warn!(
            tenant = %self.ctx.tenant(),
            space = self.encoder.name(),
            "the index has lost points; it is made again"
        );
        self.rebuild(work).await
    }

    /// Whether each item has its point, as far as counting tells; an index that newer changes have
    /// overtaken in the meantime counts as whole, since the next job looks again.
    async fn is_whole(&self) -> Result<bool, JobFailure> {
        let points = self
            .vectors
            .count(self.encoder.space(), self.ctx.tenant())
            .await?;
        let tx = self.begin().await?;
        let items = tx.items().count().await?;
        let seen = tx.index().watermark(self.encoder.name()).await?;
        let committed = tx.items().watermark().await?;
        Ok(points == items || seen < committed)
    }

    /// Writes every item again, then removes points that stand for no item. Answers stay possible
    /// all the while.
    pub(crate) async fn rebuild(&self, work: &JobWork) -> Result<Written, JobFailure> {
        let tx = self.begin().await?;
        let target = tx.items().watermark().await?;
        drop(tx);
        let written = self.index_after(work, 0..target).await?;
        if written == Written::Left {
            return Ok(written);
        }
        let tx = self.begin().await?;
        let points = tx.items().points().await?;
        drop(tx);
        let mut wanted: Vec<u64> = points.into_iter().map(|(point, _)| point).collect();
        wanted.sort_unstable();
        let (vectors, tenant) = (self.vectors, self.ctx.tenant());
        let found = vectors.list_ids(self.encoder.space(), tenant).await?;
        let stray: Vec<u64> = found
            .into_iter()
            .filter(|id| wanted.binary_search(id).is_err())
            .collect();
        if !stray.is_empty() {
            vectors.delete(self.encoder.space(), tenant, stray).await?;
            vectors.flush(self.encoder.space()).await?;
        }
        Ok(written)
    }

    /// Indexes what changed after the start of `span`; its end is only for telling how far it is.
    async fn index_after(&self, work: &JobWork, span: Range<u64>) -> Result<Written, JobFailure> {
        let mut seen = span.start;
        let mut indexed = 0;
        loop {
            work.proceed()?;
            let tx = self.begin().await?;
            if !self.has_role(&tx).await? {
                return Ok(Written::Left);
            }
            let changes = tx.items().changed_since(seen, CHUNK).await?;
            drop(tx);
            let Some(last) = changes.last().map(|change| change.change) else {
                // Changes that were overtaken by later ones have no row of their own.
                self.advance(seen.max(span.end)).await?;
                return Ok(Written::All(indexed));
            };
            indexed += changes.len() as u64;
            self.index(changes, None).await?;
            self.vectors.flush(self.encoder.space()).await?;
            self.advance(last).await?;
            seen = last;
            let whole = span.end.saturating_sub(span.start).max(1) as f32;
            let done = (seen.saturating_sub(span.start) as f32 / whole).min(1.0);
            work.progress(done, format!("{indexed} items indexed"));
            if seen >= span.end {
                // What came since has a job of its own.
                return Ok(Written::All(indexed));
            }
        }
    }

    /// Takes in the last few changes inside `tx`, which keeps writers waiting. False when there are too
    /// many for that.
    pub(crate) async fn last_step(&self, tx: &TenantTx) -> Result<bool, JobFailure> {
        let seen = tx.index().watermark(self.encoder.name()).await?;
        let committed = tx.items().watermark().await?;
        let limit = LAST_STEP as u32 + 1;
        let changes = tx.items().changed_since(seen, limit).await?;
        if changes.len() > LAST_STEP {
            return Ok(false);
        }
        if !changes.is_empty() {
            self.index(changes, Some(tx)).await?;
            self.vectors.flush(self.encoder.space()).await?;
        }
        tx.index()
            .set_watermark(self.encoder.name(), committed)
            .await?;
        Ok(true)
    }

    async fn begin(&self) -> storage::Result<TenantTx> {
        self.store.begin(self.ctx).await
    }

    async fn has_role(&self, tx: &TenantTx) -> storage::Result<bool> {
        let named = match self.role {
            Role::Active => tx.spaces().active().await?,
            Role::Wanted => tx.spaces().wanted().await?,
        };
        Ok(named == self.encoder.name())
    }

    /// Never goes back: while a rebuild writes old items again, newer ones stay indexed.
    async fn advance(&self, to: u64) -> Result<(), JobFailure> {
        let advanced = async {
            let tx = self.store.begin(self.ctx).await?;
            if tx.index().watermark(self.encoder.name()).await? < to {
                tx.index().set_watermark(self.encoder.name(), to).await?;
                tx.commit().await?;
            }
            Ok(())
        };
        let advanced: storage::Result<()> = advanced.await;
        let Err(error) = advanced else {
            return Ok(());
        };
        if matches!(
            error.kind(),
            ErrorKind::FailedPrecondition | ErrorKind::NotFound
        ) {
            // The tenant is being erased, and its vectors may have been removed between the last
            // look and the last write: what was written since must not stay.
            self.remove_all().await?;
        }
        Err(error.into())
    }

    /// Removes the tenant's points, durably.
    pub(crate) async fn remove_all(&self) -> Result<u64, JobFailure> {
        let removed = self
            .vectors
            .delete_tenant(self.encoder.space(), self.ctx.tenant())
            .await?;
        self.vectors.flush(self.encoder.space()).await?;
        Ok(removed)
    }

    /// Embeds and upserts changes; inside a transaction, where there is one.
    async fn index(
        &self,
        changes: Vec<ItemChange>,
        inside: Option<&TenantTx>,
    ) -> Result<(), JobFailure> {
        let mut deleted = Vec::new();
        let mut texts: Vec<(u64, String)> = Vec::new();
        for change in changes {
            match change.item {
                Some(item) => texts.push((change.point, item.content.text)),
                None => deleted.push(change.point),
            }
        }
        let (space, tenant) = (self.encoder.space(), self.ctx.tenant());
        if !deleted.is_empty() {
            self.vectors.delete(space, tenant, deleted).await?;
        }
        if texts.is_empty() {
            return Ok(());
        }
        let read: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        let vectors = match inside {
            Some(tx) => self.encoder.encode_in(tx, &read).await?,
            None => self.encoder.encode(self.ctx, &read, Lane::Passage).await?,
        };
        let points = texts
            .iter()
            .zip(vectors)
            .map(|((point, text), dense)| {
                let weights = tokens::document_weights(&tokens::count(text));
                let (indices, values) = weights.into_iter().unzip();
                Point {
                    id: *point,
                    dense,
                    sparse: SparseVector { indices, values },
                }
            })
            .collect();
        Ok(self.vectors.upsert(space, tenant, points).await?)
    }
}
