//! Stacking (Wolpert, "Stacked generalization", 1992) where a text has several labels: the classifier's
//! probability beside the neighbours' votes, the similarity to the label's name, and whether the name stands in
//! the text.
//!
//! A classifier learns each label by itself and knows little of rare ones; the other evidence means the same for
//! every label, so its weights are learned once for all.

use super::answer::Scores;
use super::recipe::{POSSIBLE, PRIOR_CASES};
use super::text_features::char_ngrams;
use crate::solvers::{Inputs, Logit, log_odds};

/// Rows that the weights are learned from at the most; more would not change five numbers.
const ROWS: usize = 10_000;

/// The baselines' scores of a text, over a classifier's labels.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineScores {
    /// The votes of its neighbours ([`super::knn`]).
    pub votes: Scores,
    /// Its similarity to the labels ([`super::ZeroShot`]); looked at where a text has several labels
    /// ([`super::LinearClassifier::combines_evidence`]).
    pub zero_shot: Scores,
}

/// The names of labels, as character 3-grams: "baking" and "baked" share most of them, in many
/// languages.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LabelNames(Vec<Vec<u32>>);

impl LabelNames {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| distinct_ngrams(name)).collect())
    }

    /// The share of each name that stands in the text.
    pub(super) fn shares(&self, text: &str) -> Vec<f32> {
        let text = distinct_ngrams(text);
        let share = |name: &Vec<u32>| {
            let found = name.iter().filter(|run| text.binary_search(run).is_ok());
            found.count() as f32 / name.len().max(1) as f32
        };
        self.0.iter().map(share).collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|name| name.len() * 4 + 24).sum()
    }
}

fn distinct_ngrams(text: &str) -> Vec<u32> {
    let lower = text.to_lowercase();
    let mut found = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            char_ngrams(word, 3..=3, &mut |run| found.push(run));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// A held-out text to learn the weights from.
pub(super) struct Case<'a> {
    pub text: &'a str,
    /// The classifier's probabilities.
    pub classifier: &'a [f32],
    pub votes: &'a [f32],
    pub zero_shot: &'a [f32],
    pub right: &'a [u16],
}

/// The weights of each kind of evidence, from rows that were held out.
pub(super) fn fit_stack(names: &LabelNames, rows: &[Case<'_>]) -> Logit {
    let alone = Logit {
        weights: [0.0, 1.0, 0.0, 0.0, 0.0],
    };
    let mut cases = Vec::new();
    for row in rows.iter().step_by(rows.len().div_ceil(ROWS).max(1)) {
        let named = names.shares(row.text);
        for (label, inputs) in each(row.classifier, row.votes, row.zero_shot, &named).enumerate() {
            if row.classifier[label] > POSSIBLE || row.votes[label] > POSSIBLE {
                cases.push((inputs, row.right.contains(&(label as u16)), 1.0));
            }
        }
    }
    alone.fit(&cases, PRIOR_CASES)
}

/// Puts the probabilities by all evidence in place of the classifier's. Without a number for
/// each label they stay as they are.
pub(super) fn combine(
    mix: &Logit,
    names: &LabelNames,
    text: &str,
    classifier: &mut [f32],
    votes: &[f32],
    zero_shot: &[f32],
) {
    if votes.len() != classifier.len() || zero_shot.len() != classifier.len() {
        return;
    }
    let named = names.shares(text);
    let all: Vec<f32> = each(classifier, votes, zero_shot, &named)
        .map(|inputs| mix.probability(&inputs) as f32)
        .collect();
    if all.len() == classifier.len() {
        classifier.copy_from_slice(&all);
    }
}

fn each<'a>(
    classifier: &'a [f32],
    votes: &'a [f32],
    zero_shot: &'a [f32],
    named: &'a [f32],
) -> impl Iterator<Item = Inputs> + 'a {
    let odds = |share: &f32| log_odds(f64::from(*share));
    let both = classifier
        .iter()
        .zip(votes)
        .zip(zero_shot.iter().zip(named));
    both.map(move |((classifier, votes), (near, named))| {
        [
            1.0,
            odds(classifier),
            odds(votes),
            odds(near),
            f64::from(*named),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_its_forms() {
        let names = LabelNames::new(&["food-safety".into(), "baking".into(), "§".into()]);
        let shares = names.shares("Is it safe to keep BAKED food?");
        assert!(shares[0] > 0.5, "food, and most of safe: {shares:?}");
        assert!(shares[1] > 0.2 && shares[1] < 0.6, "{shares:?}");
        assert_eq!(shares[2], 0.0, "a name without letters is never found");
        assert_eq!(names.shares(""), [0.0; 3]);
    }

    #[test]
    fn what_helped_on_held_out_rows_is_believed() {
        let names = LabelNames::new(&["alpha".into(), "beta".into()]);
        let rights: Vec<Vec<u16>> = (0..200).map(|row| vec![row % 2]).collect();
        let votes: Vec<[f32; 2]> = (0..200)
            .map(|row| if row % 2 == 0 { [0.9, 0.1] } else { [0.1, 0.9] })
            .collect();
        let rows: Vec<Case<'_>> = rights
            .iter()
            .zip(&votes)
            .map(|(right, votes)| Case {
                text: "gamma",
                classifier: &[0.5, 0.5],
                votes,
                zero_shot: &[0.5, 0.5],
                right,
            })
            .collect();
        let mix = fit_stack(&names, &rows);
        let mut shares = [0.5, 0.5];
        combine(&mix, &names, "gamma", &mut shares, &votes[0], &[0.5, 0.5]);
        assert!(shares[0] > 0.8 && shares[1] < 0.2, "{shares:?}");
        // Nothing was held out: the classifier stands alone.
        let mix = fit_stack(&names, &[]);
        let mut shares = [0.3, 0.6];
        combine(&mix, &names, "alpha", &mut shares, &votes[0], &[0.5, 0.5]);
        assert!((shares[0] - 0.3).abs() < 1e-6 && (shares[1] - 0.6).abs() < 1e-6);
        let before = shares;
        combine(&mix, &names, "alpha", &mut shares, &[1.0], &[]);
        assert_eq!(shares, before, "what does not fit is not looked at");
    }
}
