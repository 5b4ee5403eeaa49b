//! Questions that are stored as items: answered from what was computed ahead, while it holds.

use std::collections::HashMap;
use std::time::Instant;

use api::v1;
use domain::{Item, ItemId, ResourceName, TenantContext};
use prost::Message as _;
use server::ServiceError;
use storage::{OpenPosition, PrecomputedAnswer};

use crate::Router;
use crate::commands::RecommendItem;
use crate::recommend::Computed;
use crate::view::TenantView;
use crate::wire::{Times, timings};

/// Experts of an answer that is computed ahead.
pub(crate) const PRECOMPUTED_EXPERTS: usize = 20;
/// Experts shown with an item in a list.
const LISTED_EXPERTS: usize = 5;

impl Router {
    /// Answers a question that is stored as an item.
    pub(crate) async fn recommend_item(
        &self,
        ctx: &TenantContext,
        asked: RecommendItem,
    ) -> Result<v1::RecommendExpertsResponse, ServiceError> {
        let started = Instant::now();
        let view = self.parts.residents.view(ctx).await?;
        let tx = self.parts.store.begin(ctx).await?;
        let item = tx.items().get(&asked.item).await?.ok_or_else(|| {
            let name = ResourceName::Item(ctx.tenant().clone(), asked.item.clone());
            ServiceError::not_found(name)
        })?;
        let kept = match asked.is_plain(&item, PRECOMPUTED_EXPERTS) {
            true => tx.precomputed().get(&asked.item).await?,
            false => None,
        };
        drop(tx);
        let id = item.content.id.clone();
        let found = kept.and_then(|kept| still_good(kept, &item, &view, asked.allow_stale));
        metrics::counter!("tenantry_precomputed_total", "outcome" => match &found {
            Some(found) if found.response.stale => "stale",
            Some(_) => "hit",
            None => "computed",
        })
        .increment(1);
        let Some(mut found) = found else {
            let command = asked.of(item);
            let computed = self.compute_now(ctx, view, &command, started).await?;
            return Ok(self.give(ctx, command.text, Some(id), computed));
        };
        found.response.recommendations.truncate(asked.top_k);
        found.response.truncated = view.asked.embedder.truncates(&item.content.text);
        found.response.timings = Some(timings(&Times::default(), started.elapsed()));
        Ok(self.give(ctx, item.content.text, Some(id), found))
    }

    /// Open items from `after` on, each with where it stands, and with what was computed for it ahead.
    pub(crate) async fn open_items(
        &self,
        ctx: &TenantContext,
        after: Option<OpenPosition>,
        limit: u32,
    ) -> Result<Vec<(OpenPosition, v1::OpenItem)>, ServiceError> {
        let view = self.parts.residents.view(ctx).await?;
        let tx = self.parts.store.begin(ctx).await?;
        let items = tx.items().open(after, limit).await?;
        let ids: Vec<ItemId> = items.iter().map(|item| item.content.id.clone()).collect();
        let kept = tx.precomputed().of(&ids).await?.into_iter();
        let mut kept: HashMap<ItemId, PrecomputedAnswer> =
            kept.map(|one| (one.item.clone(), one)).collect();
        drop(tx);
        let items = items.into_iter().map(|item| {
            let position = OpenPosition {
                at: item.content.occurred_at,
                id: item.content.id.clone(),
            };
            let found = kept
                .remove(&item.content.id)
                .and_then(|kept| still_good(kept, &item, &view, true));
            let found = found.map(|found| found.response);
            (position, listed(ctx, item, found))
        });
        Ok(items.collect())
    }
}

/// The answer that was computed ahead, where it may be given: for the same words of the item, and
/// from what the router knows now. One from something else is stale; it is given where `allow_stale`,
/// without experts who are no candidates any more.
fn still_good(
    kept: PrecomputedAnswer,
    item: &Item,
    view: &TenantView,
    allow_stale: bool,
) -> Option<Computed> {
    let stale = kept.stamp != view.stamp.fingerprint();
    if kept.revision != item.revision || (stale && !allow_stale) {
        return None;
    }
    let mut response = v1::RecommendExpertsResponse::decode(kept.answer.as_slice())
        .inspect_err(|error| {
            tracing::warn!(%error, item = %kept.item, "a precomputed answer cannot be read; it is computed again");
        })
        .ok()?;
    if stale {
        let candidate = |id: &str| {
            let mut candidates = view.candidates.iter().map(|&at| usize::from(at));
            candidates.any(|at| view.experts[at].id.as_str() == id)
        };
        response
            .recommendations
            .retain(|one| candidate(&one.expert_id));
    }
    response.stale = stale;
    response.precompute_time = Some(api::timestamp(kept.computed_at));
    Some(Computed {
        response,
        shadow: kept.shadow,
    })
}

fn listed(
    ctx: &TenantContext,
    item: Item,
    found: Option<v1::RecommendExpertsResponse>,
) -> v1::OpenItem {
    let found = found.unwrap_or_default();
    let experts = found.recommendations.into_iter().take(LISTED_EXPERTS);
    v1::OpenItem {
        name: ResourceName::Item(ctx.tenant().clone(), item.content.id).to_string(),
        text: item.content.text,
        area: item.content.area.unwrap_or_default(),
        occur_time: Some(api::timestamp(item.content.occurred_at)),
        experts: experts
            .map(|one| v1::OpenItemExpert {
                expert_id: one.expert_id,
                display_name: one.display_name,
                probability: one.probability,
            })
            .collect(),
        precompute_time: found.precompute_time,
        stale: found.stale,
    }
}
