//! The decision: what the routed head, or a baseline, makes of a text and its nearest examples.

use domain::{AbstainReason, Evidence, RouteRequest, ServedBy, TaskKind};
use learning::classification::{
    Answer, AnswerValue, BaselineScores, Decision, LinearClassifier, Scores, SimpleMethod, knn,
    knn_value,
};

use super::near::Near;
use super::view::TaskView;
use super::{Classified, PredictedLabel};

/// Pieces of evidence shown.
const EVIDENCE: usize = 3;
/// With fewer labelled items for each label, names and descriptions say more.
const EXAMPLES_PER_LABEL: usize = 2;
const MIN_EXAMPLES: usize = 10;

/// What all ways of answering look at.
pub(super) struct Question<'a> {
    pub view: &'a TaskView,
    pub text: &'a str,
    /// Empty when the embedding did not come in time.
    pub vector: &'a [f32],
    pub near: &'a [Near<'a>],
}

/// An answer with what made it.
struct Decided<'a> {
    answer: Answer,
    /// The names of the labels that the answer numbers.
    names: &'a [String],
    method: &'static str,
}

impl Question<'_> {
    /// With the model that the task's requests are routed to.
    pub(super) fn routed(&self, request: RouteRequest) -> Classified {
        let models = &self.view.base.models;
        let route = models.route(request);
        let decided = if request.embedding_late {
            // What the words alone say.
            match self.kind() {
                TaskKind::Regression => self.baseline(SimpleMethod::Median),
                TaskKind::SingleLabel | TaskKind::MultiLabel => {
                    self.baseline(SimpleMethod::Keywords)
                }
            }
        } else if self.near.first().is_some_and(|near| near.corrected) {
            self.corrected()
        } else {
            match models.get(&route.model) {
                Some(head) => self.with_head(head),
                None => self.baseline(best_baseline(self.view)),
            }
        };
        self.classified(&decided, ServedBy::Route(route))
    }

    /// With a head that was asked for by name.
    pub(super) fn by_head(&self, head: &LinearClassifier, served_by: ServedBy) -> Classified {
        self.classified(&self.with_head(head), served_by)
    }

    /// With a baseline that was asked for by name.
    pub(super) fn by_baseline(&self, method: SimpleMethod) -> Classified {
        let served_by = ServedBy::Baseline(method.name().to_owned());
        self.classified(&self.baseline(method), served_by)
    }

    fn kind(&self) -> TaskKind {
        self.view.base.task.definition.kind
    }

    /// The answer that a person gave for the very same text: no model knows better, and those that were
    /// trained before do not know it at all.
    fn corrected(&self) -> Decided<'_> {
        let mut decided = self.baseline(SimpleMethod::Knn);
        let answer = &mut decided.answer;
        if answer.abstain == Some(AbstainReason::LowConfidence) {
            answer.abstain = None;
        }
        // Nor is anything surer: what is accepted has the confidence that accepting takes.
        let right = self.near.first().map_or(&[][..], |near| near.labels);
        let threshold = answer.threshold;
        for label in &mut answer.labels {
            if label.chosen && right.contains(&label.label) {
                label.confidence = label.confidence.max(threshold);
            }
        }
        decided.method = "correction";
        decided
    }

    fn with_head<'a>(&'a self, head: &'a LinearClassifier) -> Decided<'a> {
        let labels = &self.view.base.examples.labels;
        let votes = self.near.iter().map(|near| (near.similarity, near.labels));
        let votes = knn(labels.len(), votes);
        // The head's labels are numbered as they were when it was trained.
        let renumbered = |scores: Scores| {
            let share = |label: u16| scores.shares.get(usize::from(label)).copied();
            let names = head.labels().iter();
            let shares = names.map(|name| labels.number(name).and_then(share).unwrap_or(0.0));
            Scores {
                shares: shares.collect(),
                support: scores.support,
            }
        };
        let beside = (!self.near.is_empty()).then(|| BaselineScores {
            votes: renumbered(votes),
            zero_shot: match head.combines_evidence() {
                true => renumbered(self.scores(SimpleMethod::ZeroShot)),
                false => Scores::default(),
            },
        });
        Decided {
            answer: head.answer(self.text, self.vector, beside.as_ref()),
            names: head.labels(),
            method: "head",
        }
    }

    fn baseline(&self, method: SimpleMethod) -> Decided<'_> {
        let answer = match self.kind() {
            TaskKind::Regression => self.value(method),
            TaskKind::SingleLabel | TaskKind::MultiLabel => {
                calibration(self.view, method).answer(&self.scores(method))
            }
        };
        Decided {
            answer,
            names: self.view.base.examples.labels.names(),
            method: method.name(),
        }
    }

    fn scores(&self, method: SimpleMethod) -> Scores {
        let examples = &self.view.base.examples;
        match method {
            SimpleMethod::Keywords => examples.keywords.scores(self.text),
            SimpleMethod::ZeroShot => examples.zero_shot.scores(self.vector),
            SimpleMethod::Knn | SimpleMethod::Median => {
                let votes = self.near.iter().map(|near| (near.similarity, near.labels));
                knn(examples.labels.len(), votes)
            }
        }
    }

    fn value(&self, method: SimpleMethod) -> Answer {
        let votes = self.near.iter().map(|near| (near.similarity, near.value));
        let value = match method {
            SimpleMethod::Median => self.view.base.examples.median,
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

    fn classified(&self, decided: &Decided<'_>, served_by: ServedBy) -> Classified {
        let answer = &decided.answer;
        let labels = answer.labels.iter().map(|one| PredictedLabel {
            label: decided.names[usize::from(one.label)].clone(),
            confidence: one.confidence,
            chosen: one.chosen,
        });
        let evidence = self.near.iter().filter_map(|near| {
            let item = near.item?;
            Some(Evidence {
                item: item.id.clone(),
                similarity: f64::from(near.similarity),
                occurred_at: item.occurred_at,
            })
        });
        Classified {
            served_by,
            method: decided.method,
            labels: labels.collect(),
            value: answer.value,
            abstained: answer.abstain,
            out_of_scope: answer.out_of_scope,
            threshold: answer.threshold,
            evidence: evidence.take(EVIDENCE).collect(),
        }
    }
}

/// The baseline that answers where no head does: the one that did best when it was measured, else
/// the one that has something to go on.
fn best_baseline(view: &TaskView) -> SimpleMethod {
    let measured = view.base.measured.as_ref();
    if let Some(best) = measured.and_then(|report| SimpleMethod::parse(&report.incumbent)) {
        return best;
    }
    let examples = view.base.examples.items.len() + view.corrections.len();
    let least = MIN_EXAMPLES.max(EXAMPLES_PER_LABEL * view.base.examples.labels.len());
    match view.base.task.definition.kind {
        TaskKind::Regression if examples < MIN_EXAMPLES => SimpleMethod::Median,
        TaskKind::SingleLabel | TaskKind::MultiLabel if examples < least => SimpleMethod::ZeroShot,
        _ => SimpleMethod::Knn,
    }
}

/// How a baseline's scores become answers: as it was measured on this task, else as elsewhere.
fn calibration(view: &TaskView, method: SimpleMethod) -> Decision {
    let definition = &view.base.task.definition;
    let label = definition.out_of_scope_label.as_ref();
    let out_of_scope = label.and_then(|label| view.base.examples.labels.number(label));
    let mut measured = view.base.measured.iter().flat_map(|report| &report.simple);
    let unjudged = || match method {
        SimpleMethod::Knn => rare_labels(view),
        _ => Vec::new(),
    };
    match measured.find(|(name, _)| *name == method) {
        Some((_, decision)) => decision.clone().with_labels(out_of_scope, unjudged()),
        None => Decision::unmeasured(
            method,
            definition.kind,
            out_of_scope,
            definition.target_precision,
        ),
    }
}

/// Labels with fewer than two examples now, ascending.
fn rare_labels(view: &TaskView) -> Vec<u16> {
    let mut counts = view.base.examples.counts.clone();
    for label in view.corrections.iter().flat_map(|one| &one.labels) {
        counts[usize::from(*label)] += 1;
    }
    let few = |(label, count): (usize, u32)| (count < 2).then_some(label as u16);
    counts.into_iter().enumerate().filter_map(few).collect()
}
