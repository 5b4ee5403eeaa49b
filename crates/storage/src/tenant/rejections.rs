//! Rows in quarantine.

use chrono::{DateTime, Utc};
use domain::{Rejection, RowIssue};
use sea_orm::sea_query::LikeExpr;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{TenantTx, all, counters};
use crate::Result;
use crate::convert::{int, micros, storable};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::rejections::{Column, Entity, Model};
use crate::rows::tenant_counters;

/// The tenant's rows that could not become items.
#[derive(Debug, Clone, Copy)]
pub struct Rejections<'a> {
    pub(super) tx: &'a TenantTx,
}

/// A row to put into quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRejection {
    /// The batch (request id) that brought the row.
    pub batch: String,
    /// The row's line in its file, or its place in the batch, from 1.
    pub line: u64,
    /// The row's item id, as far as it could be read.
    pub item_id: String,
    /// What is wrong.
    pub issue: RowIssue,
    /// The beginning of the row as it came. NUL, which cannot be stored, becomes U+FFFD.
    pub excerpt: String,
}

impl Rejections<'_> {
    /// Puts rows into quarantine.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "rejections.add", skip_all)]
    pub async fn add(&self, rejections: Vec<NewRejection>, now: DateTime<Utc>) -> Result<()> {
        if rejections.is_empty() {
            return Ok(());
        }
        let counter = tenant_counters::Column::Rejection;
        let first = counters::take(self.tx, counter, rejections.len()).await?;
        let db = self.tx.session().write_data().await?;
        let rows = (first..)
            .zip(rejections)
            .map(|(sequence, new)| self.row(sequence, &new, now))
            .collect();
        insert_all(db, rows, ROWS_PER_INSERT, None).await
    }

    /// At most `limit` rejections after the sequence `after` (0: from the first), in order; of the
    /// batches whose name begins with `batch` if it is given.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "rejections.list", skip_all)]
    pub async fn list(
        &self,
        after: i64,
        limit: u32,
        batch: Option<&str>,
    ) -> Result<Vec<Rejection>> {
        let db = self.tx.session().read().await?;
        let mut query = self.tx.find::<Entity>().filter(Column::Sequence.gt(after));
        if let Some(batch) = batch {
            let escaped = batch
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            let pattern = LikeExpr::new(format!("{escaped}%")).escape('\\');
            query = query.filter(Column::Batch.like(pattern));
        }
        let query = query.order_by_asc(Column::Sequence).limit(u64::from(limit));
        all(query.all(db).await?)
    }

    /// How many there are.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "rejections.count", skip_all)]
    pub async fn count(&self) -> Result<u64> {
        let db = self.tx.session().read().await?;
        Ok(self.tx.find::<Entity>().count(db).await?)
    }

    fn row(&self, sequence: i64, new: &NewRejection, now: DateTime<Utc>) -> Model {
        Model {
            tenant_id: self.tx.id().to_owned(),
            sequence,
            batch: storable(&new.batch),
            line: int(new.line),
            item_id: storable(&new.item_id),
            reason: new.issue.reason.code().to_owned(),
            field: storable(&new.issue.field),
            message: storable(&new.issue.message),
            excerpt: storable(&new.excerpt),
            rejected_at: micros(now),
        }
    }
}
