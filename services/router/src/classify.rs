//! Classifying: the nearest labelled items, the routed head or a method without training, the
//! answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::v1;
use domain::{
    AbstainReason, Ask, ErrorKind, ModelName, ModelOwner, ResourceName, RouteReason, TaskKind,
    TenantContext, Tier, bucket, normalized,
};
use learning::classification::{
    Answer, AnswerValue, BaselineScores, LinearClassifier, Scores, SimpleMethod, knn, knn_value,
};
use server::ServiceError;
use storage::{Classification, ClassificationOutcome};
use vectors::Hit;

use crate::Router;
use crate::classify_commands::{Classify, ClassifyWith};
use crate::space::left_behind;
use crate::task_models::load_head;
use crate::task_view::{KnownItem, TaskView};
use crate::wire::{Times, requested_route, route_to_wire, tier_name, timings};

/// Pieces of evidence shown.
const EVIDENCE: usize = 3;

/// A labelled example near the text.
struct Near<'a> {
    similarity: f32,
    labels: &'a [u16],
    value: f64,
    /// None for a correction.
    item: Option<&'a KnownItem>,
    /// A person has spoken about this very text.
    said: bool,
}

/// An answer with what made it.
struct Made {
    answer: Answer,
    /// The names of the labels that the answer numbers.
    names: Vec<String>,
    route: v1::Route,
    method: &'static str,
}

impl Router {
    /// Answers what the task asks of a text.
    pub(crate) async fn classify(
        &self,
        ctx: &TenantContext,
        command: Classify,
    ) -> Result<v1::ClassifyResponse, ServiceError> {
        let started = Instant::now();
        let mut times = Times::default();
        let parts = &self.parts;
        let mut view = parts.tasks.view(ctx, &command.task).await?;
        let asked = match &command.with {
            ClassifyWith::Model(name) => Some(self.head(ctx, &command, name).await?),
            ClassifyWith::Simple(method) => {
                check_method(*method, view.base.task.definition.kind)?;
                None
            }
            ClassifyWith::Route => None,
        };
        let routed = command.with == ClassifyWith::Route;
        let deadline = command.deadline.filter(|_| routed);
        let found = loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(started.elapsed()));
            let found = self.nearest(ctx, &view.asked, &command.text, left, &mut times);
            let found = found.await?;
            // As with recommendations: what the tenant has left since is asked again as a whole.
            match parts.tasks.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => break found,
            }
        };
        let asked = match asked {
            Some((head, space)) if space == view.asked.name() => Some(head),
            Some((_, space)) => return Err(left_behind(&command.task, &space)),
            None => None,
        };
        let ranking = Instant::now();
        let late = found.is_none();
        let (vector, hits) = found.unwrap_or_default();
        let near = match late {
            true => Vec::new(),
            false => near(&view, &hits, &command.text, &vector),
        };
        let question = Question {
            view: &view,
            text: &command.text,
            vector: &vector,
            near: &near,
            late,
        };
        let made = match (&command.with, asked) {
            (ClassifyWith::Model(name), Some(head)) => {
                let route = requested_route(&name.to_string(), name.tier());
                question.with_head(&head, route)
            }
            (ClassifyWith::Simple(method), _) => {
                let name = format!("baseline:{}", method.name());
                question.simple(*method, requested_route(&name, Tier::Tenant))
            }
            _ => question.routed(Ask {
                bucket: bucket(
                    ctx.tenant().as_str(),
                    command.key.as_deref().unwrap_or(&command.text),
                ),
                // What is left to do takes microseconds: only a late embedding counts.
                remaining: late.then_some(Duration::ZERO),
            }),
        };
        times.ranking = ranking.elapsed();
        let request_id = uuid::Uuid::now_v7().to_string();
        metrics::counter!(
            "tenantry_classify_total",
            "tier" => tier_name(made.route.tier),
            "abstained" => if made.answer.abstain.is_some() { "true" } else { "false" },
        )
        .increment(1);
        let mut response = to_wire(ctx, &made, &near);
        response.request_id.clone_from(&request_id);
        response.truncated = view.asked.embedder.truncates(&command.text);
        response.timings = Some(timings(&times, started.elapsed()));
        self.log_classification(ctx, request_id, command, &made);
        Ok(response)
    }

    /// The head of a model that was asked for by name, one of the tenant's own for this task, and the
    /// space it was trained in.
    async fn head(
        &self,
        ctx: &TenantContext,
        command: &Classify,
        name: &ModelName,
    ) -> Result<(Arc<LinearClassifier>, String), ServiceError> {
        let own = matches!(&name.owner, ModelOwner::Tenant(tenant) if tenant == ctx.tenant());
        if !own || name.task != command.task {
            return Err(ServiceError::not_found(name));
        }
        let tx = self.parts.store.begin(ctx).await?;
        let model = tx.models().get(&name.task, name.version).await?;
        let model = model.ok_or_else(|| ServiceError::not_found(name))?;
        drop(tx);
        let artifacts = &self.parts.artifacts;
        let head = load_head(artifacts, &model.artifact_path, &model.checksum).await;
        let head = head.map(Arc::new).map_err(|_| {
            let message = format!("the artifact of {name} cannot be used");
            ServiceError::new(ErrorKind::FailedPrecondition, "ARTIFACT_UNUSABLE", message)
        })?;
        Ok((head, model.lineage.space))
    }

    fn log_classification(
        &self,
        ctx: &TenantContext,
        request_id: String,
        command: Classify,
        made: &Made,
    ) {
        let tier = match made.route.tier() {
            v1::Tier::Tenant => Tier::Tenant,
            v1::Tier::Vertical => Tier::Vertical,
            v1::Tier::Global | v1::Tier::Unspecified => Tier::Global,
        };
        let chosen = made.answer.labels.iter().filter(|label| label.chosen);
        let labels = chosen.map(|l| (made.names[usize::from(l.label)].clone(), l.confidence));
        let answer = Classification {
            request_id,
            task: command.task,
            text: command.text,
            model: made.route.model.clone(),
            tier,
            reason: made.route.reason.clone(),
            outcome: ClassificationOutcome {
                labels: labels.collect(),
                value: made.answer.value.map(|value| value.value),
                abstained: made.answer.abstain.is_some(),
            },
            answered_at: self.parts.clock.now(),
        };
        self.parts.answers.put_classification(ctx.tenant(), answer);
    }
}

