//! Evaluating a classifier: the decisions that its scores and those of the baselines become, the report, the
//! gate's verdict.

use domain::{GateRules, decide};

use super::answer::{Answer, Scores};
use super::baselines::SimpleMethod;
use super::decision::{Decision, HeldOutRow};
use super::evidence::{Case, LabelNames, combine, fit_stack};
use super::measure;
use super::measure::Pair;
use super::report::TaskReport;
use super::train::{HeldOut, TrainingSet};
use crate::solvers::Logit;

impl TrainingSet<'_, '_> {
    /// The decision that serves, and the report with the verdict.
    pub(super) fn evaluate(
        &self,
        mut held: HeldOut,
        fold_of: &[usize],
    ) -> (Decision, Option<Logit>, TaskReport) {
        let mix = self.several().then(|| self.mix(&mut held, fold_of));
        let (task, labels) = (self.input.task, self.input.labels);
        let unevaluated = self.unevaluated();
        let prior = |method| self.prior(method, &unevaluated);
        let (decision, answers) = self.decide(&prior(SimpleMethod::Knn), &held.classifier, fold_of);
        let pairs = self.pairs(&answers);
        let (mut methods, mut simple) = (Vec::new(), Vec::new());
        let mut best: Option<(f64, &str, Vec<f64>)> = None;
        for (method, scores) in &held.baselines {
            let (decision, answers) = self.decide(&prior(*method), scores, fold_of);
            simple.push((*method, decision));
            let pairs = self.pairs(&answers);
            let name = method.name();
            methods.push(measure::method(name, "baseline", labels.len(), &pairs));
            let worth = measure::worths(&pairs);
            let sum = worth.iter().sum::<f64>();
            if best.as_ref().is_none_or(|(most, _, _)| sum > *most) {
                best = Some((sum, name, worth));
            }
        }
        methods.push(measure::method("head", "candidate", labels.len(), &pairs));
        let (_, incumbent, theirs) = best.unwrap_or_default();
        let own = measure::worths(&pairs);
        let paired: Vec<(f64, f64)> = own.into_iter().zip(theirs).collect();
        let evidence = measure::evidence(&paired, self.input.seed);
        let (verdict, reason) = decide(&GateRules::CLASSIFIER, &evidence, incumbent);
        let (confusions, confusions_complete) = measure::confusions(labels, &pairs);
        let (coverage, precision, firsts) = self.confidence(&answers);
        let report = TaskReport {
            rows: pairs.len() as u64,
            examples: self.texts.len() as u64,
            corrections: self.corrections as u64,
            methods,
            incumbent: incumbent.to_owned(),
            evidence,
            verdict,
            reason,
            calibration_error: measure::calibration_error(&firsts),
            target_precision: task.target_precision,
            threshold: decision.threshold(),
            coverage,
            precision,
            out_of_scope: self.out_of_scope.map(|label| self.scope(label, &answers)),
            classes: measure::classes(labels, &pairs),
            confusions,
            confusions_complete,
            warnings: self.warnings.clone(),
            simple,
        };
        (decision, mix, report)
    }

    /// The decision that a method's is fitted from.
    fn prior(&self, method: SimpleMethod, unevaluated: &[u16]) -> Decision {
        let (task, outside) = (self.input.task, self.out_of_scope);
        let prior = Decision::unmeasured(method, task.kind, outside, task.target_precision);
        match method {
            // Names of labels, and rules, say as much of a label without examples.
            SimpleMethod::Keywords | SimpleMethod::ZeroShot => prior,
            SimpleMethod::Knn | SimpleMethod::Median => {
                prior.with_labels(outside, unevaluated.to_vec())
            }
        }
    }

    /// Labels with fewer than two examples: while a row is held out, nothing is known of its label.
    fn unevaluated(&self) -> Vec<u16> {
        let mut counts = vec![0_u32; self.input.labels.len()];
        for label in self.truth.iter().flatten() {
            counts[usize::from(*label)] += 1;
        }
        let few = |(label, count): (usize, u32)| (count < 2).then_some(label as u16);
        counts.into_iter().enumerate().filter_map(few).collect()
    }

