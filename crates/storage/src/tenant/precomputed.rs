//! Answers for items that nobody has answered yet, computed before anybody asks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ItemId, Recommended};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{TenantTx, VALUES_PER_IN, all};
use crate::convert::{parsed, small_count, small_int};
use crate::insert::insert_all;
use crate::rows::precomputed_answers::{Column, Entity, Model};
use crate::{Result, Shadow};

/// Rows of one INSERT: an answer takes some kilobytes.
const ANSWERS_PER_INSERT: usize = 100;

/// The tenant's precomputed answers, one an item.
#[derive(Debug, Clone, Copy)]
pub struct PrecomputedAnswers<'a> {
    pub(super) tx: &'a TenantTx,
}

/// One answer, with what tells whether it still holds.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecomputedAnswer {
    /// The item that it answers.
    pub item: ItemId,
    /// The item's revision then.
    pub revision: u32,
    /// What it was made from, as who made it tells that apart.
    pub stamp: String,
    /// The answer.
    pub answer: Recommended,
    /// What another model would have answered, where the tenant's policy asks for it.
    pub shadow: Option<Shadow>,
    /// When it was made.
    pub computed_at: DateTime<Utc>,
}

impl PrecomputedAnswers<'_> {
    /// Stores answers, in the place of earlier ones of the same items.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "precomputed.put", skip_all)]
    pub async fn put(&self, answers: Vec<PrecomputedAnswer>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let mut rows: Vec<Model> = answers
            .into_iter()
            .map(|answer| Model::new(self.tx.id(), answer))
            .collect::<Result<_>>()?;
        // In one order for all writers, so that none waits for another in a circle.
        rows.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let mut replaced = OnConflict::columns([Column::TenantId, Column::ItemId]);
        replaced.update_columns([
            Column::Revision,
            Column::Stamp,
            Column::Form,
            Column::Answer,
            Column::ShadowModel,
            Column::ShadowExperts,
            Column::ComputedAt,
        ]);
        insert_all(db, rows, ANSWERS_PER_INSERT, Some(&replaced)).await
    }

    /// The answer of an item, where it is of a form that this build reads.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "precomputed.get", skip_all)]
    pub async fn get(&self, item: &ItemId) -> Result<Option<PrecomputedAnswer>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::ItemId.eq(item.as_str()))
            .filter(readable())
            .one(db)
            .await?;
        row.map(PrecomputedAnswer::try_from).transpose()
    }

    /// The answers of those `items` that have one, of a form that this build reads.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "precomputed.of", skip_all)]
    pub async fn of(&self, items: &[ItemId]) -> Result<Vec<PrecomputedAnswer>> {
        let db = self.tx.session().read().await?;
        let mut rows = Vec::with_capacity(items.len());
        for items in items.chunks(VALUES_PER_IN) {
            let items = items.iter().map(ItemId::as_str);
            let query = self.tx.find::<Entity>().filter(readable());
            rows.extend(query.filter(Column::ItemId.is_in(items)).all(db).await?);
        }
        all(rows)
    }

    /// Revision and stamp of each answer, of whatever form, without the answers.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "precomputed.stamps", skip_all)]
    pub async fn stamps(&self) -> Result<HashMap<ItemId, (u32, String)>> {
        let db = self.tx.session().read().await?;
        let rows: Vec<(String, i32, String)> = self
            .tx
            .find::<Entity>()
            .select_only()
            .columns([Column::ItemId, Column::Revision, Column::Stamp])
            .into_tuple()
            .all(db)
            .await?;
        rows.into_iter()
            .map(|(item, revision, stamp)| {
                let item = parsed("precomputed_answers.item_id", || ItemId::parse(item))?;
                Ok((item, (small_count(revision), stamp)))
            })
            .collect()
    }

    /// Deletes the answers of these items; how many there were.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "precomputed.delete", skip_all)]
    pub async fn delete(&self, items: &[ItemId]) -> Result<u64> {
        let db = self.tx.session().write_data().await?;
        let mut deleted = 0;
        for items in items.chunks(VALUES_PER_IN) {
            let items = items.iter().map(ItemId::as_str);
            let result = Entity::delete_many()
                .filter(Column::TenantId.eq(self.tx.id()))
                .filter(Column::ItemId.is_in(items))
                .exec(db)
                .await?;
            deleted += result.rows_affected;
        }
        Ok(deleted)
    }
}

fn readable() -> sea_orm::sea_query::SimpleExpr {
    Column::Form.eq(small_int(Recommended::FORM))
}
