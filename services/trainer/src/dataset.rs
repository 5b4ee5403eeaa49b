//! The dataset of a training: pinned now, or one that was pinned before, with its items.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{Dataset, DatasetNumber, Expert, Item, TenantContext};
use learning::describe;
use storage::{NewDataset, Store};

use crate::yielding::yielding;

/// A pinned dataset with what is in it.
pub(crate) struct Pinned {
    pub dataset: Dataset,
    pub items: Vec<Item>,
    pub experts: Vec<Expert>,
}

/// Opens dataset `number`, or pins the items as they are now. None when there is no such dataset.
pub(crate) async fn open(
    store: &Store,
    ctx: &TenantContext,
    number: Option<DatasetNumber>,
    now: DateTime<Utc>,
) -> storage::Result<Option<Pinned>> {
    let tx = store.begin(ctx).await?;
    let experts = tx.experts().all().await?;
    if let Some(number) = number {
        let Some(dataset) = tx.datasets().get(number).await? else {
            return Ok(None);
        };
        let items = tx.items().at_watermark(dataset.watermark).await?;
        return Ok(Some(Pinned {
            dataset,
            items,
            experts,
        }));
    }
    let watermark = tx.items().watermark().await?;
    let items = tx.items().at_watermark(watermark).await?;
    let known: HashSet<_> = experts.iter().map(|expert| expert.id.clone()).collect();
    let work = move || {
        let found = describe(&items, &known);
        (items, found)
    };
    let (items, found) = yielding(work)
        .await
        .map_err(|broken| storage::StorageError::Database(Box::new(broken)))?;
    let new = NewDataset {
        watermark,
        content_hash: found.content_hash,
        items: found.items,
        experts: found.experts,
        first_at: found.first_at,
        last_at: found.last_at,
        report: found.report,
    };
    let dataset = tx.datasets().create(new, now).await?;
    tx.commit().await?;
    Ok(Some(Pinned {
        dataset,
        items,
        experts,
    }))
}
