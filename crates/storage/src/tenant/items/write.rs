//! Adding revisions.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Change, ItemContent, ItemId};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, QueryFilter, Statement, Value,
};

use super::super::{VALUES_PER_IN, counters};
use super::{DeleteOutcome, Items, UpsertOutcome};
use crate::convert::{count, micros};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::item_revisions::{Column, Model, Place};
use crate::rows::tenant_counters::Column as Counter;
use crate::{Result, StorageError};

impl Items<'_> {
    /// Adds items and new revisions of items. One that says the same as its newest revision gets
    /// none. Of two with the same id in one call the last one counts; the others are `unchanged`.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "items.upsert", skip_all)]
    pub async fn upsert(
        &self,
        contents: Vec<ItemContent>,
        now: DateTime<Utc>,
    ) -> Result<UpsertOutcome> {
        let asked = contents.len();
        let last = counters::lock(self.tx, Counter::ItemChange).await?;
        let contents = last_of_each(contents);
        let mut heads = self
            .heads_of(contents.iter().map(|content| &content.id))
            .await?;
        let (mut rows, mut new) = (Vec::new(), 0);
        for content in contents {
            let head = heads.remove(content.id.as_str());
            let place = next_place(head.as_ref(), now);
            let row = Model::head(self.tx.id(), content, place)?;
            if head.as_ref().is_none_or(|head| !head.says_the_same(&row)) {
                new += i64::from(head.as_ref().is_none_or(|head| head.deleted));
                rows.push((head.map(|head| head.change), row));
            }
        }
        let accepted = rows.len();
        let watermark = self.append(rows, last, new).await?;
        Ok(UpsertOutcome {
            watermark: count(watermark),
            accepted: count_of(accepted),
            unchanged: count_of(asked - accepted),
        })
    }

    /// Marks items as gone. Those that are not there are passed over.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "items.delete", skip_all)]
    pub async fn delete(&self, ids: &[ItemId], now: DateTime<Utc>) -> Result<DeleteOutcome> {
        let last = counters::lock(self.tx, Counter::ItemChange).await?;
        let mut heads = self.heads_of(ids).await?;
        let rows: Vec<_> = ids
            .iter()
            .filter_map(|id| heads.remove(id.as_str()))
            .filter(|head| !head.deleted)
            .map(|head| {
                let place = next_place(Some(&head), now);
                (
                    Some(head.change),
                    Model::deletion(self.tx.id(), head.item_id, place),
                )
            })
            .collect();
        let deleted = rows.len();
        let gone = i64::try_from(deleted).unwrap_or(i64::MAX);
        let watermark = self.append(rows, last, -gone).await?;
        Ok(DeleteOutcome {
            watermark: count(watermark),
            deleted: count_of(deleted),
        })
    }

    /// Numbers the rows, marks the heads before them as superseded, and writes them; there are `more` items then.
    /// Returns the watermark after them. The counters are locked by the caller.
    async fn append(
        &self,
        mut rows: Vec<(Option<i64>, Model)>,
        last: i64,
        more: i64,
    ) -> Result<i64> {
        if rows.is_empty() {
            return Ok(last);
        }
        let db = self.tx.session().write_data().await?;
        let first = counters::take_changes(self.tx, rows.len(), more).await?;
        let new = rows.iter().filter(|(head, _)| head.is_none()).count();
        let mut points = new_points(db, new).await?;
        let mut superseded = Vec::with_capacity(rows.len() - new);
        for (change, (head, row)) in (first..).zip(&mut rows) {
            row.change = change;
            match head {
                Some(head) => superseded.push((*head, change)),
                None => row.point = points.next().ok_or_else(too_few_points)?,
            }
        }
        let watermark = first + i64::try_from(rows.len()).unwrap_or(0) - 1;
        self.supersede(&superseded).await?;
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        insert_all(db, rows, ROWS_PER_INSERT, None).await?;
        self.tx.note(Change::Items);
        Ok(watermark)
    }

    /// Says of each head (the first number) which change has come after it (the second).
    async fn supersede(&self, heads: &[(i64, i64)]) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        for heads in heads.chunks(ROWS_PER_INSERT) {
            let mut values: Vec<Value> = vec![self.tx.id().into()];
            let mut rows = String::new();
            for (head, change) in heads {
                let first = values.len() + 1;
                let comma = if rows.is_empty() { "" } else { ", " };
                rows += &format!("{comma}(${first}, ${})", first + 1);
                values.extend([Value::from(*head), Value::from(*change)]);
            }
            // Each database calls the columns of VALUES `column1` and `column2`.
            let sql = format!(
                "UPDATE item_revisions SET superseded_by = after.column2
                 FROM (VALUES {rows}) AS after
                 WHERE item_revisions.tenant_id = $1 AND item_revisions.change = after.column1"
            );
            let backend = db.get_database_backend();
            db.execute_raw(Statement::from_sql_and_values(backend, sql, values))
                .await?;
        }
        Ok(())
    }

    async fn heads_of(
        &self,
        ids: impl IntoIterator<Item = &ItemId>,
    ) -> Result<HashMap<String, Model>> {
        let db = self.tx.session().write_data().await?;
        let ids: Vec<&str> = ids.into_iter().map(ItemId::as_str).collect();
        let mut heads = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(VALUES_PER_IN) {
            let ids = ids.iter().copied();
            let rows = self
                .heads()
                .filter(Column::ItemId.is_in(ids))
                .all(db)
                .await?;
            heads.extend(rows.into_iter().map(|row| (row.item_id.clone(), row)));
        }
        Ok(heads)
    }
}

/// Without those that come again later, in the order of the rest.
fn last_of_each(contents: Vec<ItemContent>) -> Vec<ItemContent> {
    let mut seen = HashSet::with_capacity(contents.len());
    let mut kept: Vec<ItemContent> = contents
        .into_iter()
        .rev()
        .filter(|content| seen.insert(content.id.clone()))
        .collect();
    kept.reverse();
    kept
}

/// The place after `head`. The change, and for a new item the point, are filled in later.
fn next_place(head: Option<&Model>, now: DateTime<Utc>) -> Place {
    Place {
        change: 0,
        point: head.map_or(0, |head| head.point),
        revision: head.map_or(1, |head| head.revision + 1),
        ingested_at: micros(now),
    }
}

fn count_of(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn too_few_points() -> StorageError {
    StorageError::corrupt("item_points", "gave fewer points than were asked for")
}

/// Points that were never given out before, to any tenant.
async fn new_points(db: &DatabaseTransaction, n: usize) -> Result<std::vec::IntoIter<i64>> {
    if n == 0 {
        return Ok(Vec::new().into_iter());
    }
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let points: Vec<i64> = if db.get_database_backend() == DbBackend::Postgres {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT nextval('item_points') FROM generate_series(1, $1)",
            [n.into()],
        );
        let rows = db.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<_, _>>()?
    } else {
        let mut update = Query::update();
        update
            .table("item_points")
            .value("last", Expr::col("last").add(n))
            .returning_col("last");
        let row = db.query_one(&update).await?;
        let last: i64 = match row {
            Some(row) => row.try_get_by_index(0)?,
            None => {
                return Err(StorageError::corrupt(
                    "item_points",
                    "the counter is missing",
                ));
            }
        };
        (last - n + 1..=last).collect()
    };
    Ok(points.into_iter())
}