/// What all ways of answering look at.
struct Question<'a> {
    view: &'a TaskView,
    text: &'a str,
    vector: &'a [f32],
    near: &'a [Near<'a>],
    /// The embedding did not come in time: there is no vector, and nothing near.
    late: bool,
}

impl Question<'_> {
    fn routed(&self, ask: Ask) -> Made {
        let (mut route, head) = self.view.route(ask);
        if self.late {
            if route.reason != RouteReason::KillSwitch {
                route.reason = RouteReason::FallbackDeadline;
            }
            return self.without_vector(route_to_wire(&route));
        }
        let route = route_to_wire(&route);
        if self.near.first().is_some_and(|near| near.said) {
            return self.corrected(route);
        }
        match head {
            Some(head) => self.with_head(head, route),
            None => self.simple(self.view.simple(), route),
        }
    }

    /// What the words alone say.
    fn without_vector(&self, route: v1::Route) -> Made {
        match self.view.base.task.definition.kind {
            TaskKind::Regression => self.simple(SimpleMethod::Median, route),
            TaskKind::SingleLabel | TaskKind::MultiLabel => {
                self.simple(SimpleMethod::Keywords, route)
            }
        }
    }

    /// The answer that a person gave for the very same text: no model knows better, and those that were
    /// trained before do not know it at all.
    fn corrected(&self, route: v1::Route) -> Made {
        let mut made = self.simple(SimpleMethod::Knn, route);
        if made.answer.abstain == Some(AbstainReason::LowConfidence) {
            made.answer.abstain = None;
        }
        // Nor is anything surer: what is accepted has the confidence that accepting takes.
        let said = self.near.first().map_or(&[][..], |near| near.labels);
        let threshold = made.answer.threshold;
        for label in &mut made.answer.labels {
            if label.chosen && said.contains(&label.label) {
                label.confidence = label.confidence.max(threshold);
            }
        }
        made.method = "correction";
        made
    }

    fn with_head(&self, head: &LinearClassifier, route: v1::Route) -> Made {
        let votes = self.near.iter().map(|near| (near.similarity, near.labels));
        let votes = knn(self.view.base.labels.len(), votes);
        // The head's labels are numbered as they were when it was trained.
        let number = |name: &String| self.view.base.labels.number(name);
        let renumbered = |said: Scores| {
            let share = |label: u16| said.shares.get(usize::from(label)).copied();
            let names = head.labels().iter();
            let shares = names.map(|name| number(name).and_then(share).unwrap_or(0.0));
            Scores {
                shares: shares.collect(),
                support: said.support,
            }
        };
        let beside = (!self.near.is_empty()).then(|| BaselineScores {
            votes: renumbered(votes),
            zero_shot: match head.combines_evidence() {
                true => renumbered(self.scores(SimpleMethod::ZeroShot)),
                false => Scores::default(),
            },
        });
        Made {
            answer: head.answer(self.text, self.vector, beside.as_ref()),
            names: head.labels().to_vec(),
            route,
            method: "head",
        }
    }

    fn simple(&self, method: SimpleMethod, route: v1::Route) -> Made {
        let base = &self.view.base;
        let answer = match base.task.definition.kind {
            TaskKind::Regression => self.value(method),
            TaskKind::SingleLabel | TaskKind::MultiLabel => {
                self.view.decision(method).answer(&self.scores(method))
            }
        };
        Made {
            answer,
            names: base.labels.names().to_vec(),
            route,
            method: method.name(),
        }
    }

    fn scores(&self, method: SimpleMethod) -> Scores {
        let base = &self.view.base;
        match method {
            SimpleMethod::Keywords => base.keywords.scores(self.text),
            SimpleMethod::ZeroShot => base.zero_shot.scores(self.vector),
            SimpleMethod::Knn | SimpleMethod::Median => {
                let votes = self.near.iter().map(|near| (near.similarity, near.labels));
                knn(base.labels.len(), votes)
            }
        }
    }

    fn value(&self, method: SimpleMethod) -> Answer {
        let votes = self.near.iter().map(|near| (near.similarity, near.value));
        let value = match method {
            SimpleMethod::Median => self.view.base.median,
            _ => knn_value(votes),
        };
        let mut values: Vec<f64> = self.near.iter().map(|near| near.value).collect();
        values.sort_unstable_by(f64::total_cmp);
        // Nothing was measured: where the neighbours lie is all that is known.
        let at = |share: f64| {
            let place = (values.len().saturating_sub(1)) as f64 * share;
            values.get(place.round() as usize).copied()
        };
        Answer {
            abstain: value.is_none().then_some(AbstainReason::NoExamples),
            value: value.map(|value| AnswerValue {
                value,
                low: at(0.05).unwrap_or(value).min(value),
                high: at(0.95).unwrap_or(value).max(value),
            }),
            ..Answer::default()
        }
    }
}

