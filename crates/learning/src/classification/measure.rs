//! Measures of answers on held-out rows, and the evidence for the gate.

use std::collections::BTreeMap;

use domain::GateEvidence;

use super::LabelSet;
use super::report::{ClassReport, MethodScores};
use crate::evaluation::{Interval, bootstrap, reliability};

/// Labels whose whole confusion matrix is shown.
const WHOLE_MATRIX: usize = 30;
const MISTAKES: usize = 100;
const CLASSES: usize = 200;

/// Answered labels and right labels of one row.
pub(super) type Pair<'a> = (Vec<u16>, &'a [u16]);

/// Right answers, answers, and rows, of one label.
#[derive(Clone, Copy, Default)]
struct Counts {
    hits: u64,
    answered: u64,
    rows: u64,
}

impl Counts {
    fn f1(self) -> f64 {
        share(2 * self.hits, self.answered + self.rows)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn counts(labels: usize, pairs: &[Pair<'_>]) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); labels];
    for (answered, right) in pairs {
        for &label in answered {
            counts[usize::from(label)].answered += 1;
            counts[usize::from(label)].hits += u64::from(right.contains(&label));
        }
        right
            .iter()
            .for_each(|&label| counts[usize::from(label)].rows += 1);
    }
    counts
}

/// The scores of a method.
pub(super) fn method(name: &str, role: &str, labels: usize, pairs: &[Pair<'_>]) -> MethodScores {
    let all = counts(labels, pairs);
    let sum = all.iter().fold(Counts::default(), |sum, one| Counts {
        hits: sum.hits + one.hits,
        answered: sum.answered + one.answered,
        rows: sum.rows + one.rows,
    });
    let present: Vec<&Counts> = all.iter().filter(|one| one.rows > 0).collect();
    let exact = pairs
        .iter()
        .filter(|(answered, right)| is_exact(answered, right))
        .count();
    MethodScores {
        method: name.to_owned(),
        role: role.to_owned(),
        accuracy: share(exact as u64, pairs.len() as u64),
        micro_f1: sum.f1(),
        macro_f1: present.iter().map(|one| one.f1()).sum::<f64>() / present.len().max(1) as f64,
        weighted_f1: present
            .iter()
            .map(|one| one.f1() * one.rows as f64)
            .sum::<f64>()
            / (sum.rows.max(1)) as f64,
        ..MethodScores::default()
    }
}

fn is_exact(answered: &[u16], right: &[u16]) -> bool {
    answered.len() == right.len() && answered.iter().all(|label| right.contains(label))
}

/// What a row is worth: the F1 of its answer, which for one label is whether it is right.
fn worth(answered: &[u16], right: &[u16]) -> f64 {
    let hits = answered
        .iter()
        .filter(|label| right.contains(label))
        .count();
    match answered.len() + right.len() {
        0 => 1.0,
        all => 2.0 * hits as f64 / all as f64,
    }
}

/// What each row is worth.
pub(super) fn worths(pairs: &[Pair<'_>]) -> Vec<f64> {
    let rows = pairs.iter();
    rows.map(|(answered, right)| worth(answered, right))
        .collect()
}

/// By label, the most frequent first.
pub(super) fn classes(labels: &LabelSet, pairs: &[Pair<'_>]) -> Vec<ClassReport> {
    let mut all: Vec<ClassReport> = counts(labels.len(), pairs)
        .into_iter()
        .zip(labels.names())
        .filter(|(one, _)| one.rows + one.answered > 0)
        .map(|(one, name)| ClassReport {
            label: name.clone(),
            support: one.rows,
            precision: share(one.hits, one.answered),
            recall: share(one.hits, one.rows),
            f1: one.f1(),
        })
        .collect();
    all.sort_by(|a, b| b.support.cmp(&a.support).then(a.label.cmp(&b.label)));
    all.truncate(CLASSES);
    all
}

/// Cells of the confusion matrix: right label, answered label, how often; and whether these are all.
/// Of several labels, each right one that was missed stands against each wrong one of the answer.
pub(super) fn confusions(
    labels: &LabelSet,
    pairs: &[Pair<'_>],
) -> (Vec<(String, String, u64)>, bool) {
    let whole = labels.len() <= WHOLE_MATRIX;
    let mut cells: BTreeMap<(u16, u16), u64> = BTreeMap::new();
    for (answered, right) in pairs {
        for &actual in *right {
            if answered.contains(&actual) {
                if whole {
                    *cells.entry((actual, actual)).or_default() += 1;
                }
                continue;
            }
            for &wrong in answered.iter().filter(|label| !right.contains(label)) {
                *cells.entry((actual, wrong)).or_default() += 1;
            }
        }
    }
    let mut cells: Vec<_> = cells.into_iter().collect();
    cells.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    if !whole {
        cells.truncate(MISTAKES);
    }
    let name = |label: u16| labels.names()[usize::from(label)].clone();
    let named = cells
        .into_iter()
        .map(|((actual, said), n)| (name(actual), name(said), n));
    (named.collect(), whole)
}

/// Expected calibration error of confidences with whether they were right.
pub(super) fn calibration_error(firsts: &[(f64, bool)]) -> f64 {
    reliability(firsts).1
}

/// The evidence in what rows are worth with the classifier and with the incumbent.
pub(super) fn evidence(pairs: &[(f64, f64)], seed: u64) -> GateEvidence {
    let differences: Vec<(f64, f64)> = pairs.iter().map(|(new, old)| (new - old, 1.0)).collect();
    let Interval { mean, low, high } = bootstrap(&differences, seed);
    GateEvidence {
        queries: pairs.len() as u64,
        mean_gain: mean,
        low,
        high,
        // The incumbent is the best baseline.
        margin_over_baselines: mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        LabelSet::of(vec!["a".into(), "b".into(), "c".into()], 0)
    }

    #[test]
    fn numbers_are_what_they_say() {
        let right: [&[u16]; 4] = [&[0], &[0], &[1], &[1]];
        let answered = [vec![0], vec![1], vec![1], vec![1]];
        let pairs: Vec<Pair<'_>> = answered.into_iter().zip(right).collect();
        let found = method("head", "candidate", 3, &pairs);
        assert!((found.accuracy - 0.75).abs() < 1e-12 && (found.micro_f1 - 0.75).abs() < 1e-12);
        assert!(
            (found.macro_f1 - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-12,
            "c is not there"
        );
        let (cells, whole) = confusions(&labels(), &pairs);
        assert!(
            whole && cells.contains(&("a".into(), "b".into(), 1)),
            "{cells:?}"
        );
        let classes = classes(&labels(), &pairs);
        assert_eq!(classes.len(), 2);
        assert!(
            (classes[0].precision - 1.0).abs() < 1e-12 && (classes[0].recall - 0.5).abs() < 1e-12
        );
    }

    #[test]
    fn a_missed_label_and_a_wrong_one_stand_against_each_other() {
        let right: &[u16] = &[0, 1];
        let (cells, _) = confusions(&labels(), &[(vec![0, 2], right)]);
        assert_eq!(
            cells,
            [("a".into(), "a".into(), 1), ("b".into(), "c".into(), 1)]
        );
        assert!((worth(&[0, 2], right) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_same_answers_gain_nothing() {
        let found = evidence(&[(1.0, 1.0); 40], 1);
        assert_eq!((found.queries, found.mean_gain, found.low), (40, 0.0, 0.0));
        assert!(evidence(&[(1.0, 0.0), (1.0, 1.0)].repeat(50), 1).low > 0.3);
    }
}
