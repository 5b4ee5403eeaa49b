//! The baselines: keyword rules, similarity to the names and descriptions of labels (zero-shot), votes of the
//! nearest labelled items (k nearest neighbours), and the median. A classifier has to be no worse than each.

use domain::{TaskDefinition, normalized};
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::recipe::{NEIGHBOURS, SHARPNESS, ZERO_SHOT_SHARPNESS};
use super::{LabelSet, Scores};
use crate::solvers::softmax;
use crate::text::keywords::{Rules, apply, standing_out};
use crate::text::tokens;

/// A baseline: a method that needs no training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SimpleMethod {
    /// Rules: the keywords that the task lists, and those that labelled items show.
    Keywords,
    /// Similarity to labels' names and descriptions.
    ZeroShot,
    /// Votes of the nearest labelled items.
    Knn,
    /// Of numbers: the middle one.
    Median,
}

impl SimpleMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Keywords, Self::ZeroShot, Self::Knn, Self::Median];

    /// Its name, as reports and `model_override` say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keywords => "keywords",
            Self::ZeroShot => "zero-shot",
            Self::Knn => "knn",
            Self::Median => "median",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Keyword rules.
#[derive(Debug, Clone, Default)]
pub struct Keywords {
    labels: usize,
    /// Listed phrases in normal form, framed by spaces, with their label and weight.
    phrases: Vec<(String, u16, f32)>,
    /// Words that items with a label show, by the word's number.
    shown: Rules,
}

impl Keywords {
    /// The rules of a task: its listed keywords and its labels' names, and words that stand out in
    /// `examples` (texts with their labels).
    #[must_use]
    pub fn new<'a>(
        task: &TaskDefinition,
        labels: &LabelSet,
        examples: impl IntoIterator<Item = (&'a str, &'a [u16])>,
    ) -> Self {
        let mut phrases = Vec::new();
        let mut add = |text: &str, label: u16, weight: f32| {
            let phrase = normalized(text);
            if !phrase.is_empty() {
                // A longer phrase is a stronger sign.
                let weight = weight * phrase.split(' ').count() as f32;
                phrases.push((format!(" {phrase} "), label, weight));
            }
        };
        for (number, name) in labels.names().iter().enumerate() {
            add(name, number as u16, 1.5);
        }
        for label in &task.labels {
            if let Some(number) = labels.number(&label.name) {
                label
                    .keywords
                    .iter()
                    .for_each(|keyword| add(keyword, number, 3.0));
            }
        }
        let counted = |(text, own)| (tokens::count(text).into_iter().map(|(word, _)| word), own);
        Self {
            labels: labels.len(),
            phrases,
            shown: standing_out(labels.len(), examples.into_iter().map(counted)),
        }
    }

    /// What the rules say of a text.
    #[must_use]
    pub fn scores(&self, text: &str) -> Scores {
        let framed = format!(" {} ", normalized(text));
        let words = tokens::count(text).into_iter().map(|(word, _)| word);
        let mut shares = apply(&self.shown, words, self.labels);
        for (phrase, label, weight) in &self.phrases {
            if framed.contains(phrase.as_str()) {
                shares[usize::from(*label)] += weight;
            }
        }
        let total: f32 = shares.iter().sum();
        if total > 0.0 {
            shares.iter_mut().for_each(|share| *share /= total);
        }
        let support = f64::from(total / (total + 3.0));
        Scores { shares, support }
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.phrases.len() * 80 + self.shown.len() * 64
    }
}

/// Similarity to what labels are called.
#[derive(Debug, Clone, Default)]
pub struct ZeroShot {
    /// One row a label, of length 1.
    vectors: Array2<f32>,
}

impl ZeroShot {
    /// Of labels whose texts ([`LabelSet::texts`]) have these embeddings, one row each.
    #[must_use]
    pub fn new(vectors: Array2<f32>) -> Self {
        Self { vectors }
    }

