//! From a method's scores to an answer: calibrated confidence, the chosen labels, out-of-scope detection, and
//! abstention.

use domain::{AbstainReason, TaskKind};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, AnswerLabel, Scores};
use super::baselines::SimpleMethod;
use super::recipe::{FALSE_ALARMS, FAR, LIKELY, MIN_OUT_OF_SCOPE, UNEVALUATED};
use super::threshold::threshold_for;
use crate::solvers::{Inputs, Logit, log_odds};

/// Labels of an answer beside the chosen ones.
const SHOWN: usize = 10;
/// Cases that the prior of a calibration counts for.
const PRIOR: f64 = 2.0;

/// How scores of one method on one task become answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    several: bool,
    confidence: Logit,
    /// Below it an answer is left to a person.
    threshold: f64,
    /// Of several labels: those at least this confident are chosen.
    choose: f64,
    scope: Option<Scope>,
    /// Texts less similar than this to everything known are out of scope, unless likely right.
    floor: f64,
    /// The support to assume where it is not known.
    typical: f64,
    /// Nearly all held-out rows in scope had more support; what has less is further from everything known
    /// than what the confidence was learned on.
    #[serde(default)]
    seen: f64,
    /// Labels with fewer than two examples, ascending: no row that was held out could show that an answer
    /// with one of them is right.
    #[serde(default, rename = "unjudged")]
    unevaluated: Vec<u16>,
}

/// How a text is found to be out of scope, where a label stands for that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Scope {
    /// The label.
    label: u16,
    /// From the logarithm of how much likelier the label is than any other, and the support.
    outside: Logit,
    /// Scores above it are out of scope.
    above: f64,
}

impl Scope {
    /// Not measured: out of scope is what is likelier than every other label.
    fn new(label: u16) -> Self {
        Self {
            label,
            outside: Logit {
                weights: [0.0, 1.0, 0.0, 0.0, 0.0],
            },
            above: 0.0,
        }
    }
}

/// One held-out row: what a method said, and what is right.
pub(super) struct HeldOutRow<'a> {
    pub scores: &'a Scores,
    pub right: &'a [u16],
}

impl Decision {
    /// For a method that was never measured on the task. The numbers are set by hand, on the careful
    /// side; a retrain puts measured ones in their place.
    #[must_use]
    pub fn unmeasured(
        method: SimpleMethod,
        kind: TaskKind,
        out_of_scope: Option<u16>,
        target: f64,
    ) -> Self {
        let several = kind == TaskKind::MultiLabel;
        let ([bias, share, support], floor) = match (method, several) {
            (SimpleMethod::Knn, false) => ([-4.2, 0.45, 5.5], 0.30),
            (SimpleMethod::Knn, true) => ([-1.0, 1.0, 0.8], 0.25),
            (SimpleMethod::ZeroShot, false) => ([-1.6, 0.7, 4.0], 0.15),
            (SimpleMethod::ZeroShot, true) => ([-3.0, 0.7, 4.0], 0.15),
            _ => ([-1.5, 0.3, 2.0], 0.0),
        };
        Self {
            several,
            confidence: Logit {
                weights: [bias, share, support, FAR, 0.0],
            },
            threshold: target,
            choose: 0.35,
            scope: out_of_scope.map(Scope::new),
            floor,
            typical: 0.7,
            seen: 0.0,
            unevaluated: Vec::new(),
        }
    }

