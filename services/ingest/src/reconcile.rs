//! At start-up: finds indexes that are behind their database, and has them caught up.

use domain::{JobKind, TenantContext, TenantState};
use server::{Clock, ServiceError};
use storage::Store;
use vectors::{Space, VectorError, VectorStore};

use crate::batch::enqueue_index;

const PAGE: u32 = 500;

/// Opens the space and enqueues index work for every tenant whose index is behind: by its
/// watermark, or because the vector store has lost points (a folder deleted, a damaged shard).
///
/// # Errors
/// When the database or the vector store fails.
pub async fn reconcile(
    store: &Store,
    vectors: &dyn VectorStore,
    space: &Space,
    clock: &Clock,
) -> Result<(), ServiceError> {
    match vectors.ensure_space(space).await {
        Ok(()) => {}
        Err(error @ VectorError::Corrupt { .. }) => {
            tracing::warn!(%error, "the index is damaged and will be made again from the database");
            vectors.reset_space(space).await?;
        }
        Err(error) => return Err(error.into()),
    }
    let mut after = None;
    loop {
        let tenants = store.platform().list_tenants(after, PAGE, None).await?;
        let Some(last) = tenants.last() else {
            return Ok(());
        };
        after = Some(last.id.clone());
        for tenant in tenants
            .iter()
            .filter(|tenant| tenant.state == TenantState::Active)
        {
            let ctx = TenantContext::for_background_work(&tenant.id, "reconcile");
            let tx = store.begin(&ctx).await?;
            let committed = tx.items().watermark().await?;
            let indexed = tx.index().watermark(&space.name).await?;
            let items = tx.items().count().await?;
            let points = vectors.count(space, &tenant.id).await?;
            if indexed >= committed && points == items {
                continue;
            }
            tracing::info!(tenant = %tenant.id, committed, indexed, items, points, "index work at start-up");
            enqueue_index(&tx, JobKind::IndexItems, clock.now()).await?;
            tx.commit().await?;
        }
    }
}
