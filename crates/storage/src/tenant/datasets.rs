//! Numbered versions of the tenant's items.

use chrono::{DateTime, Utc};
use domain::{Dataset, DatasetNumber, ValidationReport};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{TenantTx, all, counters};
use crate::Result;
use crate::convert::{int, micros, to_json};
use crate::rows::datasets::{Column, Entity, Model};
use crate::rows::tenant_counters;

/// The tenant's datasets.
#[derive(Debug, Clone, Copy)]
pub struct Datasets<'a> {
    pub(super) tx: &'a TenantTx,
}

/// A dataset to pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDataset {
    /// All changes up to this one are in it.
    pub watermark: u64,
    /// BLAKE3 over its items, in hex.
    pub content_hash: String,
    /// Items in it.
    pub items: u64,
    /// Distinct experts named by them.
    pub experts: u64,
    /// The oldest item's time.
    pub first_at: Option<DateTime<Utc>>,
    /// The newest item's time.
    pub last_at: Option<DateTime<Utc>>,
    /// What a look over it found.
    pub report: ValidationReport,
}

impl Datasets<'_> {
    /// Pins a dataset under the next number (from 1, without gaps). When the newest one has the
    /// same watermark and content, that one is returned.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "datasets.create", skip_all)]
    pub async fn create(&self, new: NewDataset, now: DateTime<Utc>) -> Result<Dataset> {
        counters::lock(self.tx, tenant_counters::Column::Dataset).await?;
        let db = self.tx.session().write_data().await?;
        let watermark = int(new.watermark);
        let newest = self.newest().await?;
        if let Some(row) =
            newest.filter(|row| row.watermark == watermark && row.content_hash == new.content_hash)
        {
            return Dataset::try_from(row);
        }
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            number: counters::take(self.tx, tenant_counters::Column::Dataset, 1).await?,
            watermark,
            content_hash: new.content_hash,
            items: int(new.items),
            experts: int(new.experts),
            first_at: new.first_at.map(micros),
            last_at: new.last_at.map(micros),
            report: to_json("datasets.report", &new.report)?,
            created_at: micros(now),
        };
        Entity::insert(row.clone().into_active_model())
            .exec_without_returning(db)
            .await?;
        Dataset::try_from(row)
    }

    /// The dataset.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "datasets.get", skip_all)]
    pub async fn get(&self, number: DatasetNumber) -> Result<Option<Dataset>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::Number.eq(int(number)));
        query.one(db).await?.map(Dataset::try_from).transpose()
    }

    /// At most `limit` datasets, newest first, those before `before`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "datasets.list", skip_all)]
    pub async fn list(&self, before: Option<DatasetNumber>, limit: u32) -> Result<Vec<Dataset>> {
        let db = self.tx.session().read().await?;
        let mut query = self.tx.find::<Entity>().order_by_desc(Column::Number);
        if let Some(before) = before {
            query = query.filter(Column::Number.lt(int(before)));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// The newest dataset.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "datasets.latest", skip_all)]
    pub async fn latest(&self) -> Result<Option<Dataset>> {
        self.newest().await?.map(Dataset::try_from).transpose()
    }

    async fn newest(&self) -> Result<Option<Model>> {
        let db = self.tx.session().read().await?;
        Ok(self
            .tx
            .find::<Entity>()
            .order_by_desc(Column::Number)
            .one(db)
            .await?)
    }
}