    /// Fitted to held-out rows, from `prior`.
    pub(super) fn fit(&self, rows: &[HeldOutRow<'_>], target: f64) -> Self {
        let mut made = self.clone();
        let supports = rows
            .iter()
            .map(|row| row.scores.support)
            .filter(|s| s.is_finite());
        let mut supports: Vec<f64> = supports.collect();
        supports.sort_unstable_by(f64::total_cmp);
        if !supports.is_empty() {
            made.typical = supports[supports.len() / 2];
            // One in a hundred of the known texts is out of scope by this measure.
            made.floor = if supports.len() < 100 {
                0.0
            } else {
                supports[supports.len() / 100]
            };
        }
        made.seen = self.least_support(rows);
        match self.several {
            true => made.fit_several(rows, target),
            false => {
                made.fit_scope(rows);
                made.fit_one(rows, target);
            }
        }
        made
    }

    /// The support that all rows in scope but one in fifty have: a few odd rows do not move it.
    fn least_support(&self, rows: &[HeldOutRow<'_>]) -> f64 {
        let outside = self.scope.map(|scope| scope.label);
        let inside = rows
            .iter()
            .filter(|row| !outside.is_some_and(|label| row.right.contains(&label)));
        let mut supports: Vec<f64> = inside
            .map(|row| row.scores.support)
            .filter(|support| support.is_finite())
            .collect();
        supports.sort_unstable_by(f64::total_cmp);
        supports.get(supports.len() / 50).copied().unwrap_or(0.0)
    }

    fn fit_one(&mut self, rows: &[HeldOutRow<'_>], target: f64) {
        let cases: Vec<(Inputs, bool)> = rows
            .iter()
            .filter_map(|row| {
                let (top, share) = self.top(row.scores)?;
                Some((self.inputs(share, row.scores), row.right.contains(&top)))
            })
            .collect();
        let weighted: Vec<_> = cases
            .iter()
            .map(|(inputs, right)| (*inputs, *right, 1.0))
            .collect();
        self.confidence = self.confidence.fit(&weighted, PRIOR);
        let answered = rows.iter().filter_map(|row| {
            let (top, share) = self.top(row.scores)?;
            let confidence = self.confidence_in(top, share, row.scores);
            (!self.is_out_of_scope(row.scores)).then_some((confidence, row.right.contains(&top)))
        });
        self.threshold = threshold_for(target, answered.collect());
    }

    fn fit_scope(&mut self, rows: &[HeldOutRow<'_>]) {
        let Some(mut scope) = self.scope else {
            return;
        };
        let label = scope.label;
        let outside = rows.iter().filter(|row| row.right.contains(&label)).count();
        if outside < MIN_OUT_OF_SCOPE || outside == rows.len() {
            return;
        }
        // Both sides weigh the same: how many texts will be out of scope is not what examples show.
        let weigh = |side: usize| rows.len() as f64 / (2 * side) as f64;
        let (outside_weight, inside_weight) = (weigh(outside), weigh(rows.len() - outside));
        let cases: Vec<(Inputs, bool, f64)> = rows
            .iter()
            .map(|row| {
                let is = row.right.contains(&label);
                let weight = if is { outside_weight } else { inside_weight };
                (self.scope_inputs(label, row.scores), is, weight)
            })
            .collect();
        scope.outside = scope.outside.fit(&cases, PRIOR);
        // Only rows that would have been right are lost to a false alarm.
        let mut lost: Vec<f64> = rows
            .iter()
            .filter(|row| {
                let top = self.top(row.scores);
                top.is_some_and(|(top, _)| row.right.contains(&top))
            })
            .map(|row| scope.outside.score(&self.scope_inputs(label, row.scores)))
            .collect();
        lost.sort_unstable_by(|a, b| b.total_cmp(a));
        let may = ((rows.len() - outside) as f64 * FALSE_ALARMS) as usize;
        scope.above = lost.get(may).copied().unwrap_or(0.0);
        self.scope = Some(scope);
    }

    fn fit_several(&mut self, rows: &[HeldOutRow<'_>], target: f64) {
        // Labels that are out of the question are nearly all; they would drown the rest.
        let considered = |share: f32| share > 0.01;
        let mut said = Vec::new();
        let mut missed = 0_usize;
        for row in rows {
            for (label, &share) in row.scores.shares.iter().enumerate() {
                if considered(share) {
                    let label = label as u16;
                    said.push((label, share, row.scores, row.right.contains(&label)));
                }
            }
            let found = |label: &&u16| {
                row.scores
                    .shares
                    .get(usize::from(**label))
                    .is_some_and(|s| considered(*s))
            };
            missed += row.right.iter().filter(|label| !found(label)).count();
        }
        let cases: Vec<(Inputs, bool, f64)> = said
            .iter()
            .map(|(_, share, scores, right)| (self.inputs(*share, scores), *right, 1.0))
            .collect();
        self.confidence = self.confidence.fit(&cases, PRIOR);
        let mut judged: Vec<(f64, bool)> = said
            .iter()
            .map(|(label, share, scores, right)| {
                (self.confidence_in(*label, *share, scores), *right)
            })
            .collect();
        judged.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        self.choose = best_f1(&judged, missed);
        self.threshold = threshold_for(target, judged);
    }

    /// The answer that these scores give.
    #[must_use]
    pub fn answer(&self, scores: &Scores) -> Answer {
        let mut answer = Answer {
            threshold: self.threshold,
            ..Answer::default()
        };
        match self.several {
            true => self.answer_several(scores, &mut answer),
            false => self.answer_one(scores, &mut answer),
        }
        answer
    }

    fn answer_one(&self, scores: &Scores, answer: &mut Answer) {
        let Some((top, share)) = self.top(scores) else {
            answer.abstain = Some(AbstainReason::NoExamples);
            return;
        };
        let confidence = self.confidence_in(top, share, scores);
        answer.out_of_scope = match self.scope {
            Some(_) => self.is_out_of_scope(scores),
            // Without an example of what is out of scope, being unlike everything known is the sign.
            None => self.is_unlike_all(confidence, scores),
        };
        if answer.out_of_scope {
            answer.abstain = Some(AbstainReason::OutOfScope);
        } else if confidence < self.threshold {
            answer.abstain = Some(AbstainReason::LowConfidence);
        }
        // What the others share is what the first leaves.
        let rest = f64::from(1.0 - share).max(1e-9);
        let mut labels = self.in_scope(scores);
        labels.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        answer.labels = labels
            .into_iter()
            .take(SHOWN)
            .filter(|(label, share)| *share > 0.0 || *label == top)
            .map(|(label, share)| AnswerLabel {
                label,
                confidence: match label == top {
                    true => confidence,
                    false => ((1.0 - confidence) * f64::from(share) / rest).min(confidence),
                },
                chosen: label == top && !answer.out_of_scope,
            })
            .collect();
    }

    fn answer_several(&self, scores: &Scores, answer: &mut Answer) {
        if scores.shares.is_empty() {
            answer.abstain = Some(AbstainReason::NoExamples);
            return;
        }
        let mut labels: Vec<AnswerLabel> = scores
            .shares
            .iter()
            .enumerate()
            .map(|(label, share)| {
                let confidence = self.confidence_in(label as u16, *share, scores);
                AnswerLabel {
                    label: label as u16,
                    confidence,
                    chosen: *share > 0.0 && confidence >= self.choose,
                }
            })
            .collect();
        labels.sort_by(|a, b| {
            b.confidence
                .total_cmp(&a.confidence)
                .then(a.label.cmp(&b.label))
        });
        // A text with no label at all is rare: the best one is chosen however unsure.
        if let Some(best) = labels.first_mut() {
            best.chosen = scores.shares[usize::from(best.label)] > 0.0;
        }
        let chosen = labels.iter().filter(|label| label.chosen).count();
        let best = labels.first().map_or(0.0, |label| label.confidence);
        if self.is_unlike_all(best, scores) {
            answer.out_of_scope = true;
            answer.abstain = Some(AbstainReason::OutOfScope);
        } else if chosen == 0 || best < self.threshold {
            answer.abstain = Some(AbstainReason::LowConfidence);
        }
        labels.truncate(chosen.max(SHOWN));
        answer.labels = labels;
    }

    /// The label that is most likely right, of those in scope.
    fn top(&self, scores: &Scores) -> Option<(u16, f32)> {
        let best = self.in_scope(scores);
        best.into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    fn in_scope(&self, scores: &Scores) -> Vec<(u16, f32)> {
        let outside = self.scope.map(|scope| scope.label);
        let all = scores
            .shares
            .iter()
            .enumerate()
            .map(|(label, share)| (label as u16, *share));
        all.filter(|(label, _)| Some(*label) != outside).collect()
    }

    fn is_out_of_scope(&self, scores: &Scores) -> bool {
        self.scope.is_some_and(|scope| {
            let known = scores.shares.iter().any(|share| *share > 0.0);
            let inputs = self.scope_inputs(scope.label, scores);
            known && scope.outside.score(&inputs) > scope.above
        })
    }

    /// Whether being unlike everything known says that a text is out of scope, though its best label has
    /// this confidence.
    fn is_unlike_all(&self, confidence: f64, scores: &Scores) -> bool {
        scores.support < self.floor && confidence < self.threshold.min(LIKELY)
    }

    /// The calibrated probability that the label with this share is right.
    fn confidence_in(&self, label: u16, share: f32, scores: &Scores) -> f64 {
        let confidence = self.confidence.probability(&self.inputs(share, scores));
        match self.unevaluated.binary_search(&label) {
            Ok(_) => confidence.min(UNEVALUATED),
            Err(_) => confidence,
        }
    }

    fn inputs(&self, share: f32, scores: &Scores) -> Inputs {
        let share = log_odds(f64::from(share));
        let support = self.support(scores);
        let beyond = (self.seen - support).max(0.0);
        [1.0, share, support, beyond, 0.0]
    }

    /// The inputs that tell that a text is out of scope: how much likelier that is than any label, as a
    /// logarithm, and how near the nearest example is.
    fn scope_inputs(&self, label: u16, scores: &Scores) -> Inputs {
        let outside = scores
            .shares
            .get(usize::from(label))
            .copied()
            .unwrap_or(0.0);
        let inside = self.top(scores).map_or(0.0, |(_, share)| share);
        let log = |share: f32| f64::from(share.max(1e-30)).ln();
        let likelier = log(outside) - log(inside);
        [1.0, likelier, self.support(scores), 0.0, 0.0]
    }

    fn support(&self, scores: &Scores) -> f64 {
        match scores.support.is_finite() {
            true => scores.support,
            false => self.typical,
        }
    }

    /// The same, for labels among which what is out of scope has the number `out_of_scope` (without one
    /// nothing is out of scope by its label), and those of `unevaluated`, ascending, have fewer than two
    /// examples.
    #[must_use]
    pub fn with_labels(mut self, out_of_scope: Option<u16>, unevaluated: Vec<u16>) -> Self {
        let scope = self.scope;
        self.scope = out_of_scope.map(|label| match scope {
            Some(scope) => Scope { label, ..scope },
            None => Scope::new(label),
        });
        self.unevaluated = unevaluated;
        self
    }

    /// Below this confidence an answer is left to a person.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

/// The best micro F1 that one threshold for all labels can give.
pub(super) fn reachable_f1(rows: &[HeldOutRow<'_>]) -> f64 {
    let all: usize = rows.iter().map(|row| row.right.len()).sum();
    let mut judged = Vec::new();
    for row in rows {
        let labels = row.scores.shares.iter().enumerate();
        let likely = labels.filter(|(_, share)| **share > 0.02);
        judged.extend(likely.map(|(label, share)| (*share, row.right.contains(&(label as u16)))));
    }
    judged.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut right = 0;
    judged
        .iter()
        .enumerate()
        .fold(0.0, |best: f64, (at, (_, was_right))| {
            right += usize::from(*was_right);
            best.max(2.0 * right as f64 / (at + 1 + all) as f64)
        })
}

/// The confidence from which on choosing labels gives the best micro F1; `judged` is sorted, the
/// most confident first, and `missed` right labels were not considered at all.
fn best_f1(judged: &[(f64, bool)], missed: usize) -> f64 {
    let all = judged.iter().filter(|(_, right)| *right).count() + missed;
    let (mut right, mut best, mut found) = (0_usize, 0.0, 0.5);
    for (at, (confidence, was_right)) in judged.iter().enumerate() {
        right += usize::from(*was_right);
        let f1 = 2.0 * right as f64 / (at + 1 + all) as f64;
        if f1 > best {
            (best, found) = (f1, *confidence);
        }
    }
    found
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
