//! At start-up: finds indexes that are behind their database, and has them caught up.

use std::collections::HashMap;

use domain::{Clock, Tenant, TenantContext, TenantState};
use embedding::Embedders;
use jobs::{IndexItems, JobSpec, SwitchSpace};
use server::ServiceError;
use storage::{Purpose, Store};
use vectors::{Space, VectorError, VectorStore};

const PAGE: u32 = 500;

/// Opens the spaces that are in use and enqueues index work for every tenant whose index is behind: by
/// its watermark, or because the vector store has lost points (a folder deleted, a damaged shard). A
/// tenant that is not in the space that it wants has its switch enqueued.
///
/// # Errors
/// When the database or the vector store fails.
pub async fn reconcile(
    store: &Store,
    vectors: &dyn VectorStore,
    clock: &Clock,
) -> Result<(), ServiceError> {
    let mut spaces = HashMap::new();
    let default = domain::DEFAULT_EMBEDDING_MODEL.to_owned();
    for name in store
        .maintenance(Purpose::StartUp)
        .spaces()
        .await?
        .into_iter()
        .chain([default])
    {
        let Some(space) = known_space(&name) else {
            tracing::error!(
                space = name,
                "tenants are in a space that this version does not know"
            );
            continue;
        };
        open(vectors, &space).await?;
        spaces.insert(name, space);
    }
    let mut after = None;
    loop {
        let tenants = store
            .maintenance(Purpose::StartUp)
            .list_tenants(after, PAGE, None)
            .await?;
        let Some(last) = tenants.last() else {
            return Ok(());
        };
        after = Some(last.id.clone());
        for tenant in tenants
            .iter()
            .filter(|tenant| tenant.state == TenantState::Active)
        {
            index_tenant_if_behind(store, vectors, &spaces, tenant, clock).await?;
        }
    }
}

/// The space of a base model; none where the catalogue does not have it.
pub(crate) fn known_space(name: &str) -> Option<Space> {
    Embedders::dimensions(name).map(|dimensions| Space {
        name: name.to_owned(),
        dimensions,
    })
}

async fn open(vectors: &dyn VectorStore, space: &Space) -> Result<(), ServiceError> {
    match vectors.ensure_space(space).await {
        Ok(()) => Ok(()),
        Err(error @ VectorError::Corrupt { .. }) => {
            tracing::warn!(%error, "the index is damaged and will be made again from the database");
            Ok(vectors.reset_space(space).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn index_tenant_if_behind(
    store: &Store,
    vectors: &dyn VectorStore,
    spaces: &HashMap<String, Space>,
    tenant: &Tenant,
    clock: &Clock,
) -> Result<(), ServiceError> {
    let ctx = TenantContext::for_background_work(&tenant.id, "reconcile");
    let tx = store.begin(&ctx).await?;
    let active = tx.spaces().active().await?;
    let Some(space) = spaces.get(&active) else {
        return Ok(());
    };
    let committed = tx.items().watermark().await?;
    let indexed = tx.index().watermark(&space.name).await?;
    let items = tx.items().count().await?;
    let points = vectors.count(space, &tenant.id).await?;
    let behind = indexed < committed || points != items;
    let elsewhere = tx.spaces().wanted().await? != active;
    if behind {
        tracing::info!(tenant = %tenant.id, committed, indexed, items, points, "index work at start-up");
        tx.jobs()
            .enqueue(IndexItems {}.new_job(), clock.now())
            .await?;
    }
    if elsewhere {
        tx.jobs()
            .enqueue(SwitchSpace {}.new_job(), clock.now())
            .await?;
    }
    if behind || elsewhere {
        tx.commit().await?;
    }
    Ok(())
}
