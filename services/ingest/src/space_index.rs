//! One tenant's part of one vector space: embeds what the space has not seen, and makes it findable.
//!
//! The vector store keeps nothing before it is flushed, so the watermark of what is indexed is
//! written to the database after the flush and never before. A crash in between indexes the same
//! items again, which changes nothing.

use std::ops::Range;

use domain::{ErrorKind, Fault as _, TenantContext};
use encoding::{Encoder, EncodingError, Hash, Lane, LookedUp};
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

/// Vectors that had to be computed, by their texts' hashes.
type Computed = Vec<(Hash, Vec<f32>)>;

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

/// What was written: everything that was committed when the writing began.
pub(crate) struct Done {
    /// How many items.
    pub items: u64,
    /// The transaction that notes the last of them, for its user to add to and to commit.
    pub tx: TenantTx,
    /// The changes that the space had before, and those that were committed when the writing began.
    span: Range<u64>,
}

/// Which changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// Those that the space has not seen.
    New,
    All,
}

/// Changes of items as the vector store takes them.
struct Batch {
    deleted: Vec<u64>,
    texts: Vec<(u64, String)>,
}

impl Batch {
    fn new(changes: Vec<ItemChange>) -> Self {
        let (mut deleted, mut texts) = (Vec::new(), Vec::new());
        for change in changes {
            match change.item {
                Some(item) => texts.push((change.point, item.content.text)),
                None => deleted.push(change.point),
            }
        }
        Self { deleted, texts }
    }

    fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(|(_, text)| text.as_str()).collect()
    }
}

impl SpaceIndex<'_> {
    /// Indexes all changes that the space has not seen, and now and then makes it again where points are missing.
    /// None when the space loses its role meanwhile.
    pub(crate) async fn catch_up(&self, work: &JobWork) -> Result<Option<Done>, JobFailure> {
        let Some(mut done) = self.index_changes(work, Changes::New).await? else {
            return Ok(None);
        };
        // Counting takes the longer the more items there are: not for each of them.
        let Range { start, end } = done.span;
        if start != end && start / COUNTED_EACH == end / COUNTED_EACH {
            return Ok(Some(done));
        }
        // Nobody waits for the database meanwhile.
        done.tx.commit().await?;
        let points = self
            .vectors
            .count(self.encoder.space(), self.ctx.tenant())
            .await?;
        done.tx = self.begin().await?;
        if self.is_whole(&done.tx, points).await? {
            return Ok(Some(done));
        }
        drop(done);
        tracing::warn!(
            tenant = %self.ctx.tenant(),
            space = self.encoder.name(),
            "the index has lost points; it is made again"
        );
        self.rebuild(work).await
    }

    /// Whether each item has its point, as far as counting tells; an index that newer changes have
    /// overtaken in the meantime counts as whole, since the next job looks again.
    async fn is_whole(&self, tx: &TenantTx, points: u64) -> Result<bool, JobFailure> {
        if points == tx.items().count().await? {
            return Ok(true);
        }
        let seen = tx.index().watermark(self.encoder.name()).await?;
        if seen < tx.items().watermark().await? {
            return Ok(true);
        }
        // Before all is embedded again: the items themselves.
        Ok(points == tx.items().recount().await?)
    }

    /// Writes every item again, then removes points that stand for no item. Answers stay possible
    /// all the while.
    pub(crate) async fn rebuild(&self, work: &JobWork) -> Result<Option<Done>, JobFailure> {
        let Some(mut done) = self.index_changes(work, Changes::All).await? else {
            return Ok(None);
        };
        done.tx.commit().await?;
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
        done.tx = self.begin().await?;
        Ok(Some(done))
    }

    /// Indexes changes up to those that are committed when it begins. What comes later has a job of its own.
    async fn index_changes(
        &self,
        work: &JobWork,
        changes: Changes,
    ) -> Result<Option<Done>, JobFailure> {
        let (mut span, mut items) = (None, 0);
        loop {
            work.proceed()?;
            let tx = self.begin().await?;
            if !self.has_role(&tx).await? {
                return Ok(None);
            }
            let (mut seen, whole) = match span.take() {
                Some(span) => span,
                None => {
                    let whole = self.span(&tx, changes).await?;
                    (whole.start, whole)
                }
            };
            let changed = tx.items().changed_since(seen, CHUNK).await?;
            let computed = match changed.last() {
                // Changes that were overtaken by later ones have no row of their own.
                None => {
                    drop(tx);
                    seen = seen.max(whole.end);
                    Vec::new()
                }
                Some(last) => {
                    seen = last.change;
                    items += changed.len() as u64;
                    let batch = Batch::new(changed);
                    let looked = self.encoder.look(&tx, &batch.texts()).await?;
                    drop(tx);
                    let computed = self.write(batch, looked, Lane::Passage).await?;
                    self.vectors.flush(self.encoder.space()).await?;
                    computed
                }
            };
            let tx = self.note(seen, computed).await?;
            if seen >= whole.end {
                let span = whole;
                return Ok(Some(Done { items, tx, span }));
            }
            tx.commit().await?;
            let done = seen.saturating_sub(whole.start) as f32;
            let all = (whole.end - whole.start).max(1) as f32;
            work.progress((done / all).min(1.0), format!("{items} items indexed"));
            span = Some((seen, whole));
        }
    }

    async fn span(&self, tx: &TenantTx, changes: Changes) -> storage::Result<Range<u64>> {
        let seen = match changes {
            Changes::New => tx.index().watermark(self.encoder.name()).await?,
            Changes::All => 0,
        };
        Ok(seen..tx.items().watermark().await?)
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
            let batch = Batch::new(changes);
            let looked = self.encoder.look(tx, &batch.texts()).await?;
            let computed = self.write(batch, looked, Lane::Query).await?;
            self.encoder.keep(tx, computed).await?;
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

    /// Notes, in a transaction that is left open, what the index has taken in and what was computed for it.
    /// It never goes back: while a rebuild writes old items again, newer ones stay indexed.
    async fn note(&self, seen: u64, computed: Computed) -> Result<TenantTx, JobFailure> {
        let noted = async {
            let tx = self.begin().await?;
            self.encoder.keep(&tx, computed).await?;
            tx.index().advance(self.encoder.name(), seen).await?;
            Ok::<_, EncodingError>(tx)
        };
        let error = match noted.await {
            Ok(tx) => return Ok(tx),
            Err(error) => error,
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

    /// Embeds and upserts changes. Answers with what had to be computed.
    async fn write(
        &self,
        batch: Batch,
        looked: LookedUp,
        lane: Lane,
    ) -> Result<Computed, JobFailure> {
        let texts = batch.texts();
        let encoded = self.encoder.encode_looked(&texts, looked, lane).await?;
        let (space, tenant) = (self.encoder.space(), self.ctx.tenant());
        let points: Vec<Point> = batch
            .texts
            .iter()
            .zip(encoded.vectors)
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
        if !batch.deleted.is_empty() {
            self.vectors.delete(space, tenant, batch.deleted).await?;
        }
        if !points.is_empty() {
            self.vectors.upsert(space, tenant, points).await?;
        }
        Ok(encoded.computed)
    }
}
