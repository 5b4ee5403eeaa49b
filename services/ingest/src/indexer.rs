//! The indexer: keeps the active space of tenants up to their items.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Alias, Clock, TaskId, TenantContext};
use embedding::Embedders;
use encoding::Encoder;
use jobs::specs::Indexed;
use jobs::{CheckChampion, IndexItems, JobFailure, JobHandler, JobSpec, JobWork, RebuildIndex};
use storage::Store;
use vectors::VectorStore;

use crate::space_index::{Role, SpaceIndex, Written};

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
            if let Written::All(indexed_items) = written {
                if indexed_items > 0 {
                    self.ask_for_a_check(&ctx).await?;
                }
                return Ok(Indexed { indexed_items });
            }
        }
    }

    /// New items say how the tenant's models do: those that serve, or are tried, are weighed on them.
    async fn ask_for_a_check(&self, ctx: &TenantContext) -> storage::Result<()> {
        let tx = self.store.begin(ctx).await?;
        let task = TaskId::experts();
        for alias in [Alias::Champion, Alias::Challenger] {
            if tx.models().alias(&task, alias).await?.is_some() {
                let now = self.clock.now();
                tx.jobs().enqueue(CheckChampion {}.new_job(), now).await?;
                return tx.commit().await;
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
