//! Recommending experts: retrieval, features, ranking, explanation, in that order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::v1;
use domain::{Ask, RouteReason, TenantContext, Tier, bucket};
use embedding::Embedded;
use learning::{Asked, Baseline, Features, Hits, NEIGHBOURS, Ranker, Scored, style, words};
use ndarray::ArrayView1;
use server::ServiceError;
use storage::{NewAnswer, Shadow};
use vectors::{Hit, SparseVector};

use crate::Router;
use crate::chain::{Chain, ranker_of};
use crate::commands::{Recommend, With};
use crate::view::{SharedView, TenantView};
use crate::wire::{
    Times, contribution_to_wire, evidence, pinned_route, route_to_wire, tier_name, timings,
};

/// Contributions shown for each expert.
const CONTRIBUTIONS: usize = 6;
/// The share of the time to the deadline that embedding may take: the rest is for the search, the
/// ranking and the way back.
const PATIENCE: f64 = 0.7;

/// The order of the experts, and what made it.
struct Ranked {
    route: v1::Route,
    scored: Vec<Scored>,
    /// The ranker that can explain the order, when a ranker made it.
    explainer: Option<Ranker>,
    shadow: Option<Shadow>,
}

/// What all ways of ranking look at.
struct Question<'a> {
    view: &'a TenantView,
    features: learning::FeatureMatrix,
    hits: &'a Hits,
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
        let mut view = self.parts.residents.view(ctx).await?;
        let counts = words::count(&command.text);
        let left = |deadline: Duration| deadline.saturating_sub(started.elapsed());
        let found = loop {
            let remaining = command.deadline.map(left);
            let found = self
                .retrieve(ctx, &view, &command.text, &counts, remaining, &mut times)
                .await?;
            // The space may have been left, and even dropped, since the view was taken: then what was
            // found in it may lack items. Asked again in the new one, as a whole.
            match self.parts.residents.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => break found,
            }
        };
        let ranking = Instant::now();
        let area = command
            .area
            .as_deref()
            .and_then(|area| view.corpus.area(area));
        let style = style::read(&command.text);
        let asked = Asked {
            words: &counts,
            style: &style,
            hits: &found.hits,
            heads: &found.heads,
            online: &view.online.predict(&counts, &style),
            area,
        };
        let question = Question {
            features: Features::new(&view.corpus, &view.statistics).compute(asked),
            hits: &found.hits,
            view: &view,
        };
        let ranked = match &command.with {
            With::Route => {
                let ask = Ask {
                    bucket: bucket(
                        ctx.tenant().as_str(),
                        command.routing_key.as_deref().unwrap_or(&command.text),
                    ),
                    // What is left to do takes microseconds: only a late embedding counts.
                    remaining: found.late.then_some(Duration::ZERO),
                };
                question.routed(&view.chain, ask)
            }
            With::Model(name) => {
                let ranker = ranker_of(&self.parts.store, &self.parts.artifacts, ctx, name).await?;
                question.with(ranker, pinned_route(&name.to_string(), name.tier()))
            }
            With::Baseline(baseline) => question.baseline(*baseline),
        };
        let top = &ranked.scored[..ranked.scored.len().min(command.top_k)];
        let recommendations = top
            .iter()
            .map(|one| question.recommendation(ctx, one, ranked.explainer.as_ref()))
            .collect();
        times.ranking = ranking.elapsed();
        let request_id = uuid::Uuid::now_v7().to_string();
        self.log_answer(ctx, &request_id, command.text, &ranked, &view, top);
        metrics::counter!(
            "tenantry_recommend_total",
            "tier" => tier_name(ranked.route.tier),
            "reason" => ranked.route.reason.clone(),
        )
        .increment(1);
        Ok(v1::RecommendExpertsResponse {
            request_id,
            recommendations,
            route: Some(ranked.route),
            timings: Some(timings(&times, started.elapsed())),
            precompute_time: None,
        })
    }

    /// The nearest items by meaning and by words. The words are searched while the model embeds; when
    /// the caller's deadline comes first, the words alone have to do.
    async fn retrieve(
        &self,
        ctx: &TenantContext,
        view: &SharedView,
        text: &str,
        counts: &[(u32, f32)],
        remaining: Option<Duration>,
        times: &mut Times,
    ) -> Result<Retrieved, ServiceError> {
        let parts = &self.parts;
        let (indices, values) = view.statistics.query_weights(&view.corpus, counts);
        let query = SparseVector { indices, values };
        let embedding = async {
            let embedded = self.embed(ctx, view, text);
            match remaining {
                Some(left) => tokio::time::timeout(left.mul_f64(PATIENCE), embedded)
                    .await
                    .ok(),
                None => Some(embedded.await),
            }
        };
        let (embedded, lexical) = tokio::join!(
            embedding,
            parts
                .vectors
                .search_sparse(&view.asked.space, ctx.tenant(), query, NEIGHBOURS),
        );
        let lexical = positions(view, &lexical?);
        let Some(embedded) = embedded.transpose()? else {
            return Ok(Retrieved {
                hits: Hits {
                    dense: Vec::new(),
                    lexical,
                },
                heads: Vec::new(),
                late: true,
            });
        };
        times.embedding_queued = embedded.queued;
        times.embedding = embedded.computed;
        let searching = Instant::now();
        let heads = view.heads.predict_one(ArrayView1::from(&embedded.vector));
        let dense = parts
            .vectors
            .search_dense(&view.asked.space, ctx.tenant(), embedded.vector, NEIGHBOURS)
            .await?;
        times.search = searching.elapsed();
        Ok(Retrieved {
            hits: Hits {
                dense: positions(view, &dense),
                lexical,
            },
            heads,
            late: false,
        })
    }

    /// The vector of a question: remembered, where the tenant asked it a moment ago.
    async fn embed(
        &self,
        ctx: &TenantContext,
        view: &TenantView,
        text: &str,
    ) -> Result<Embedded, ServiceError> {
        let embedder = &view.asked.embedder;
        let hash = embedder.content_hash(text);
        if let Some(vector) = self.questions.get(ctx.tenant(), hash) {
            return Ok(Embedded {
                vector: vector.to_vec(),
                tokens: 0,
                queued: Duration::ZERO,
                computed: Duration::ZERO,
            });
        }
        let embedded = embedder.embed_query(text.to_owned()).await?;
        let vector = Arc::from(embedded.vector.as_slice());
        self.questions.put(ctx.tenant(), hash, vector);
        Ok(embedded)
    }

    fn log_answer(
        &self,
        ctx: &TenantContext,
        request_id: &str,
        text: String,
        ranked: &Ranked,
        view: &TenantView,
        top: &[Scored],
    ) {
        let tier = match ranked.route.tier() {
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
            model: ranked.route.model.clone(),
            tier,
            reason: ranked.route.reason.clone(),
            experts,
            answered_at: self.parts.clock.now(),
            shadow: ranked.shadow.clone().map(|shadow| Shadow {
                experts: shadow.experts.into_iter().take(top.len()).collect(),
                ..shadow
            }),
        };
        self.parts.answers.put(ctx.tenant(), answer);
    }
}