    /// Fits the stack of classifier and baselines. Each held-out score of the classifier becomes that of the
    /// stack that was fitted on the other half of the rows.
    fn mix(&self, held: &mut HeldOut, fold_of: &[usize]) -> Logit {
        let names = LabelNames::new(self.input.labels.names());
        let said = |wanted: SimpleMethod| {
            let mut all = held.baselines.iter();
            all.find(|(method, _)| *method == wanted)
                .map_or(&[][..], |(_, scores)| scores)
        };
        let (votes, near) = (said(SimpleMethod::Knn), said(SimpleMethod::ZeroShot));
        let case = |at: usize| Case {
            text: self.texts[at],
            classifier: &held.classifier[at].shares,
            votes: &votes[at].shares,
            zero_shot: &near[at].shares,
            right: &self.truth[at],
        };
        let fitted = |keep: &dyn Fn(usize) -> bool| {
            let rows = (0..self.texts.len()).filter(|at| keep(*at));
            fit_stack(&names, &rows.map(case).collect::<Vec<_>>())
        };
        let halves = [0, 1].map(|half| fitted(&|at| fold_of[at] % 2 != half));
        let all = fitted(&|_| true);
        for (at, scores) in held.classifier.iter_mut().enumerate() {
            let (votes, near) = (&votes[at].shares, &near[at].shares);
            let mix = &halves[fold_of[at] % 2];
            combine(mix, &names, self.texts[at], &mut scores.shares, votes, near);
        }
        all
    }

    /// The decision fitted on all rows, and answers of decisions fitted on the other half of the
    /// rows: what is reported must not have been fitted on the same rows.
    fn decide(
        &self,
        prior: &Decision,
        scores: &[Scores],
        fold_of: &[usize],
    ) -> (Decision, Vec<Answer>) {
        let target = self.input.task.target_precision;
        let rows = |keep: &dyn Fn(usize) -> bool| -> Vec<HeldOutRow<'_>> {
            let all = scores.iter().zip(&self.truth).enumerate();
            all.filter(|(at, _)| keep(*at))
                .map(|(_, (scores, right))| HeldOutRow { scores, right })
                .collect()
        };
        let halves = [0, 1].map(|half| prior.fit(&rows(&|at| fold_of[at] % 2 != half), target));
        let answers = scores
            .iter()
            .zip(fold_of)
            .map(|(s, fold)| halves[fold % 2].answer(s));
        // What chose the parameters says nothing about them.
        let evaluated = answers.skip(self.evaluated_from).collect();
        (prior.fit(&rows(&|_| true), target), evaluated)
    }

    /// The truth of the rows that are evaluated on.
    fn evaluated(&self) -> &[Vec<u16>] {
        &self.truth[self.evaluated_from..]
    }

    /// Answered labels and right ones of the rows that are evaluated on.
    fn pairs(&self, answers: &[Answer]) -> Vec<Pair<'_>> {
        let said = answers
            .iter()
            .map(|answer| match (answer.out_of_scope, self.out_of_scope) {
                (true, Some(label)) => vec![label],
                _ => answer
                    .labels
                    .iter()
                    .filter(|l| l.chosen)
                    .map(|l| l.label)
                    .collect(),
            });
        said.zip(self.evaluated().iter().map(Vec::as_slice))
            .collect()
    }

    /// The share of rows answered, the share of those answers that are right, and confidences with
    /// whether they were right.
    fn confidence(&self, answers: &[Answer]) -> (f64, f64, Vec<(f64, bool)>) {
        let (mut answered, mut given, mut right, mut firsts) = (0, 0, 0, Vec::new());
        for (answer, truth) in answers.iter().zip(self.evaluated()) {
            let sure = answer.abstain.is_none();
            answered += usize::from(sure);
            for label in &answer.labels {
                let is_right = truth.contains(&label.label);
                // Of one label the first is what was said; of several each is a saying of its own.
                if self.several() || label.chosen {
                    firsts.push((label.confidence, is_right));
                }
                if sure && label.chosen && (!self.several() || label.confidence >= answer.threshold)
                {
                    given += 1;
                    right += usize::from(is_right);
                }
            }
        }
        let share = |part: usize, whole: usize| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        (share(answered, answers.len()), share(right, given), firsts)
    }

    fn scope(&self, label: u16, answers: &[Answer]) -> (f64, f64) {
        let share = |outside: bool| {
            let own = answers
                .iter()
                .zip(self.evaluated())
                .filter(|(_, t)| t.contains(&label) == outside);
            let all: Vec<bool> = own.map(|(answer, _)| answer.out_of_scope).collect();
            all.iter().filter(|found| **found).count() as f64 / all.len().max(1) as f64
        };
        (share(true), share(false))
    }
}
