//! Recommending experts: retrieval, features, ranking, explanation, in that order.

use std::time::{Duration, Instant};

use api::v1;
use domain::{ErrorKind, ModelOwner, ResourceName, RouteReason, TenantContext, Tier};
use learning::{FEATURES, Features, Hits, NEIGHBOURS, Ranker, Scored, words};
use server::ServiceError;
use storage::NewAnswer;
use vectors::{Hit, SparseVector};

use crate::Router;
use crate::commands::{Recommend, With};
use crate::view::{SharedView, TenantView, load_ranker};

/// Contributions and pieces of evidence shown for each expert.
const CONTRIBUTIONS: usize = 6;
const EVIDENCE: usize = 3;

/// Where the time of one request went.
#[derive(Default)]
struct Times {
    embedding_queued: Duration,
    embedding: Duration,
    search: Duration,
    ranking: Duration,
}

/// The order of the experts, whatever made it, and the ranker that can explain it.
struct Ranked {
    scored: Vec<Scored>,
    explainer: Option<Ranker>,
}

impl Router {
    /// Answers a question.
    pub(crate) async fn recommend(
        &self,
        ctx: &TenantContext,
        command: Recommend,
    ) -> Result<v1::RecommendExpertsResponse, ServiceError> {
        let started = Instant::now();
        let mut times = Times::default();
        let view = self.parts.residents.view(ctx).await?;
        let counts = words::count(&command.text);
        let hits = self
            .retrieve(ctx, &view, &command.text, &counts, &mut times)
            .await?;
        let ranking = Instant::now();
        let area = command
            .area
            .as_deref()
            .and_then(|area| view.corpus.area(area));
        let features = Features::new(&view.corpus, &view.statistics).compute(&counts, &hits, area);
        let (route, routed) = view.route();
        let (wire_route, ranked) = match &command.with {
            With::Route => {
                let scored = routed.rank(&features, &view.candidates);
                (
                    route_to_wire(&route),
                    Ranked {
                        scored,
                        explainer: Some(routed.clone()),
                    },
                )
            }
            With::Model(name) => {
                let ranker = self.ranker(ctx, name).await?;
                let scored = ranker.rank(&features, &view.candidates);
                (
                    pinned_route(&name.to_string(), name.tier()),
                    Ranked {
                        scored,
                        explainer: Some(ranker),
                    },
                )
            }
            With::Baseline(baseline) => {
                let order = baseline.rank(&view.corpus, &view.statistics, &hits, &view.candidates);
                let score = |(expert, score)| Scored {
                    expert,
                    score,
                    probability: 0.0,
                };
                let scored = order.into_iter().map(score).collect();
                let name = format!("baseline:{}", baseline.name());
                (
                    pinned_route(&name, Tier::Tenant),
                    Ranked {
                        scored,
                        explainer: None,
                    },
                )
            }
        };
        let top = &ranked.scored[..ranked.scored.len().min(command.top_k)];
        let recommendations = top
            .iter()
            .map(|one| {
                let contributions = ranked.explainer.iter().flat_map(|ranker| {
                    let all = ranker.explain(&features, &view.candidates, one.expert);
                    all.into_iter()
                        .take(CONTRIBUTIONS)
                        .map(contribution_to_wire)
                });
                v1::Recommendation {
                    expert_id: view.experts[one.expert].id.to_string(),
                    display_name: view.experts[one.expert].display_name.clone(),
                    score: one.score,
                    probability: one.probability,
                    contributions: contributions.collect(),
                    evidence: evidence(ctx, &view, &hits, one.expert),
                }
            })
            .collect();
        times.ranking = ranking.elapsed();
        let request_id = uuid::Uuid::now_v7().to_string();
        self.log_answer(ctx, &request_id, command.text, &wire_route, &view, top);
        metrics::counter!("tenantry_recommend_total", "tier" => tier_name(wire_route.tier))
            .increment(1);
        Ok(v1::RecommendExpertsResponse {
            request_id,
            recommendations,
            route: Some(wire_route),
            timings: Some(timings(&times, started.elapsed())),
            precompute_time: None,
        })
    }