/// The nearest items of a question.
struct Retrieved {
    hits: Hits,
    /// What the heads expect of each expert; empty without an embedding.
    heads: Vec<Vec<f32>>,
    /// The embedding did not come in time.
    late: bool,
}

impl Question<'_> {
    /// With the model that the tenant's chain chooses for the request.
    fn routed(&self, chain: &Chain, ask: Ask) -> Ranked {
        let chosen = chain.choose(ask);
        let mut route = chosen.route;
        if ask.remaining.is_some() && route.reason != RouteReason::KillSwitch {
            // The model that was meant may be the one that serves, but it has to do without the
            // embedding.
            route.reason = RouteReason::FallbackDeadline;
        }
        let shadow = chosen.shadow.map(|(name, ranker)| {
            let scored = ranker.rank(&self.features, &self.view.candidates);
            let experts = scored
                .iter()
                .map(|one| self.view.experts[one.expert].id.clone());
            Shadow {
                model: name.to_string(),
                experts: experts.collect(),
            }
        });
        Ranked {
            shadow,
            ..self.with(chosen.ranker.clone(), route_to_wire(&route))
        }
    }

    fn with(&self, ranker: Ranker, route: v1::Route) -> Ranked {
        Ranked {
            route,
            scored: ranker.rank(&self.features, &self.view.candidates),
            explainer: Some(ranker),
            shadow: None,
        }
    }

    fn baseline(&self, baseline: Baseline) -> Ranked {
        let view = self.view;
        let order = baseline.rank(&view.corpus, &view.statistics, self.hits, &view.candidates);
        let scored = order.into_iter().map(|(expert, score)| Scored {
            expert,
            score,
            probability: 0.0,
        });
        let name = format!("baseline:{}", baseline.name());
        Ranked {
            route: pinned_route(&name, Tier::Tenant),
            scored: scored.collect(),
            explainer: None,
            shadow: None,
        }
    }

    fn recommendation(
        &self,
        ctx: &TenantContext,
        one: &Scored,
        explainer: Option<&Ranker>,
    ) -> v1::Recommendation {
        let view = self.view;
        let contributions = explainer.into_iter().flat_map(|ranker| {
            let all = ranker.explain(&self.features, &view.candidates, one.expert);
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
            evidence: evidence(ctx, view, self.hits, one.expert),
        }
    }
}

/// Hits as positions in the view; an item that is indexed but not in the view yet is passed over.
fn positions(view: &TenantView, hits: &[Hit]) -> Vec<(u32, f32)> {
    hits.iter()
        // Positions fit: see `Corpus::new`.
        .filter_map(|hit| Some((view.corpus.position(hit.id)? as u32, hit.score)))
        .collect()
}
