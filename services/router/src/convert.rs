//! Answers to messages: what callers see of them.

use std::time::Duration;

use api::v1;
use domain::{AbstainReason, Evidence, RankedExpert, ResourceName, Route, ServedBy, TenantContext};
use serving::StageTimes;
use serving::experts::{ExpertAnswer, OpenItem, SimilarItem, SimilarItems};
use serving::tasks::TaskAnswer;

/// Experts shown with an item in a list.
const LISTED_EXPERTS: usize = 5;

pub(crate) fn recommendation_to_wire(
    ctx: &TenantContext,
    request_id: String,
    answer: ExpertAnswer,
) -> v1::RecommendExpertsResponse {
    let experts = answer.recommended.experts.into_iter();
    v1::RecommendExpertsResponse {
        request_id,
        recommendations: experts.map(|one| expert_to_wire(ctx, one)).collect(),
        route: Some(served_by_to_wire(&answer.recommended.served_by)),
        timings: Some(times_to_wire(&answer.times)),
        truncated: answer.truncated,
        precompute_time: answer.precomputed.map(|one| api::timestamp(one.at)),
        stale: answer.precomputed.is_some_and(|one| one.stale),
    }
}

fn expert_to_wire(ctx: &TenantContext, one: RankedExpert) -> v1::Recommendation {
    let contributions = one.contributions.into_iter().map(|one| v1::Contribution {
        feature: one.feature,
        value: one.value,
        contribution: one.contribution,
    });
    v1::Recommendation {
        expert_id: one.id.into(),
        display_name: one.display_name,
        score: one.score,
        probability: one.probability,
        contributions: contributions.collect(),
        evidence: evidence_to_wire(ctx, one.evidence),
    }
}

fn evidence_to_wire(ctx: &TenantContext, evidence: Vec<Evidence>) -> Vec<v1::Evidence> {
    let items = evidence.into_iter().map(|one| v1::Evidence {
        item: ResourceName::Item(ctx.tenant().clone(), one.item).to_string(),
        similarity: one.similarity,
        occur_time: Some(api::timestamp(one.occurred_at)),
    });
    items.collect()
}

pub(crate) fn classification_to_wire(
    ctx: &TenantContext,
    request_id: String,
    answer: TaskAnswer,
) -> v1::ClassifyResponse {
    let classified = answer.classified;
    let labels = classified.labels.into_iter().map(|one| v1::Prediction {
        label: one.label,
        confidence: one.confidence,
        chosen: one.chosen,
    });
    v1::ClassifyResponse {
        request_id,
        predictions: labels.collect(),
        value: classified.value.map(|value| v1::PredictedValue {
            value: value.value,
            low: value.low,
            high: value.high,
        }),
        abstained: classified.abstained.is_some(),
        abstain_reason: classified
            .abstained
            .map_or("", AbstainReason::code)
            .to_owned(),
        out_of_scope: classified.out_of_scope,
        route: Some(served_by_to_wire(&classified.served_by)),
        evidence: evidence_to_wire(ctx, classified.evidence),
        timings: Some(times_to_wire(&answer.times)),
        threshold: classified.threshold,
        method: classified.method.to_owned(),
        truncated: answer.truncated,
    }
}

pub(crate) fn open_item_to_wire(ctx: &TenantContext, open: OpenItem) -> v1::OpenItem {
    let content = open.item.content;
    let precomputed = open.answer.as_ref().and_then(|answer| answer.precomputed);
    let experts = open.answer.into_iter();
    let experts = experts.flat_map(|answer| answer.recommended.experts);
    v1::OpenItem {
        name: ResourceName::Item(ctx.tenant().clone(), content.id).to_string(),
        text: content.text,
        area: content.area.unwrap_or_default(),
        occur_time: Some(api::timestamp(content.occurred_at)),
        experts: experts
            .take(LISTED_EXPERTS)
            .map(|one| v1::OpenItemExpert {
                expert_id: one.id.into(),
                display_name: one.display_name,
                probability: one.probability,
            })
            .collect(),
        precompute_time: precomputed.map(|one| api::timestamp(one.at)),
        stale: precomputed.is_some_and(|one| one.stale),
    }
}

pub(crate) fn similar_to_wire(
    ctx: &TenantContext,
    found: SimilarItems,
) -> v1::FindSimilarItemsResponse {
    let items = found.items.into_iter();
    v1::FindSimilarItemsResponse {
        items: items.map(|one| similar_item_to_wire(ctx, one)).collect(),
        truncated: found.truncated,
    }
}

fn similar_item_to_wire(ctx: &TenantContext, one: SimilarItem) -> v1::SimilarItem {
    let content = one.item.content;
    v1::SimilarItem {
        item: ResourceName::Item(ctx.tenant().clone(), content.id).to_string(),
        text: content.text,
        similarity: one.similarity,
        lexical_score: one.lexical_score,
        experts: content.experts.into_iter().map(String::from).collect(),
        occur_time: Some(api::timestamp(content.occurred_at)),
        truncated: one.truncated,
    }
}

pub(crate) fn route_to_wire(route: &Route) -> v1::Route {
    let fallbacks = route.fallbacks.iter();
    v1::Route {
        model: route.model.to_string(),
        tier: v1::Tier::from(route.model.tier()).into(),
        reason: route.reason.code().to_owned(),
        fallbacks: fallbacks
            .map(|note| format!("{} ({})", note.model, note.reason.code()))
            .collect(),
    }
}

fn served_by_to_wire(served_by: &ServedBy) -> v1::Route {
    match served_by {
        ServedBy::Route(route) => route_to_wire(route),
        ServedBy::Model(_) | ServedBy::Baseline(_) => v1::Route {
            model: served_by.name(),
            tier: v1::Tier::from(served_by.tier()).into(),
            reason: served_by.reason().code().to_owned(),
            fallbacks: Vec::new(),
        },
    }
}

fn times_to_wire(times: &StageTimes) -> v1::Timings {
    // Durations of one request always fit.
    let wire = |d: Duration| prost_types::Duration::try_from(d).ok();
    v1::Timings {
        embedding_queued: wire(times.embedding_queued),
        embedding: wire(times.embedding),
        search: wire(times.search),
        ranking: wire(times.ranking),
        total: wire(times.total),
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
