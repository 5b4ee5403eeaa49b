//! A trained linear classifier: features, weights, and how its scores become answers.

use domain::TaskKind;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, AnswerValue, Scores};
use super::decision::Decision;
use super::evidence::{BaselineScores, LabelNames, combine};
use super::ordinal_bins::OrdinalBins;
use super::surface_features::{MEASURES, SurfaceFeatures};
use super::text_features::Terms;
use crate::solvers::Logit;
use crate::solvers::{LogisticRegression, one, sigmoid, softmax};

/// How a number is read from the shares of its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ValueScale {
    /// The values that shares are predicted of.
    #[serde(rename = "steps")]
    pub bins: OrdinalBins,
    /// The median of the values that were learned from.
    #[serde(rename = "middle")]
    pub median: f64,
    /// How much of a prediction's distance from the median is believed.
    pub trust: f64,
    /// Nine of ten held-out values lay above the prediction plus this.
    pub below: f64,
    /// And below the prediction plus this.
    pub above: f64,
}

/// Everything of a classifier but the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClassifierParts {
    pub kind: TaskKind,
    /// The labels, by output.
    pub labels: Vec<String>,
    pub dimensions: usize,
    pub dense_scale: f32,
    /// What else counts beside the classifier's own probabilities, where a text has several labels.
    pub mix: Option<Logit>,
    pub terms: Terms,
    /// What else is measured of a text, where it counts.
    #[serde(rename = "shape")]
    pub surface: Option<SurfaceFeatures>,
    pub decision: Decision,
    pub value: Option<ValueScale>,
}

/// A trained linear classifier. It is immutable, and deterministic in text and embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearClassifier {
    pub(super) parts: ClassifierParts,
    pub(super) linear: LogisticRegression,
    /// Of the labels, where they count.
    names: LabelNames,
}

impl LinearClassifier {
    /// A classifier of these parts; none when they do not fit each other.
    pub(super) fn new(parts: ClassifierParts, linear: LogisticRegression) -> Option<Self> {
        let (features, outputs) = linear.weights.dim();
        let wanted = match parts.kind {
            TaskKind::Regression => parts.value.as_ref()?.bins.len(),
            TaskKind::SingleLabel | TaskKind::MultiLabel => parts.labels.len(),
        };
        let measures = parts.surface.as_ref().map_or(0, |_| MEASURES);
        let beside = measures + parts.terms.width();
        let sound = outputs == wanted
            && linear.bias.len() == outputs
            && features.checked_sub(beside) == Some(parts.dimensions)
            && parts.terms.is_sound()
            && parts.surface.as_ref().is_none_or(SurfaceFeatures::is_sound)
            && parts
                .value
                .as_ref()
                .is_none_or(|value| value.bins.is_sound())
            && (parts.kind == TaskKind::Regression) == parts.value.is_some()
            && linear
                .weights
                .iter()
                .chain(&linear.bias)
                .all(|w| w.is_finite());
        let names = match parts.mix {
            Some(_) => LabelNames::new(&parts.labels),
            None => LabelNames::default(),
        };
        sound.then_some(Self {
            parts,
            linear,
            names,
        })
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

    /// The answer for a text, its embedding, and what the baselines say of it (over this classifier's
    /// labels; none where they were not computed). An embedding of another length is a caller's error
    /// ([`LinearClassifier::fits`]): the missing numbers count as zero.
    #[must_use]
    pub fn answer(&self, text: &str, vector: &[f32], beside: Option<&BaselineScores>) -> Answer {
        let parts = &self.parts;
        let mut dense: Vec<f32> = vector.iter().map(|x| x * parts.dense_scale).collect();
        dense.resize(parts.dimensions, 0.0);
        if let Some(surface) = &parts.surface {
            dense.extend(surface.row(text));
        }
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
                softmax(&mut shares);
                let value = parts.value.as_ref().map(|scale| scale.answer(&shares));
                return Answer {
                    value,
                    ..Answer::default()
                };
            }
            TaskKind::SingleLabel => softmax(&mut shares),
            TaskKind::MultiLabel => shares.iter_mut().for_each(|s| *s = sigmoid(*s)),
        }
        if let (Some(mix), Some(BaselineScores { votes, zero_shot })) = (&parts.mix, beside) {
            let (votes, near) = (&votes.shares, &zero_shot.shares);
            combine(mix, &self.names, text, &mut shares, votes, near);
        }
        parts.decision.answer(&Scores {
            shares,
            support: beside.map_or(f64::NAN, |beside| beside.votes.support),
        })
    }

    /// Whether it weighs what the baselines say beside its own probabilities.
    #[must_use]
    pub fn combines_evidence(&self) -> bool {
        self.parts.mix.is_some()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let parts = &self.parts;
        let words = parts.terms.width() * 8 + parts.labels.len() * 64 + self.names.bytes();
        self.linear.weights.len() * 4 + words
    }
}

impl ValueScale {
    fn answer(&self, shares: &[f32]) -> AnswerValue {
        let value = self.median + self.trust * (self.bins.median(shares) - self.median);
        AnswerValue {
            value,
            low: value + self.below,
            high: value + self.above,
        }
    }
}
