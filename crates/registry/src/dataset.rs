//! Datasets: pinning the items as they are now, and opening what was pinned before.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::cost::Meter;
use domain::{Dataset, DatasetNumber, Expert, HISTORY_ITEMS, Item, TenantContext};
use learning::describe;
use metering::usage;
use storage::{NewDataset, Store};

use crate::Result;

/// A pinned dataset with what is in it.
#[derive(Debug)]
pub struct Pinned {
    /// The dataset.
    pub dataset: Dataset,
    /// Its items.
    pub items: Vec<Item>,
    /// The tenant's experts as they are now.
    pub experts: Vec<Expert>,
}

/// Opens dataset `number`. None when there is no such dataset.
///
/// # Errors
/// The store fails.
pub async fn open(
    store: &Store,
    ctx: &TenantContext,
    number: DatasetNumber,
) -> Result<Option<Pinned>> {
    let tx = store.begin(ctx).await?;
    let Some(dataset) = tx.datasets().get(number).await? else {
        return Ok(None);
    };
    let mut items = tx
        .items()
        .newest_at(dataset.watermark, HISTORY_ITEMS)
        .await?;
    if items.len() as u64 != dataset.items {
        // Pinned before there was a bound.
        items = tx.items().at_watermark(dataset.watermark).await?;
    }
    Ok(Some(Pinned {
        items,
        experts: tx.experts().all().await?,
        dataset,
    }))
}

/// Pins the tenant's newest items as they are now, at most [`HISTORY_ITEMS`] that somebody has answered and as many
/// that nobody has; the same content gives the same dataset.
///
/// # Errors
/// The store fails.
pub async fn pin(store: &Store, ctx: &TenantContext, now: DateTime<Utc>) -> Result<Pinned> {
    let tx = store.begin(ctx).await?;
    let experts = tx.experts().all().await?;
    let watermark = tx.items().watermark().await?;
    let items = tx.items().newest_at(watermark, HISTORY_ITEMS).await?;
    let older = tx.items().count().await?.saturating_sub(items.len() as u64);
    let known: HashSet<_> = experts.iter().map(|expert| expert.id.clone()).collect();
    // Hashing all that a tenant has ever said takes a while. It counts as training: that is what
    // datasets are for.
    let work = move || (describe(&items, &known), items);
    let (mut found, items) = usage::blocking(Meter::TrainingCpu, work).await?;
    if older > 0 {
        let bound = format!(
            "the newest {HISTORY_ITEMS} items that somebody has answered are learned from, and as many that nobody has: \
             {older} older ones are left out"
        );
        found.report.warnings.push(bound);
    }
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
    Ok(Pinned {
        dataset,
        items,
        experts,
    })
}
