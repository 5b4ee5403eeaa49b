//! The table `item_revisions`: every revision of every item, and the mark that one was deleted.

use domain::{Item, ItemContent, ItemId};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{count, from_json, micros, parsed, small_count, time, to_json};
use crate::{Result, StorageError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "item_revisions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub change: i64,
    pub item_id: String,
    pub point: i64,
    pub revision: i32,
    /// The change of the revision after this one; none on the item's head.
    pub superseded_by: Option<i64>,
    pub deleted: bool,
    pub text: String,
    pub answer: Option<String>,
    pub area: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub labels: JsonValue,
    #[sea_orm(column_type = "JsonBinary")]
    pub attributes: JsonValue,
    #[sea_orm(column_type = "JsonBinary")]
    pub experts: JsonValue,
    pub occurred_at: i64,
    pub ingested_at: i64,
}

super::tenant_rows!();

/// Where a revision stands in its item's history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub change: i64,
    pub point: i64,
    pub revision: i32,
    pub ingested_at: i64,
}

impl Model {
    /// A head that says `content`.
    pub(crate) fn head(tenant: &str, content: ItemContent, place: Place) -> Result<Self> {
        Ok(Self {
            tenant_id: tenant.to_owned(),
            change: place.change,
            item_id: content.id.into(),
            point: place.point,
            revision: place.revision,
            superseded_by: None,
            deleted: false,
            text: content.text,
            answer: content.answer,
            area: content.area,
            labels: to_json("item_revisions.labels", &content.labels)?,
            attributes: to_json("item_revisions.attributes", &content.attributes)?,
            experts: to_json("item_revisions.experts", &content.experts)?,
            occurred_at: micros(content.occurred_at),
            ingested_at: place.ingested_at,
        })
    }

    /// A head that says that `item` is gone. Its texts stay only in the revisions before it.
    pub(crate) fn deletion(tenant: &str, item: String, place: Place) -> Self {
        Self {
            tenant_id: tenant.to_owned(),
            change: place.change,
            item_id: item,
            point: place.point,
            revision: place.revision,
            superseded_by: None,
            deleted: true,
            text: String::new(),
            answer: None,
            area: None,
            labels: JsonValue::Array(Vec::new()),
            attributes: JsonValue::Object(serde_json::Map::new()),
            experts: JsonValue::Array(Vec::new()),
            occurred_at: place.ingested_at,
            ingested_at: place.ingested_at,
        }
    }

    /// Whether both say the same, wherever they stand in history.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.deleted == other.deleted
            && self.text == other.text
            && self.answer == other.answer
            && self.area == other.area
            && self.labels == other.labels
            && self.attributes == other.attributes
            && self.experts == other.experts
            && self.occurred_at == other.occurred_at
    }
}

impl TryFrom<Model> for Item {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            content: ItemContent {
                id: parsed("item_revisions.item_id", || ItemId::parse(row.item_id))?,
                text: row.text,
                answer: row.answer,
                area: row.area,
                labels: from_json("item_revisions.labels", row.labels)?,
                attributes: from_json("item_revisions.attributes", row.attributes)?,
                experts: from_json("item_revisions.experts", row.experts)?,
                occurred_at: time("item_revisions.occurred_at", row.occurred_at)?,
            },
            revision: small_count(row.revision),
            change: count(row.change),
            point: count(row.point),
            ingested_at: time("item_revisions.ingested_at", row.ingested_at)?,
        })
    }
}