    /// How near a text's embedding is to each label. Without labels, or with an embedding of another
    /// length, nothing is said.
    #[must_use]
    pub fn scores(&self, vector: &[f32]) -> Scores {
        if self.vectors.ncols() != vector.len() {
            return Scores::default();
        }
        let mut shares = self.vectors.dot(&ArrayView1::from(vector)).to_vec();
        let support = shares.iter().copied().fold(0.0, f32::max);
        shares
            .iter_mut()
            .for_each(|share| *share *= ZERO_SHOT_SHARPNESS);
        if !shares.is_empty() {
            softmax(&mut shares);
        }
        Scores {
            shares,
            support: f64::from(support),
        }
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.vectors.len() * 4
    }
}

/// The votes of neighbours, nearest first: their similarity and their labels' numbers.
#[must_use]
pub fn knn<'a>(labels: usize, nearest: impl IntoIterator<Item = (f32, &'a [u16])>) -> Scores {
    let mut shares = vec![0.0_f32; labels];
    let (mut total, mut top) = (0.0_f32, 0.0_f32);
    for (similarity, own) in nearest.into_iter().take(NEIGHBOURS) {
        top = top.max(similarity);
        let vote = (SHARPNESS * (similarity - 1.0)).exp();
        total += vote;
        own.iter()
            .for_each(|&label| shares[usize::from(label)] += vote);
    }
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share /= total);
    }
    Scores {
        shares,
        support: f64::from(top),
    }
}

/// The weighted middle of the neighbours' values; none without neighbours.
#[must_use]
pub fn knn_value(nearest: impl IntoIterator<Item = (f32, f64)>) -> Option<f64> {
    let mut votes: Vec<(f64, f64)> = nearest
        .into_iter()
        .take(2 * NEIGHBOURS)
        .map(|(similarity, value)| (value, f64::from((4.0 * (similarity - 1.0)).exp())))
        .collect();
    votes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = votes.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    votes
        .into_iter()
        .find(|(_, weight)| {
            sum += weight;
            sum >= half
        })
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::super::train::tests::task;
    use super::*;
    use domain::{Target, TaskKind, TaskLabel};

    #[test]
    fn rules_answer_before_any_item_is_labelled() {
        let mut task = task(TaskKind::SingleLabel);
        for (name, keyword) in [("refund", "money back"), ("bug", "crash")] {
            task.labels.push(TaskLabel {
                name: name.into(),
                description: String::new(),
                keywords: vec![keyword.into()],
            });
        }
        let labels = LabelSet::new(&task, &[]);
        let rules = Keywords::new(&task, &labels, []);
        let scores = rules.scores("Please: give my MONEY  back!");
        assert!(
            scores.shares[0] > 0.99 && scores.support > 0.5,
            "{scores:?}"
        );
        assert!(rules.scores("hello").shares.iter().all(|s| *s == 0.0));
    }

    #[test]
    fn items_show_further_words() {
        let task = task(TaskKind::SingleLabel);
        let targets: Vec<Target> = ["a", "b"]
            .iter()
            .map(|l| Target::Labels(vec![(*l).to_owned()]))
            .collect();
        let labels = LabelSet::new(&task, &targets);
        let texts = [
            "invoice late",
            "invoice wrong",
            "server down",
            "server slow",
        ];
        let own: [&[u16]; 4] = [&[0], &[0], &[1], &[1]];
        let rules = Keywords::new(&task, &labels, texts.into_iter().zip(own));
        assert!(rules.scores("which invoice?").shares[0] > 0.9);
    }

    #[test]
    fn nothing_is_near_to_no_label() {
        assert_eq!(ZeroShot::default().scores(&[1.0, 0.0]), Scores::default());
        let one = ZeroShot::new(Array2::from_shape_fn((2, 2), |(r, c)| {
            f32::from(u8::from(r == c))
        }));
        assert!(one.scores(&[1.0, 0.0]).shares[0] > 0.99);
        assert_eq!(one.scores(&[1.0]), Scores::default(), "of another space");
    }

    #[test]
    fn near_neighbours_outvote_far_ones() {
        let near: &[u16] = &[1];
        let far: &[u16] = &[0];
        let scores = knn(2, [(0.99, near), (0.5, far), (0.5, far), (0.5, far)]);
        assert!(scores.shares[1] > 0.9, "{scores:?}");
        assert_eq!(knn(2, []).support, 0.0);
        assert_eq!(knn_value([(0.9, 1.0), (0.9, 5.0), (0.9, 2.0)]), Some(2.0));
        assert_eq!(knn_value([]), None);
    }
}
