//! Answers as callers see them: evidence, contributions, the route, where the time went.

use std::time::Duration;

use api::v1;
use domain::{ResourceName, RouteReason, TenantContext, Tier};
use learning::{FEATURES, Hits};

use crate::view::TenantView;

/// Pieces of evidence shown for each expert.
const EVIDENCE: usize = 3;

/// Where the time of one request went.
#[derive(Default)]
pub(crate) struct Times {
    pub embedding_queued: Duration,
    pub embedding: Duration,
    pub search: Duration,
    pub ranking: Duration,
}

/// The nearest of the items that an expert answered.
pub(crate) fn evidence(
    ctx: &TenantContext,
    view: &TenantView,
    hits: &Hits,
    expert: usize,
) -> Vec<v1::Evidence> {
    let answered = |position: u32| {
        let item = &view.corpus.items()[position as usize];
        item.experts.iter().any(|one| usize::from(*one) == expert)
    };
    let dense = hits
        .dense
        .iter()
        .filter(|hit| answered(hit.0))
        .map(|&(at, s)| (at, f64::from(s)));
    let lexical = hits
        .lexical
        .iter()
        .filter(|hit| answered(hit.0))
        .map(|&(at, _)| (at, 0.0));
    let mut seen: Vec<u32> = Vec::with_capacity(EVIDENCE);
    dense
        .chain(lexical)
        .filter(|(at, _)| {
            let new = !seen.contains(at);
            seen.push(*at);
            new
        })
        .take(EVIDENCE)
        .map(|(at, similarity)| {
            let item = &view.items[at as usize];
            let name = ResourceName::Item(ctx.tenant().clone(), item.id.clone());
            let occur_time = Some(api::timestamp(item.occurred_at));
            v1::Evidence {
                item: name.to_string(),
                similarity,
                occur_time,
            }
        })
        .collect()
}

pub(crate) fn contribution_to_wire(one: learning::Contribution) -> v1::Contribution {
    v1::Contribution {
        feature: FEATURES[one.feature].to_owned(),
        value: one.value,
        contribution: one.contribution,
    }
}

pub(crate) fn route_to_wire(route: &domain::Route) -> v1::Route {
    v1::Route {
        model: route.model.to_string(),
        tier: v1::Tier::from(route.model.tier()).into(),
        reason: route.reason.code().to_owned(),
        fallbacks: route
            .fallbacks
            .iter()
            .map(|note| format!("{} ({})", note.model, note.reason.code()))
            .collect(),
    }
}

pub(crate) fn requested_route(model: &str, tier: Tier) -> v1::Route {
    v1::Route {
        model: model.to_owned(),
        tier: v1::Tier::from(tier).into(),
        reason: RouteReason::Requested.code().to_owned(),
        fallbacks: Vec::new(),
    }
}

/// The tier of the model that answered.
pub(crate) fn tier_of(route: &v1::Route) -> Tier {
    match route.tier() {
        v1::Tier::Tenant => Tier::Tenant,
        v1::Tier::Vertical => Tier::Vertical,
        v1::Tier::Global | v1::Tier::Unspecified => Tier::Global,
    }
}

pub(crate) fn tier_name(tier: i32) -> &'static str {
    match v1::Tier::try_from(tier) {
        Ok(v1::Tier::Tenant) => "TENANT",
        Ok(v1::Tier::Vertical) => "VERTICAL",
        _ => "GLOBAL",
    }
}

pub(crate) fn timings(times: &Times, total: Duration) -> v1::Timings {
    // Durations of one request always fit.
    let wire = |d: Duration| prost_types::Duration::try_from(d).ok();
    v1::Timings {
        embedding_queued: wire(times.embedding_queued),
        embedding: wire(times.embedding),
        search: wire(times.search),
        ranking: wire(times.ranking),
        total: wire(total),
    }
}
