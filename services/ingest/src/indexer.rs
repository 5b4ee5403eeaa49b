//! The indexer: keeps the active space of tenants up to their items.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Alias, Clock, TaskId, TenantContext};
use embedding::Embedders;
use encoding::Encoder;
use jobs::specs::Indexed;
use jobs::{CheckChampion, IndexItems, JobFailure, JobHandler, JobSpec, JobWork, RebuildIndex};
use storage::{Store, TenantTx};
use vectors::VectorStore;

use crate::space_index::{Done, Role, SpaceIndex};

/// Indexes tenants' items.
pub struct Indexer {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The embedding models.
    pub embedders: Embedders,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobHandler<IndexItems> for Indexer {
    async fn run(&self, work: &JobWork, _: IndexItems) -> Result<Indexed, JobFailure> {
        let indexed = self.index(work, false).await;
        indexed.map_err(JobFailure::keep_trying)
    }
}

#[async_trait]
impl JobHandler<RebuildIndex> for Indexer {
    async fn run(&self, work: &JobWork, _: RebuildIndex) -> Result<Indexed, JobFailure> {
        let indexed = self.index(work, true).await;
        indexed.map_err(JobFailure::keep_trying)
    }
}

impl Indexer {
    /// Brings the active space up to the items, from the start with `rebuild`.
    async fn index(&self, work: &JobWork, rebuild: bool) -> Result<Indexed, JobFailure> {
        let ctx = work.context("indexer")?;
        loop {
            let index = self.active(&ctx).await?;
            let written = match rebuild {
                true => index.rebuild(work).await?,
                false => index.catch_up(work).await?,
            };
            // Else the tenant has switched to another space meanwhile: that is the one to look after.
            if let Some(Done { items, tx, .. }) = written {
                if items > 0 {
                    self.ask_for_a_check(&tx).await?;
                }
                let indexed = Indexed {
                    indexed_items: items,
                };
                work.complete_in(&tx, &indexed).await?;
                tx.commit().await?;
                return Ok(indexed);
            }
        }
    }

    /// New items say how the tenant's models do: those that serve, or are tried, are weighed on them.
    async fn ask_for_a_check(&self, tx: &TenantTx) -> storage::Result<()> {
        let task = TaskId::experts();
        for alias in [Alias::Champion, Alias::Challenger] {
            if tx.models().alias(&task, alias).await?.is_some() {
                let check = CheckChampion {}.new_job();
                return tx.jobs().enqueue(check, self.clock.now()).await.map(drop);
            }
        }
        Ok(())
    }

    async fn active<'a>(&'a self, ctx: &'a TenantContext) -> Result<SpaceIndex<'a>, JobFailure> {
        let tx = self.store.begin(ctx).await?;
        let active = tx.spaces().active().await?;
        drop(tx);
        let embedder = self.embedders.get(&active).await;
        // It may be installed again: the index is derived and can always be made later.
        let embedder = embedder.map_err(|error| JobFailure::retry(error.to_string(), &error))?;
        let encoder = Encoder::new(self.store.clone(), embedder);
        self.vectors.ensure_space(encoder.space()).await?;
        Ok(SpaceIndex {
            store: &self.store,
            vectors: self.vectors.as_ref(),
            ctx,
            encoder,
            role: Role::Active,
        })
    }
}