    /// The nearest items by meaning and by words. The words are searched while the model embeds.
    async fn retrieve(
        &self,
        ctx: &TenantContext,
        view: &SharedView,
        text: &str,
        counts: &[(u32, f32)],
        times: &mut Times,
    ) -> Result<Hits, ServiceError> {
        let parts = &self.parts;
        let (indices, values) = view.statistics.query_weights(counts);
        let query = SparseVector { indices, values };
        let (embedded, lexical) = tokio::join!(
            parts.embedder.embed_query(text.to_owned()),
            parts
                .vectors
                .search_sparse(&parts.space, ctx.tenant(), query, NEIGHBOURS),
        );
        let embedded = embedded?;
        times.embedding_queued = embedded.queued;
        times.embedding = embedded.computed;
        let searching = Instant::now();
        let dense = parts
            .vectors
            .search_dense(&parts.space, ctx.tenant(), embedded.vector, NEIGHBOURS)
            .await?;
        times.search = searching.elapsed();
        Ok(Hits {
            dense: positions(view, &dense),
            lexical: positions(view, &lexical?),
        })
    }

    /// The ranker of a model that was asked for by name: the tenant's own, or the global one.
    async fn ranker(
        &self,
        ctx: &TenantContext,
        name: &domain::ModelName,
    ) -> Result<Ranker, ServiceError> {
        let missing = || ServiceError::not_found(name);
        match &name.owner {
            ModelOwner::Global if name.version == 0 => Ok(learning::global_ranker().clone()),
            ModelOwner::Tenant(tenant) if tenant == ctx.tenant() => {
                let tx = self.parts.store.begin(ctx).await?;
                let model = tx
                    .models()
                    .get(&name.task, name.version)
                    .await?
                    .ok_or_else(missing)?;
                drop(tx);
                let artifacts = &self.parts.artifacts;
                load_ranker(artifacts, &model.artifact_path, &model.checksum)
                    .await
                    .ok_or_else(|| {
                        let message = format!("the artifact of {name} cannot be used");
                        ServiceError::new(
                            ErrorKind::FailedPrecondition,
                            "ARTIFACT_UNUSABLE",
                            message,
                        )
                    })
            }
            _ => Err(missing()),
        }
    }

    fn log_answer(
        &self,
        ctx: &TenantContext,
        request_id: &str,
        text: String,
        route: &v1::Route,
        view: &TenantView,
        top: &[Scored],
    ) {
        let tier = match route.tier() {
            v1::Tier::Tenant => Tier::Tenant,
            v1::Tier::Vertical => Tier::Vertical,
            v1::Tier::Global | v1::Tier::Unspecified => Tier::Global,
        };
        let experts = top
            .iter()
            .map(|one| (view.experts[one.expert].id.clone(), one.score))
            .collect();
        let answer = NewAnswer {
            request_id: request_id.to_owned(),
            text,
            model: route.model.clone(),
            tier,
            reason: route.reason.clone(),
            experts,
            answered_at: self.parts.clock.now(),
        };
        self.parts.answers.put(ctx.tenant(), answer);
    }
}

/// Hits as positions in the view; an item that is indexed but not in the view yet is passed over.
fn positions(view: &TenantView, hits: &[Hit]) -> Vec<(u32, f32)> {
    hits.iter()
        // Positions fit: see `Corpus::new`.
        .filter_map(|hit| Some((view.corpus.position(hit.id)? as u32, hit.score)))
        .collect()
}

/// The nearest of the items that an expert answered.
fn evidence(
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

fn contribution_to_wire(one: learning::Contribution) -> v1::Contribution {
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

fn pinned_route(model: &str, tier: Tier) -> v1::Route {
    v1::Route {
        model: model.to_owned(),
        tier: v1::Tier::from(tier).into(),
        reason: RouteReason::Pinned.code().to_owned(),
        fallbacks: Vec::new(),
    }
}

fn tier_name(tier: i32) -> &'static str {
    match v1::Tier::try_from(tier) {
        Ok(v1::Tier::Tenant) => "TENANT",
        Ok(v1::Tier::Vertical) => "VERTICAL",
        _ => "GLOBAL",
    }
}

fn timings(times: &Times, total: Duration) -> v1::Timings {
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
