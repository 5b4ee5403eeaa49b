//! Reading items, as they are now and as they were.

use std::collections::HashSet;

use domain::{ExpertId, Item, ItemId};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, JsonValue, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use super::super::{VALUES_PER_IN, all, counters};
use super::{ItemChange, ItemQuery, Items};
use crate::Result;
use crate::convert::{count, from_json, int, parsed};
use crate::rows::item_revisions::{Column, Entity, Model};
use crate::rows::tenant_counters;

impl Items<'_> {
    /// The item as it is now.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.get", skip_all)]
    pub async fn get(&self, id: &ItemId) -> Result<Option<Item>> {
        let db = self.tx.session().read().await?;
        let row = self
            .current()
            .filter(Column::ItemId.eq(id.as_str()))
            .one(db)
            .await?;
        row.map(Item::try_from).transpose()
    }

    /// Items by id.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.list", skip_all)]
    pub async fn list(&self, query: ItemQuery) -> Result<Vec<Item>> {
        let db = self.tx.session().read().await?;
        let mut select = self.current().order_by_asc(Column::ItemId);
        if let Some(after) = &query.after {
            select = select.filter(Column::ItemId.gt(after.as_str()));
        }
        if let Some(area) = query.area {
            select = select.filter(Column::Area.eq(area));
        }
        if let Some(expert) = &query.expert {
            select = select.filter(answered_by(expert, db.get_database_backend()));
        }
        all(select.limit(u64::from(query.limit)).all(db).await?)
    }

    /// At most `limit` items to which something happened after `change`, each once with the newest
    /// thing, in the order of the changes.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.changed_since", skip_all)]
    pub async fn changed_since(&self, change: u64, limit: u32) -> Result<Vec<ItemChange>> {
        let db = self.tx.session().read().await?;
        let rows = self
            .heads()
            .filter(Column::Change.gt(int(change)))
            .order_by_asc(Column::Change)
            .limit(u64::from(limit))
            .all(db)
            .await?;
        rows.into_iter().map(item_change).collect()
    }

    /// The items as they were when the tenant's newest change was `watermark`, by the time they
    /// happened and then by id.
    ///
    /// # Errors
    /// The database fails.
    pub async fn at_watermark(&self, watermark: u64) -> Result<Vec<Item>> {
        self.newest_at(watermark, u64::MAX).await
    }

    /// Of the items of [`Items::at_watermark`], in the same order, those that happened last: of those that somebody
    /// has answered, and of those that nobody has, at most `limit` each. Of those that happened at the same time,
    /// those that changed last.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.newest_at", skip_all)]
    pub async fn newest_at(&self, watermark: u64, limit: u64) -> Result<Vec<Item>> {
        let mut items: Vec<Item> = Vec::new();
        for condition in [r#""experts" <> '[]'"#, r#""experts" = '[]'"#] {
            let db = self.tx.session().read().await?;
            let mut select = self.at(watermark).filter(Expr::cust(condition));
            // Where all are wanted, the database need not put them in order.
            if i64::try_from(limit).is_ok() {
                select = select
                    .order_by_desc(Column::OccurredAt)
                    .order_by_desc(Column::Change)
                    .limit(limit);
            }
            let found: Vec<Item> = all(select.all(db).await?)?;
            items.extend(found);
        }
        // Sorted here, because the databases compare texts by rules of their own.
        items.sort_unstable_by(|a, b| {
            (a.content.occurred_at, &a.content.id).cmp(&(b.content.occurred_at, &b.content.id))
        });
        Ok(items)
    }

    /// A query over the items as they were at a watermark.
    fn at(&self, watermark: u64) -> Select<Entity> {
        let watermark = int(watermark);
        let not_yet_superseded = Condition::any()
            .add(Column::SupersededBy.is_null())
            .add(Column::SupersededBy.gt(watermark));
        self.tx
            .find::<Entity>()
            .filter(Column::Change.lte(watermark))
            .filter(not_yet_superseded)
            .filter(Column::Deleted.eq(false))
    }

    /// The number of the tenant's newest change; 0 before the first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.watermark", skip_all)]
    pub async fn watermark(&self) -> Result<u64> {
        Ok(count(
            counters::last(self.tx, tenant_counters::Column::ItemChange).await?,
        ))
    }

    /// Counts the items there are now, puts the count right where it was not, and returns it. Locks the counters.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "items.recount", skip_all)]
    pub async fn recount(&self) -> Result<u64> {
        let kept = counters::lock(self.tx, tenant_counters::Column::Items).await?;
        let db = self.tx.session().write_data().await?;
        let counted = self.current().count(db).await?;
        if counted != count(kept) {
            counters::set_items(self.tx, counted).await?;
        }
        Ok(counted)
    }

    /// How many items there are now.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.count", skip_all)]
    pub async fn count(&self) -> Result<u64> {
        Ok(count(
            counters::last(self.tx, tenant_counters::Column::Items).await?,
        ))
    }

    /// Everyone whom an item that is there now names.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.experts_named", skip_all)]
    pub async fn experts_named(&self) -> Result<HashSet<ExpertId>> {
        let db = self.tx.session().read().await?;
        let lists: Vec<JsonValue> = self
            .current()
            .select_only()
            .column(Column::Experts)
            .distinct()
            .into_tuple()
            .all(db)
            .await?;
        let mut named = HashSet::new();
        for list in lists {
            named.extend(from_json::<Vec<ExpertId>>("item_revisions.experts", list)?);
        }
        Ok(named)
    }

    /// The points of all items that are there now, by point.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.points", skip_all)]
    pub async fn points(&self) -> Result<Vec<(u64, ItemId)>> {
        let db = self.tx.session().read().await?;
        let rows: Vec<(i64, String)> = self
            .current()
            .select_only()
            .columns([Column::Point, Column::ItemId])
            .order_by_asc(Column::Point)
            .into_tuple()
            .all(db)
            .await?;
        rows.into_iter()
            .map(|(point, id)| Ok((count(point), item_id(id)?)))
            .collect()
    }

    /// The items behind these points that are there now, by point.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.by_points", skip_all)]
    pub async fn by_points(&self, points: &[u64]) -> Result<Vec<Item>> {
        let db = self.tx.session().read().await?;
        let mut rows = Vec::with_capacity(points.len());
        for points in points.chunks(VALUES_PER_IN) {
            let points = points.iter().map(|point| int(*point));
            rows.extend(
                self.current()
                    .filter(Column::Point.is_in(points))
                    .all(db)
                    .await?,
            );
        }
        rows.sort_unstable_by_key(|row| row.point);
        all(rows)
    }
}

fn item_id(id: String) -> Result<ItemId> {
    parsed("item_revisions.item_id", || ItemId::parse(id))
}

fn item_change(row: Model) -> Result<ItemChange> {
    Ok(ItemChange {
        point: count(row.point),
        change: count(row.change),
        id: item_id(row.item_id.clone())?,
        item: if row.deleted {
            None
        } else {
            Some(Item::try_from(row)?)
        },
    })
}

/// Whether `expert` is in the row's list. Each database has its own words for it.
fn answered_by(expert: &ExpertId, backend: DbBackend) -> SimpleExpr {
    let expert = expert.as_str();
    match backend {
        DbBackend::Postgres => Expr::cust_with_values(
            r#""item_revisions"."experts" @> jsonb_build_array($1::text)"#,
            [expert],
        ),
        _ => Expr::cust_with_values(
            r#"EXISTS (SELECT 1 FROM json_each("item_revisions"."experts") WHERE "value" = ?)"#,
            [expert],
        ),
    }
}
