//! Items that nobody has answered yet.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{Item, ItemId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::all;
use super::Items;
use crate::Result;
use crate::convert::micros;
use crate::rows::item_revisions::{Column, Entity};

/// The condition of the index `open_items`, word for word: with bound values it would not be
/// recognized as the same.
const OPEN: &str = r#""item_revisions"."superseded_by" IS NULL AND "item_revisions"."deleted" = FALSE AND "item_revisions"."experts" = '[]'"#;

/// The same of the index `answered_items`.
const ANSWERED: &str = r#""item_revisions"."superseded_by" IS NULL AND "item_revisions"."deleted" = FALSE AND "item_revisions"."experts" <> '[]'"#;

/// Where an open item stands in their list: newest first, then by id backwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPosition {
    /// When the item happened.
    pub at: DateTime<Utc>,
    /// The item.
    pub id: ItemId,
}

impl std::fmt::Display for OpenPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", micros(self.at), self.id)
    }
}

impl FromStr for OpenPosition {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (at, id) = text.split_once('/').ok_or(())?;
        let at = at.parse().ok().and_then(DateTime::from_timestamp_micros);
        Ok(Self {
            at: at.ok_or(())?,
            id: ItemId::parse(id).map_err(|_| ())?,
        })
    }
}

impl Items<'_> {
    /// At most `limit` items without experts, newest first, those after `after` in that order.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.open", skip_all)]
    pub async fn open(&self, after: Option<OpenPosition>, limit: u32) -> Result<Vec<Item>> {
        let db = self.tx.session().read().await?;
        let mut select = self.without_experts();
        if let Some(after) = after {
            let at = micros(after.at);
            let further = Condition::any().add(Column::OccurredAt.lt(at)).add(
                Condition::all()
                    .add(Column::OccurredAt.eq(at))
                    .add(Column::ItemId.lt(after.id.as_str())),
            );
            select = select.filter(further);
        }
        let newest_first = select
            .order_by_desc(Column::OccurredAt)
            .order_by_desc(Column::ItemId);
        all(newest_first.limit(u64::from(limit)).all(db).await?)
    }

    /// Whether there is an item without experts.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.any_open", skip_all)]
    pub async fn any_open(&self) -> Result<bool> {
        let db = self.tx.session().read().await?;
        let found: Option<String> = self
            .without_experts()
            .select_only()
            .column(Column::ItemId)
            // The order of their index: else SQLite walks the items in the order of another.
            .order_by_desc(Column::OccurredAt)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        Ok(found.is_some())
    }

    /// How many of the items that somebody has answered were ingested, or answered, after `at`; counted up to
    /// `most` and no further.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "items.count_answered_since", skip_all)]
    pub async fn count_answered_since(&self, at: DateTime<Utc>, most: u64) -> Result<u64> {
        let db = self.tx.session().read().await?;
        let answered = self.tx.find::<Entity>().filter(Expr::cust(ANSWERED));
        let times: Vec<i64> = answered
            .filter(Column::IngestedAt.gt(micros(at)))
            .select_only()
            .column(Column::IngestedAt)
            // The order of their index, as above.
            .order_by_desc(Column::IngestedAt)
            .limit(most)
            .into_tuple()
            .all(db)
            .await?;
        Ok(times.len() as u64)
    }

    fn without_experts(&self) -> Select<Entity> {
        self.tx.find::<Entity>().filter(Expr::cust(OPEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_as_text() {
        let position = OpenPosition {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            id: ItemId::parse("A/B 17").unwrap(),
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "12", "x/q", "1/", "1/a\u{7}b"] {
            assert!(text.parse::<OpenPosition>().is_err(), "{text}");
        }
    }
}
