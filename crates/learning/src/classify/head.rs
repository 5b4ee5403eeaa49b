//! A trained head: features, weights, and how its scores become answers.

use domain::TaskKind;
use serde::{Deserialize, Serialize};

use super::decision::{Answer, AnswerValue, Decision, Scores};
use super::linear::{Linear, sigmoid, softmax};
use super::rows::one;
use super::terms::Terms;

/// How a number stands to the text's score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct ValueScale {
    /// The middle of the values that were learned from.
    pub middle: f64,
    /// How far they lie apart.
    pub spread: f64,
    /// How much of the score's difference from the middle is believed.
    pub trust: f64,
    /// Nine of ten held-out values lay above the prediction plus this.
    pub below: f64,
    /// And below the prediction plus this.
    pub above: f64,
}

/// Everything of a head but the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct HeadParts {
    pub kind: TaskKind,
    /// The labels, by output.
    pub labels: Vec<String>,
    pub dimensions: usize,
    pub dense_scale: f32,
    /// How much of the probabilities comes from the neighbours' votes.
    pub blend: f32,
    pub terms: Terms,
    pub decision: Decision,
    pub value: Option<ValueScale>,
}

/// A trained head. It is immutable, and deterministic in text and embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub(super) parts: HeadParts,
    pub(super) linear: Linear,
}

impl Head {
    /// A head of these parts; none when they do not fit each other.
    pub(super) fn new(parts: HeadParts, linear: Linear) -> Option<Self> {
        let (features, outputs) = linear.weights.dim();
        let wanted = match parts.kind {
            TaskKind::Regression => 1,
            TaskKind::SingleLabel | TaskKind::MultiLabel => parts.labels.len(),
        };
        let sound = outputs == wanted
            && linear.bias.len() == outputs
            && features == parts.dimensions + parts.terms.width()
            && parts.terms.is_sound()
            && (parts.kind == TaskKind::Regression) == parts.value.is_some()
            && linear
                .weights
                .iter()
                .chain(&linear.bias)
                .all(|w| w.is_finite());
        sound.then_some(Self { parts, linear })
    }

    /// What it predicts.
    #[must_use]
    pub fn kind(&self) -> TaskKind {
        self.parts.kind
    }

    /// Its labels, by the number that answers name.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.parts.labels
    }

    /// Whether it was made for embeddings of this many numbers.
    #[must_use]
    pub fn fits(&self, dimensions: usize) -> bool {
        self.parts.dimensions == dimensions
    }

    /// The answer for a text, its embedding, and the votes of its neighbours ([`super::knn`] over
    /// this head's labels; none where nobody looked). An embedding of another length is a caller's error
    /// ([`Head::fits`]): the missing numbers count as zero.
    #[must_use]
    pub fn answer(&self, text: &str, vector: &[f32], near: Option<&Scores>) -> Answer {
        let parts = &self.parts;
        let mut dense: Vec<f32> = vector.iter().map(|x| x * parts.dense_scale).collect();
        dense.resize(parts.dimensions, 0.0);
        let terms = parts.terms.row(text);
        let raw = one(
            &dense,
            &terms,
            self.linear.weights.view(),
            self.linear.bias.view(),
        );
        let mut shares = raw.to_vec();
        match parts.kind {
            TaskKind::Regression => {
                let value = parts.value.map(|scale| scale.answer(f64::from(shares[0])));
                return Answer {
                    value,
                    ..Answer::default()
                };
            }
            TaskKind::SingleLabel => softmax(&mut shares),
            TaskKind::MultiLabel => shares.iter_mut().for_each(|s| *s = sigmoid(*s)),
        }
        if let Some(near) = near {
            blend(&mut shares, &near.shares, parts.blend);
        }
        parts.decision.answer(&Scores {
            shares,
            support: near.map_or(f64::NAN, |near| near.support),
        })
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.linear.weights.len() * 4 + self.parts.terms.width() * 8 + self.parts.labels.len() * 64
    }
}

/// Mixes a share of the neighbours' votes into a head's probabilities.
pub(super) fn blend(shares: &mut [f32], near: &[f32], by: f32) {
    if by > 0.0 && near.len() == shares.len() {
        let both = shares.iter_mut().zip(near);
        both.for_each(|(own, theirs)| *own = (1.0 - by) * *own + by * theirs);
    }
}

impl ValueScale {
    pub(super) fn value(&self, score: f64) -> f64 {
        self.middle + self.trust * self.spread * score
    }

    fn answer(&self, score: f64) -> AnswerValue {
        let value = self.value(score);
        AnswerValue {
            value,
            low: value + self.below,
            high: value + self.above,
        }
    }
}
