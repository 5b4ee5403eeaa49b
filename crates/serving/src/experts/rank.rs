//! Ranking: the features of a question, and the order that a model or a baseline makes of them.

use std::time::{Duration, Instant};

use domain::cost::Meter;
use domain::{RankedExpert, Recommended, RouteRequest, ServedBy, TaskId, TenantContext, bucket};
use learning::{
    Baseline, FeatureInputs, FeatureMatrix, Features, Hits, Ranker, Scored, global_ranker, style,
    tokens,
};
use metering::usage;
use registry::resolve::ranker_of_chain;
use storage::Shadow;

use super::corpus::ExpertCorpus;
use super::explain::{contributions, evidence};
use super::retrieve::Wanted;
use super::view::read;
use super::{ExpertAnswer, ExpertQuery, Experts, ExpertsView, QueryVector, RankerChoice};
use crate::route::RoutedModels;
use crate::{Result, ServingError, StageTimes};

/// What all ways of ranking look at.
struct Question<'a> {
    models: &'a RoutedModels<Ranker>,
    known: &'a ExpertCorpus,
    features: FeatureMatrix,
    words: &'a [(u32, f32)],
    hits: &'a Hits,
}

/// What orders the experts, with all that had to be waited for.
enum Chosen {
    Routed(RouteRequest),
    Model(Box<Ranker>, ServedBy),
    Baseline(Baseline),
}

/// The order of the experts, and what made it.
struct Ranked {
    served_by: ServedBy,
    scored: Vec<Scored>,
    /// The ranker that can explain the order, when a ranker made it.
    explainer: Option<Ranker>,
    shadow: Option<Shadow>,
}

impl Experts {
    /// Makes the answer to a question that came at `started`, from what `view` knows.
    ///
    /// # Errors
    /// As [`Experts::recommend`].
    pub async fn answer(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
        query: &ExpertQuery,
        (vector, started): (QueryVector, Instant),
    ) -> Result<ExpertAnswer> {
        let mut times = StageTimes::default();
        let counts = tokens::count(&query.text);
        let left = |deadline: Duration| deadline.saturating_sub(started.elapsed());
        let wanted = Wanted {
            text: &query.text,
            words: &counts,
            vector,
            remaining: query.deadline.map(left),
        };
        let found = self.retrieve(ctx, view, wanted, &mut times).await?;
        let ranking = Instant::now();
        let chosen = self.choose(ctx, view, query, found.late).await?;
        let (ranked, experts) = usage::timed(Meter::ModelCpu, || {
            let known = view.history();
            let area = query.area.as_deref();
            let style = style::read(&query.text);
            let asked = FeatureInputs {
                words: &counts,
                style: &style,
                hits: &found.hits,
                ridge: &found.ridge,
                online: &known.online.predict(&counts, &style),
                area: area.and_then(|area| known.corpus.area(area)),
            };
            let question = Question {
                features: Features::new(&known.corpus, &known.statistics).compute(asked),
                words: &counts,
                hits: &found.hits,
                models: &view.models,
                known: &known,
            };
            let ranked = question.rank(chosen);
            let best = ranked.scored.iter().take(query.top_k);
            let experts = best.map(|one| question.explained(one, ranked.explainer.as_ref()));
            let experts = experts.collect();
            (ranked, experts)
        });
        times.ranking = ranking.elapsed();
        times.total = started.elapsed();
        Ok(ExpertAnswer {
            recommended: Recommended {
                served_by: ranked.served_by,
                experts,
            },
            shadow: ranked.shadow,
            truncated: view.encoder.truncates(&query.text),
            times,
            precomputed: None,
        })
    }

    async fn choose(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
        query: &ExpertQuery,
        embedding_late: bool,
    ) -> Result<Chosen> {
        match &query.choice {
            RankerChoice::Routed => {
                let key = query.routing_key.as_deref().unwrap_or(&query.text);
                let request = RouteRequest {
                    bucket: bucket(ctx.tenant().as_str(), key),
                    embedding_late,
                    ..RouteRequest::default()
                };
                Ok(Chosen::Routed(request))
            }
            RankerChoice::Model(name) => {
                let source = self.residency.source();
                let ranker = ranker_of_chain(&source.store, &source.artifacts, ctx, name).await?;
                Ok(Chosen::Model(ranker.into(), ServedBy::Model(name.clone())))
            }
            RankerChoice::Baseline(baseline) => {
                if *baseline == Baseline::KeywordRules {
                    // All words of all items are read: not on a thread that others wait for.
                    let history = view.shared_history();
                    let make = move || read(&history).make_keyword_rules();
                    if !usage::blocking(Meter::ModelCpu, make).await? {
                        let source = self.residency.source();
                        source.snapshots.remove(ctx.tenant()).await;
                        self.residency.forget(ctx, &TaskId::experts()).await;
                        return Err(ServingError::Damaged);
                    }
                }
                Ok(Chosen::Baseline(*baseline))
            }
        }
    }
}

impl Question<'_> {
    fn rank(&self, chosen: Chosen) -> Ranked {
        match chosen {
            Chosen::Routed(request) => self.routed(request),
            Chosen::Model(ranker, served_by) => self.with(*ranker, served_by),
            Chosen::Baseline(baseline) => self.baseline(baseline),
        }
    }

    /// With the model that the tenant's requests are routed to.
    fn routed(&self, request: RouteRequest) -> Ranked {
        let models = self.models;
        let route = models.route(request);
        let ranker = match models.get(&route.model) {
            Some(ranker) => ranker,
            None => global_ranker(),
        };
        let shadow = route.shadow.as_ref();
        let shadow = shadow.and_then(|name| Some((name, models.get(name)?)));
        let shadow = shadow.map(|(name, ranker)| Shadow {
            model: name.to_string(),
            experts: self.order(ranker),
        });
        Ranked {
            shadow,
            ..self.with(ranker.clone(), ServedBy::Route(route))
        }
    }

    fn order(&self, ranker: &Ranker) -> Vec<domain::ExpertId> {
        let scored = ranker.rank(&self.features, &self.known.candidates);
        let experts = scored.iter();
        let experts = experts.map(|one| self.known.experts[one.expert].id.clone());
        experts.collect()
    }

    fn with(&self, ranker: Ranker, served_by: ServedBy) -> Ranked {
        Ranked {
            served_by,
            scored: ranker.rank(&self.features, &self.known.candidates),
            explainer: Some(ranker),
            shadow: None,
        }
    }

    fn baseline(&self, baseline: Baseline) -> Ranked {
        let known = self.known;
        let counted = (&known.corpus, &known.statistics);
        let order = baseline.rank(counted, self.words, self.hits, &known.candidates);
        let scored = order.into_iter().map(|(expert, score)| Scored {
            expert,
            score,
            probability: 0.0,
        });
        Ranked {
            served_by: ServedBy::Baseline(baseline.name().to_owned()),
            scored: scored.collect(),
            explainer: None,
            shadow: None,
        }
    }

    fn explained(&self, one: &Scored, explainer: Option<&Ranker>) -> RankedExpert {
        let known = self.known;
        let expert = &known.experts[one.expert];
        let contributions = explainer.map(|ranker| {
            let all = ranker.explain(&self.features, &known.candidates, one.expert);
            contributions(all)
        });
        RankedExpert {
            id: expert.id.clone(),
            display_name: expert.display_name.clone(),
            score: one.score,
            probability: one.probability,
            contributions: contributions.unwrap_or_default(),
            evidence: evidence(known, self.hits, one.expert),
        }
    }
}
