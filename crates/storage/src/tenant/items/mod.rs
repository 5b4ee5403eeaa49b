//! The tenant's content, as revisions that are only ever added.

use domain::{ExpertId, Item, ItemId};
use sea_orm::{ColumnTrait, QueryFilter, Select};

use super::TenantTx;
use crate::rows::item_revisions::{Column, Entity};

mod open;
mod read;
mod rewrite;
mod write;

pub use open::OpenPosition;
pub use rewrite::Rewritten;

/// The tenant's items.
///
/// Every new revision of an item, and its deletion, takes the next number of the tenant's change
/// counter. The number of the newest is the watermark: it names a state of all items, and that
/// state can be read back later ([`Items::at_watermark`]).
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    pub(super) tx: &'a TenantTx,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpsertOutcome {
    /// The newest change of the tenant, with this upsert in it.
    pub watermark: u64,
    /// Items that are new or got a new revision.
    pub accepted: u64,
    /// Items that said the same already.
    pub unchanged: u64,
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteOutcome {
    /// The newest change of the tenant, with this deletion in it.
    pub watermark: u64,
    /// Items that were there and are gone.
    pub deleted: u64,
}

/// Which items to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemQuery {
    /// Only items after this one.
    pub after: Option<ItemId>,
    /// At most so many.
    pub limit: u32,
    /// Only items of this area.
    pub area: Option<String>,
    /// Only items that this expert answered.
    pub expert: Option<ExpertId>,
}

/// The newest thing that happened to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemChange {
    /// The item's point in the vector store.
    pub point: u64,
    /// The number of the change.
    pub change: u64,
    /// The item.
    pub id: ItemId,
    /// What it says now; none when it was deleted.
    pub item: Option<Item>,
}

impl Items<'_> {
    /// The newest revision of each item, deletions included.
    fn heads(&self) -> Select<Entity> {
        self.tx
            .find::<Entity>()
            .filter(Column::SupersededBy.is_null())
    }

    /// The items that are there now.
    fn current(&self) -> Select<Entity> {
        self.heads().filter(Column::Deleted.eq(false))
    }
}
