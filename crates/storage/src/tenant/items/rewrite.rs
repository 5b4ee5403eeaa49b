//! Changing many items in the same way, some at a time: others can write between two calls.

use chrono::{DateTime, Utc};
use domain::{ExpertId, ItemContent, ItemId};

use super::super::counters;
use super::{ItemQuery, Items};
use crate::Result;
use crate::rows::tenant_counters::Column as Counter;

/// What one call changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The items that were changed, as they were before.
    pub before: Vec<ItemContent>,
    /// The newest change of the tenant, with these in it.
    pub watermark: u64,
}

impl Items<'_> {
    /// Changes at most `limit` items that the expert answered, those after `after` by id. The last of
    /// them is where the next call begins; none are left where there are fewer.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "items.rewrite_answered", skip_all)]
    pub async fn rewrite_answered(
        &self,
        expert: &ExpertId,
        after: Option<ItemId>,
        limit: u32,
        now: DateTime<Utc>,
        change: impl Fn(&ItemContent) -> ItemContent,
    ) -> Result<Rewritten> {
        counters::lock(self.tx, Counter::ItemChange).await?;
        let query = ItemQuery {
            after,
            limit,
            expert: Some(expert.clone()),
            ..ItemQuery::default()
        };
        let found = self.list(query).await?;
        let before: Vec<ItemContent> = found.into_iter().map(|item| item.content).collect();
        let outcome = self
            .upsert(before.iter().map(change).collect(), now)
            .await?;
        Ok(Rewritten {
            before,
            watermark: outcome.watermark,
        })
    }

    /// Looks at the items of at most `limit` changes after `after` and up to `until`, and changes those
    /// for which `change` gives other contents. Also says at which change it stopped: the next call
    /// begins there, and none when nothing is left.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "items.rewrite_changed", skip_all)]
    pub async fn rewrite_changed(
        &self,
        (after, until): (u64, u64),
        limit: u32,
        now: DateTime<Utc>,
        change: impl Fn(&ItemContent) -> Option<ItemContent>,
    ) -> Result<(Rewritten, Option<u64>)> {
        counters::lock(self.tx, Counter::ItemChange).await?;
        let found = self.changed_since(after, limit).await?;
        let last = found
            .last()
            .map(|one| one.change)
            .filter(|_| found.len() >= limit as usize);
        let last = last.filter(|last| *last < until);
        let (mut before, mut contents) = (Vec::new(), Vec::new());
        for one in found.into_iter().filter(|one| one.change <= until) {
            let Some(item) = one.item else { continue };
            if let Some(content) = change(&item.content) {
                before.push(item.content);
                contents.push(content);
            }
        }
        let watermark = self.upsert(contents, now).await?.watermark;
        Ok((Rewritten { before, watermark }, last))
    }
}
