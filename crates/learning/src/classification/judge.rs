//! Judging a head: the decisions that its scores and those of the simple methods become, the report,
//! the gate's verdict.

use domain::{GateRules, decide};

use super::answer::{Answer, Scores};
use super::decision::{Decision, Held};
use super::evidence::{Case, LabelNames, learn, weigh};
use super::measure;
use super::measure::Pair;
use super::report::TaskReport;
use super::simple::SimpleMethod;
use super::train::{HeldOut, TrainingSet};
use crate::solvers::Logit;

impl TrainingSet<'_, '_> {
    /// The decision that serves, and the report with the verdict.
    pub(super) fn judge(
        &self,
        mut held: HeldOut,
        fold_of: &[usize],
    ) -> (Decision, Option<Logit>, TaskReport) {
        let mix = self.several().then(|| self.mix(&mut held, fold_of));
        let (task, labels) = (self.input.task, self.input.labels);
        let unjudged = self.unjudged();
        let prior = |method| {
            let (target, outside) = (task.target_precision, self.out_of_scope);
            let unmeasured = Decision::unmeasured(method, task.kind, outside, target);
            match method {
                // What labels are called, and rules, say as much of a label without examples.
                SimpleMethod::Keywords | SimpleMethod::ZeroShot => unmeasured,
                SimpleMethod::Knn | SimpleMethod::Median => {
                    unmeasured.with_labels(outside, unjudged.clone())
                }
            }
        };
        let (decision, answers) = self.decide(&prior(SimpleMethod::Knn), &held.head, fold_of);
        let pairs = self.pairs(&answers);
        let worth = |pairs: &[Pair<'_>]| -> Vec<f64> {
            pairs
                .iter()
                .map(|(said, right)| measure::worth(said, right))
                .collect()
        };
        let own = worth(&pairs);
        let mut methods = Vec::new();
        let mut simple = Vec::new();
        let mut best: Option<(f64, &str, Vec<f64>)> = None;
        for (method, scores) in &held.simple {
            let (decision, answers) = self.decide(&prior(*method), scores, fold_of);
            simple.push((*method, decision));
            let pairs = self.pairs(&answers);
            methods.push(measure::method(
                method.name(),
                "baseline",
                labels.len(),
                &pairs,
            ));
            let worth = worth(&pairs);
            let mean = worth.iter().sum::<f64>();
            if best.as_ref().is_none_or(|(most, _, _)| mean > *most) {
                best = Some((mean, method.name(), worth));
            }
        }
        methods.push(measure::method("head", "candidate", labels.len(), &pairs));
        let (_, incumbent, theirs) = best.unwrap_or_default();
        let paired: Vec<(f64, f64)> = own.iter().copied().zip(theirs).collect();
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

    /// Labels with fewer than two examples: while a row is held out, nothing is known of its label.
    fn unjudged(&self) -> Vec<u16> {
        let mut counts = vec![0_u32; self.input.labels.len()];
        for label in self.truth.iter().flatten() {
            counts[usize::from(*label)] += 1;
        }
        let few = |(label, count): (usize, u32)| (count < 2).then_some(label as u16);
        counts.into_iter().enumerate().filter_map(few).collect()
    }

    /// Learns what to believe beside the head. What the head said becomes what it and that say
    /// together, by what was learned on the other half of the rows.
    fn mix(&self, held: &mut HeldOut, fold_of: &[usize]) -> Logit {
        let names = LabelNames::new(self.input.labels.names());
        let said = |wanted: SimpleMethod| {
            let mut all = held.simple.iter();
            all.find(|(method, _)| *method == wanted)
                .map_or(&[][..], |(_, scores)| scores)
        };
        let (votes, near) = (said(SimpleMethod::Knn), said(SimpleMethod::ZeroShot));
        let case = |at: usize| Case {
            text: self.texts[at],
            head: &held.head[at].shares,
            votes: &votes[at].shares,
            zero_shot: &near[at].shares,
            right: &self.truth[at],
        };
        let learned = |keep: &dyn Fn(usize) -> bool| {
            let rows = (0..self.texts.len()).filter(|at| keep(*at));
            learn(&names, &rows.map(case).collect::<Vec<_>>())
        };
        let halves = [0, 1].map(|half| learned(&|at| fold_of[at] % 2 != half));
        let all = learned(&|_| true);
        for (at, head) in held.head.iter_mut().enumerate() {
            let (votes, near) = (&votes[at].shares, &near[at].shares);
            let mix = &halves[fold_of[at] % 2];
            weigh(mix, &names, self.texts[at], &mut head.shares, votes, near);
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
        let rows = |keep: &dyn Fn(usize) -> bool| -> Vec<Held<'_>> {
            let all = scores.iter().zip(&self.truth).enumerate();
            all.filter(|(at, _)| keep(*at))
                .map(|(_, (scores, right))| Held { scores, right })
                .collect()
        };
        let halves = [0, 1].map(|half| prior.fit(&rows(&|at| fold_of[at] % 2 != half), target));
        let answers = scores
            .iter()
            .zip(fold_of)
            .map(|(s, fold)| halves[fold % 2].answer(s));
        // What chose the parameters says nothing about them.
        let judged = answers.skip(self.judged_from).collect();
        (prior.fit(&rows(&|_| true), target), judged)
    }

    /// What is right for the rows that are judged.
    fn judged(&self) -> &[Vec<u16>] {
        &self.truth[self.judged_from..]
    }

    /// Answered labels and right ones of the rows that are judged.
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
        said.zip(self.judged().iter().map(Vec::as_slice)).collect()
    }

    /// The share of rows answered, the share of those answers that are right, and confidences with
    /// whether they were right.
    fn confidence(&self, answers: &[Answer]) -> (f64, f64, Vec<(f64, bool)>) {
        let (mut answered, mut given, mut right, mut firsts) = (0, 0, 0, Vec::new());
        for (answer, truth) in answers.iter().zip(self.judged()) {
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
                .zip(self.judged())
                .filter(|(_, t)| t.contains(&label) == outside);
            let all: Vec<bool> = own.map(|(answer, _)| answer.out_of_scope).collect();
            all.iter().filter(|found| **found).count() as f64 / all.len().max(1) as f64
        };
        (share(true), share(false))
    }
}