/// The labelled examples nearest to a text, nearest first. Where a person has spoken about the very
/// same text, that alone counts.
fn near<'a>(view: &'a TaskView, hits: &[Hit], text: &str, vector: &[f32]) -> Vec<Near<'a>> {
    let text = normalized(text);
    let mut near: Vec<Near<'a>> = view
        .corrections
        .iter()
        .map(|one| Near {
            similarity: one.vector.iter().zip(vector).map(|(a, b)| a * b).sum(),
            labels: &one.labels,
            value: one.value,
            item: None,
            // Signs alone have no words to be the same.
            said: !text.is_empty() && *one.text == *text,
        })
        .collect();
    if let Some(at) = near.iter().position(|one| one.said) {
        return vec![near.swap_remove(at)];
    }
    near.extend(hits.iter().filter_map(|hit| {
        let item = view.base.known.get(&hit.id)?;
        Some(Near {
            similarity: hit.score,
            labels: &item.labels,
            value: item.value,
            item: Some(item),
            said: false,
        })
    }));
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    near
}

fn check_method(method: SimpleMethod, kind: TaskKind) -> Result<(), ServiceError> {
    let numbers = matches!(method, SimpleMethod::Knn | SimpleMethod::Median);
    let fits = match kind {
        TaskKind::Regression => numbers,
        TaskKind::SingleLabel | TaskKind::MultiLabel => method != SimpleMethod::Median,
    };
    match fits {
        true => Ok(()),
        false => {
            let message = format!("{} does not answer a task of this kind", method.name());
            Err(ServiceError::invalid("model_override", message))
        }
    }
}

fn to_wire(ctx: &TenantContext, made: &Made, near: &[Near<'_>]) -> v1::ClassifyResponse {
    let answer = &made.answer;
    let predictions = answer.labels.iter().map(|label| v1::Prediction {
        label: made.names[usize::from(label.label)].clone(),
        confidence: label.confidence,
        chosen: label.chosen,
    });
    let evidence = near.iter().filter_map(|near| {
        let item = near.item?;
        Some(v1::Evidence {
            item: ResourceName::Item(ctx.tenant().clone(), item.id.clone()).to_string(),
            similarity: f64::from(near.similarity),
            occur_time: Some(api::timestamp(item.occurred_at)),
        })
    });
    v1::ClassifyResponse {
        request_id: String::new(),
        predictions: predictions.collect(),
        value: answer.value.map(|value| v1::PredictedValue {
            value: value.value,
            low: value.low,
            high: value.high,
        }),
        abstained: answer.abstain.is_some(),
        abstain_reason: answer.abstain.map_or("", AbstainReason::code).to_owned(),
        out_of_scope: answer.out_of_scope,
        route: Some(made.route.clone()),
        evidence: evidence.take(EVIDENCE).collect(),
        timings: None,
        threshold: answer.threshold,
        method: made.method.to_owned(),
        truncated: false,
    }
}
