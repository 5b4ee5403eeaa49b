//! Recommending experts: retrieval, features, ranking, explanation, in that order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::v1;
use domain::cost::Meter;
use domain::{Ask, RouteReason, TenantContext, Tier, bucket};
use embedding::Embedded;
use learning::{
    Baseline, FeatureInputs, Features, Hits, NEIGHBOURS, Ranker, Scored, style, tokens,
};
use metering::usage;
use ndarray::ArrayView1;
use server::ServiceError;
use storage::Shadow;
use vectors::{Hit, SparseVector};

use crate::Router;
use crate::chain::{Chain, ranker_of};
use crate::commands::{Recommend, With};
use crate::view::{SharedView, TenantView};
use crate::wire::{Times, contribution_to_wire, evidence, requested_route, route_to_wire, timings};

/// Contributions shown for each expert.
const CONTRIBUTIONS: usize = 6;
/// The share of the time to the deadline that embedding may take: the rest is for the search, the
/// ranking and the way back.
pub(crate) const PATIENCE: f64 = 0.7;

/// Where the vector of a question comes from.
pub(crate) enum Vector {
    /// From the model, now.
    Asked,
    /// It is there already.
    Known(Embedded),
    /// It did not come in time.
    Late,
}

/// An answer that nobody was given yet: it has no request id.
pub(crate) struct Computed {
    pub response: v1::RecommendExpertsResponse,
    /// What another model would have answered.
    pub shadow: Option<Shadow>,
}

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
    words: &'a [(u32, f32)],
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
        let view = self.parts.residents.view(ctx).await?;
        let computed = self.compute_now(ctx, view, &command, started).await?;
        Ok(self.give(ctx, command.text, None, computed))
    }

    /// [`Router::compute`] in the tenant's space of the moment. It may be left, and even dropped, after
    /// the view was taken: then what was found in it may lack items, and all is asked again.
    pub(crate) async fn compute_now(
        &self,
        ctx: &TenantContext,
        mut view: SharedView,
        command: &Recommend,
        started: Instant,
    ) -> Result<Computed, ServiceError> {
        loop {
            let vector = Vector::Asked;
            let computed = self.compute(ctx, &view, command, vector, started).await?;
            match self.parts.residents.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => return Ok(computed),
            }
        }
    }

    /// Makes the answer to a question that came at `started`, from what `view` knows.
    pub(crate) async fn compute(
        &self,
        ctx: &TenantContext,
        view: &SharedView,
        command: &Recommend,
        vector: Vector,
        started: Instant,
    ) -> Result<Computed, ServiceError> {
        let mut times = Times::default();
        let counts = tokens::count(&command.text);
        let left = |deadline: Duration| deadline.saturating_sub(started.elapsed());
        let wanted = Wanted {
            text: &command.text,
            counts: &counts,
            vector,
            remaining: command.deadline.map(left),
        };
        let found = self.retrieve(ctx, view, wanted, &mut times).await?;
        let ranking = Instant::now();
        let area = command
            .area
            .as_deref()
            .and_then(|area| view.corpus.area(area));
        let style = style::read(&command.text);
        let asked = FeatureInputs {
            words: &counts,
            style: &style,
            hits: &found.hits,
            ridge: &found.heads,
            online: &view.online.predict(&counts, &style),
            area,
        };
        let question = usage::timed(Meter::ModelCpu, || Question {
            features: Features::new(&view.corpus, &view.statistics).compute(asked),
            words: &counts,
            hits: &found.hits,
            view,
        });
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
                usage::timed(Meter::ModelCpu, || question.routed(&view.chain, ask))
            }
            With::Model(name) => {
                let ranker = ranker_of(&self.parts.store, &self.parts.artifacts, ctx, name).await?;
                question.with(ranker, requested_route(&name.to_string(), name.tier()))
            }
            With::Baseline(baseline) => {
                if *baseline == Baseline::KeywordRules {
                    let view = Arc::clone(view);
                    // All words of all items are read: not on a thread that others wait for.
                    let make = move || view.statistics.make_rules(&view.corpus);
                    let made = usage::blocking(Meter::ModelCpu, make).await;
                    made.map_err(ServiceError::internal)?;
                }
                usage::timed(Meter::ModelCpu, || question.baseline(*baseline))
            }
        };
        let top = &ranked.scored[..ranked.scored.len().min(command.top_k)];
        let recommendations = top
            .iter()
            .map(|one| question.recommendation(ctx, one, ranked.explainer.as_ref()))
            .collect();
        times.ranking = ranking.elapsed();
        Ok(Computed {
            response: v1::RecommendExpertsResponse {
                recommendations,
                route: Some(ranked.route),
                timings: Some(timings(&times, started.elapsed())),
                truncated: view.asked.embedder.truncates(&command.text),
                ..Default::default()
            },
            shadow: ranked.shadow,
        })
    }

    /// The nearest items by meaning and by words. The words are searched while the model embeds; when
    /// the caller's deadline comes first, the words alone have to do.
    async fn retrieve(
        &self,
        ctx: &TenantContext,
        view: &SharedView,
        wanted: Wanted<'_>,
        times: &mut Times,
    ) -> Result<Retrieved, ServiceError> {
        let parts = &self.parts;
        let (indices, values) = view.statistics.query_weights(&view.corpus, wanted.counts);
        let query = SparseVector { indices, values };
        let embedding = async {
            let embedded = match wanted.vector {
                Vector::Known(embedded) => return Some(Ok(embedded)),
                Vector::Late => return None,
                Vector::Asked => self.embed(ctx, view, wanted.text),
            };
            match wanted.remaining {
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
        let lexical = lexical?;
        usage::add(Meter::SearchCpu, usage::micros(lexical.cpu));
        let lexical = positions(view, &lexical.hits);
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
        usage::add(Meter::SearchCpu, usage::micros(dense.cpu));
        Ok(Retrieved {
            hits: Hits {
                dense: positions(view, &dense.hits),
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
                cpu: Duration::ZERO,
            });
        }
        let embedded = embedder.embed_query(text.to_owned()).await?;
        usage::embedded(embedded.tokens, embedded.cpu);
        let vector = Arc::from(embedded.vector.as_slice());
        self.questions.put(ctx.tenant(), hash, vector);
        Ok(embedded)
    }
}

/// What is looked for.
struct Wanted<'a> {
    text: &'a str,
    counts: &'a [(u32, f32)],
    vector: Vector,
    /// Time until the caller's deadline.
    remaining: Option<Duration>,
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
        let known = (&view.corpus, &view.statistics);
        let order = baseline.rank(known, self.words, self.hits, &view.candidates);
        let scored = order.into_iter().map(|(expert, score)| Scored {
            expert,
            score,
            probability: 0.0,
        });
        let name = format!("baseline:{}", baseline.name());
        Ranked {
            route: requested_route(&name, Tier::Tenant),
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
