//! The indexer: keeps the active space of tenants up to their items.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Alias, Clock, JobKind, TaskId, TenantContext};
use embedding::Embedders;
use storage::{JobFailure, JobRunner, JobWork, NewJob, Outcome, Store};
use vectors::VectorStore;

use crate::space_index::{Role, SpaceIndex, Written, retry, space_of};

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
impl JobRunner for Indexer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::IndexItems, JobKind::RebuildIndex]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let ctx = TenantContext::for_background_work(work.tenant()?, "indexer");
        let rebuild = work.job.kind == JobKind::RebuildIndex;
        loop {
            let index = self.active(&ctx).await?;
            let written = match rebuild {
                true => index.rebuild(work).await?,
                false => index.catch_up(work).await?,
            };
            // Else the tenant has switched to another space meanwhile: that is the one to look after.
            if let Written::All(indexed) = written {
                if indexed > 0 {
                    self.ask_for_a_check(&ctx).await.map_err(retry)?;
                }
                return Ok(vec![("indexed_items".to_owned(), indexed.to_string())]);
            }
        }
    }
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

    async fn active<'a>(&'a self, ctx: &'a TenantContext) -> Result<SpaceIndex<'a>, JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let active = tx.spaces().active().await.map_err(retry)?;
        drop(tx);
        let embedder = self.embedders.get(&active).await;
        // It may be installed again: the index is derived and can always be made later.
        let embedder = embedder.map_err(|error| JobFailure::Retry(error.to_string()))?;
        let space = space_of(&embedder);
        self.vectors.ensure_space(&space).await.map_err(retry)?;
        Ok(SpaceIndex {
            store: &self.store,
            vectors: self.vectors.as_ref(),
            ctx,
            embedder,
            space,
            role: Role::Active,
        })
    }
}
