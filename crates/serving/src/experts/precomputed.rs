//! Questions that are stored as items: answered from what was computed ahead, while it holds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::{Item, ItemId, ResourceName, TenantContext};
use storage::{OpenPosition, PrecomputedAnswer};

use super::answer_cache::CachedAnswer;
use super::{ExpertAnswer, ExpertQuery, Experts, ExpertsView, Precomputed, RankerChoice};
use crate::{Result, ServingError, StageTimes};

/// Experts of an answer that is computed ahead.
pub const PRECOMPUTED_EXPERTS: usize = 20;

/// A question that is stored as an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemQuery {
    /// The item.
    pub item: ItemId,
    /// In the place of the item's own.
    pub area: Option<String>,
    /// Experts wanted.
    pub top_k: usize,
    /// What is to rank them.
    pub choice: RankerChoice,
    /// What makes a canary sticky.
    pub routing_key: Option<String>,
    /// How long the caller waits, where it says so.
    pub deadline: Option<Duration>,
    /// An answer that was computed ahead will do although something has changed since.
    pub allow_stale: bool,
}

impl ItemQuery {
    /// Whether what was computed ahead, as nobody in particular would ask it, can be the answer.
    fn is_plain(&self, item: &Item) -> bool {
        self.choice == RankerChoice::Routed
            && self.routing_key.is_none()
            && self.top_k <= PRECOMPUTED_EXPERTS
            && (self.area.is_none() || self.area == item.content.area)
    }

    /// The same question by its text.
    fn by_text(self, item: &Item) -> ExpertQuery {
        ExpertQuery {
            text: item.content.text.clone(),
            area: self.area.or_else(|| item.content.area.clone()),
            top_k: self.top_k,
            choice: self.choice,
            routing_key: self.routing_key,
            deadline: self.deadline,
        }
    }
}

/// An item that nobody has answered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenItem {
    /// The item.
    pub item: Item,
    /// What was computed for it ahead.
    pub answer: Option<ExpertAnswer>,
}

impl Experts {
    /// Answers a question that is stored as an item.
    ///
    /// # Errors
    /// There is no such item; as [`Experts::recommend`].
    pub async fn recommend_item(
        &self,
        ctx: &TenantContext,
        query: ItemQuery,
    ) -> Result<(Item, ExpertAnswer)> {
        let started = Instant::now();
        let view = self.view(ctx).await?;
        // Before the database is read: what changes from here on makes it invalid.
        let version = self.changes.version(ctx.tenant());
        if let Some(cached) = view.answers.get(&query.item, version)
            && query.is_plain(&cached.item)
        {
            count(cached.answer.precomputed);
            return Ok((cached.item.clone(), cached.first(query.top_k, started)));
        }
        let tx = self.residency.source().store.begin(ctx).await?;
        let item = tx.items().get(&query.item).await?.ok_or_else(|| {
            ServingError::NotFound(ResourceName::Item(ctx.tenant().clone(), query.item.clone()))
        })?;
        let stored = match query.is_plain(&item) {
            true => tx.precomputed().get(&query.item).await?,
            false => None,
        };
        drop(tx);
        let found = stored.and_then(|stored| still_good(stored, &item, &view, query.allow_stale));
        count(found.as_ref().and_then(|answer| answer.precomputed));
        let Some(mut answer) = found else {
            let query = query.by_text(&item);
            let answer = self.answer_now(ctx, view, &query, started).await?;
            return Ok((item, answer));
        };
        answer.truncated = view.encoder.truncates(&item.content.text);
        let cached = CachedAnswer { item, answer };
        let first = cached.first(query.top_k, started);
        let item = cached.item.clone();
        view.answers.put(version, cached);
        Ok((item, first))
    }

    /// Open items from `after` on, each with where it stands, and with what was computed for it ahead.
    ///
    /// # Errors
    /// The tenant cannot be made resident; the database fails.
    pub async fn open_items(
        &self,
        ctx: &TenantContext,
        after: Option<OpenPosition>,
        limit: u32,
    ) -> Result<Vec<(OpenPosition, OpenItem)>> {
        let view = self.view(ctx).await?;
        let tx = self.residency.source().store.begin(ctx).await?;
        let items = tx.items().open(after, limit).await?;
        let ids: Vec<ItemId> = items.iter().map(|item| item.content.id.clone()).collect();
        let stored = tx.precomputed().of(&ids).await?.into_iter();
        let mut stored: HashMap<ItemId, PrecomputedAnswer> =
            stored.map(|one| (one.item.clone(), one)).collect();
        drop(tx);
        let items = items.into_iter().map(|item| {
            let position = OpenPosition {
                at: item.content.occurred_at,
                id: item.content.id.clone(),
            };
            let stored = stored.remove(&item.content.id);
            let answer = stored.and_then(|stored| still_good(stored, &item, &view, true));
            (position, OpenItem { item, answer })
        });
        Ok(items.collect())
    }
}

/// Counts an answer about an item by where it came from.
fn count(precomputed: Option<Precomputed>) {
    let outcome = match precomputed {
        Some(Precomputed { stale: true, .. }) => "stale",
        Some(_) => "hit",
        None => "computed",
    };
    metrics::counter!("tenantry_precomputed_total", "outcome" => outcome).increment(1);
}

/// The answer that was computed ahead, where it may be given: for the same words of the item, and
/// from what the view knows now. One from something else is stale; it is given where `allow_stale`,
/// without experts who are no candidates any more.
fn still_good(
    stored: PrecomputedAnswer,
    item: &Item,
    view: &ExpertsView,
    allow_stale: bool,
) -> Option<ExpertAnswer> {
    let stale = stored.stamp != view.fingerprint();
    if stored.revision != item.revision || (stale && !allow_stale) {
        return None;
    }
    let mut recommended = stored.answer;
    if stale {
        let experts = &mut recommended.experts;
        let history = view.history();
        experts.retain(|one| history.is_candidate(&one.id));
    }
    Some(ExpertAnswer {
        recommended,
        shadow: stored.shadow,
        truncated: false,
        times: StageTimes::default(),
        precomputed: Some(Precomputed {
            at: stored.computed_at,
            stale,
        }),
    })
}
