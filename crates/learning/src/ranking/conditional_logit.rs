//! The ranker: a conditional logit over candidate experts.
//!
//! The probability that expert `e` answers is the softmax over the candidates of a linear score
//! (McFadden, "Conditional logit analysis of qualitative choice behavior", 1974). A dozen weights,
//! fitted by Newton's method, shrunk towards another ranker's where there is one: the loss is convex,
//! so the same queries give the same weights.

#![allow(
    clippy::needless_range_loop,
    reason = "small matrices read best by their indices"
)]

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::features::{FEATURE_SET, FEATURES, FeatureMatrix, PROFILE, PROFILE_PRIOR};
use crate::solvers::solve;

const F: usize = FEATURES.len();
const NEWTON_STEPS: usize = 25;
const STEP_HALVINGS: usize = 12;
/// Numbers of candidates whose squares are added to the Hessian at once.
const BLOCK: usize = 1_024 * F;

/// Weights of the features, and how to read its scores as probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranker {
    /// Which features the weights are of: a [`FEATURE_SET`].
    #[serde(default)]
    features: u32,
    /// One weight a feature, in the order of [`FEATURES`].
    weights: Vec<f64>,
    /// From softmax to probability.
    pub calibration: Calibration,
}

/// One question to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The features of all experts.
    pub features: FeatureMatrix,
    /// The experts that can be recommended.
    pub candidates: Vec<u16>,
    /// The experts that were right.
    pub right: Vec<u16>,
    /// How much it counts.
    pub weight: f64,
}

/// One expert's place in an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The expert, as a position in the corpus's experts.
    pub expert: usize,
    /// The linear score.
    pub score: f64,
    /// The calibrated probability that this expert is a right one.
    pub probability: f64,
}

/// What one feature added to a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// The feature, as a position in [`FEATURES`].
    pub feature: usize,
    /// Its value for this expert.
    pub value: f64,
    /// Weight times the value's distance from the mean over the candidates.
    pub contribution: f64,
}

/// How a ranker is fitted.
#[derive(Debug, Clone, Copy)]
pub struct FitSettings<'a> {
    /// Precision of the Gaussian prior around the weights of `towards` (or zero), in questions.
    pub prior_strength: f64,
    /// The ranker to stay near to.
    pub towards: Option<&'a Ranker>,
}

impl Ranker {
    /// Fits weights to `queries`, each counting its weight times the factor beside it. Questions that
    /// no candidate was right for tell nothing and are passed over.
    #[must_use]
    pub fn fit<'q>(
        queries: impl IntoIterator<Item = (&'q Query, f64)>,
        settings: FitSettings<'_>,
    ) -> Self {
        let prepared: Vec<(PreparedQuery, f64)> = queries
            .into_iter()
            .filter_map(|(query, factor)| Some((PreparedQuery::new(query)?, factor)))
            .collect();
        let counting = prepared.iter().map(|(query, factor)| (query, *factor));
        Self::fit_prepared(counting.collect(), settings, &mut WarmStart::default())
    }

    /// The same on prepared questions. Going on from what was fitted to nearly the same questions takes
    /// less time to the same weights.
    pub(crate) fn fit_prepared(
        queries: Vec<(&PreparedQuery, f64)>,
        settings: FitSettings<'_>,
        nearby: &mut WarmStart,
    ) -> Self {
        let anchor: Vec<f64> = match settings.towards {
            Some(ranker) => ranker.weights.clone(),
            None => (0..F)
                .map(|f| if f == PROFILE { PROFILE_PRIOR } else { 0.0 })
                .collect(),
        };
        let loss = Loss {
            queries,
            anchor: &anchor,
            prior_strength: settings.prior_strength,
        };
        let weights = loss.minimize(nearby);
        let calibration = settings
            .towards
            .map(|ranker| ranker.calibration)
            .unwrap_or_default();
        Self {
            features: FEATURE_SET,
            weights,
            calibration,
        }
    }

    /// The ranker that lies between this one (0) and `other` (1): its scores are the weighted mean of
    /// theirs. Keeps this one's calibration.
    #[must_use]
    pub fn towards(&self, other: &Self, share: f64) -> Self {
        let weights = self.weights.iter().zip(&other.weights);
        Self {
            features: self.features,
            weights: weights.map(|(a, b)| a + share * (b - a)).collect(),
            calibration: self.calibration,
        }
    }

    /// Each feature with its weight.
    pub fn weights(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        FEATURES.iter().copied().zip(self.weights.iter().copied())
    }

    /// Whether it was made for the features of this version of the code and has only numbers.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let known = self.features == FEATURE_SET && self.weights.len() == F;
        known && self.weights.iter().all(|w| w.is_finite())
    }

    /// The candidates, best first; equal scores by the expert's position.
    #[must_use]
    pub fn rank(&self, features: &FeatureMatrix, candidates: &[u16]) -> Vec<Scored> {
        let mut scored: Vec<Scored> = candidates
            .iter()
            .map(|&expert| {
                let expert = usize::from(expert);
                Scored {
                    expert,
                    score: self.score(features.row(expert)),
                    probability: 0.0,
                }
            })
            .collect();
        scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.expert.cmp(&b.expert)));
        let best = scored.first().map_or(0.0, |first| first.score);
        let total: f64 = scored.iter().map(|one| (one.score - best).exp()).sum();
        for one in &mut scored {
            let share = (one.score - best).exp() / total;
            one.probability = self.calibration.probability(share);
        }
        scored
    }

    /// The share of each candidate's score in a question, and whether that candidate was right.
    pub(crate) fn shares(&self, query: &Query) -> Vec<(f64, bool)> {
        let plain = Self {
            calibration: Calibration::default(),
            ..self.clone()
        };
        let ranked = plain.rank(&query.features, &query.candidates);
        let right = |one: &Scored| query.right.iter().any(|r| usize::from(*r) == one.expert);
        ranked
            .iter()
            .map(|one| (one.probability, right(one)))
            .collect()
    }

    /// What each feature added to an expert's score, the strongest first. The contributions of one
    /// expert sum to the distance of its score from the mean score of the candidates.
    #[must_use]
    pub fn explain(
        &self,
        features: &FeatureMatrix,
        candidates: &[u16],
        expert: usize,
    ) -> Vec<Contribution> {
        let n = candidates.len().max(1) as f64;
        let mut all: Vec<Contribution> = (0..F)
            .map(|feature| {
                let value_of = |e: usize| f64::from(features.row(e)[feature]);
                let mean = candidates
                    .iter()
                    .map(|&e| value_of(usize::from(e)))
                    .sum::<f64>()
                    / n;
                let value = value_of(expert);
                let contribution = self.weights[feature] * (value - mean);
                Contribution {
                    feature,
                    value,
                    contribution,
                }
            })
            .collect();
        all.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        all
    }

    fn score(&self, row: &[f32; F]) -> f64 {
        let terms = row.iter().zip(&self.weights);
        terms
            .map(|(value, weight)| f64::from(*value) * weight)
            .sum()
    }
}

/// A query's candidates, with the share of the truth that each has.
pub(crate) struct PreparedQuery {
    rows: Vec<[f32; F]>,
    truth: Vec<f64>,
    weight: f64,
}

impl PreparedQuery {
    /// Prepares a question; none where no candidate was right, as that tells nothing.
    pub(crate) fn new(query: &Query) -> Option<Self> {
        let is_right: Vec<bool> = query
            .candidates
            .iter()
            .map(|candidate| query.right.contains(candidate))
            .collect();
        let right = is_right.iter().filter(|right| **right).count();
        if right == 0 {
            return None;
        }
        let rows = query
            .candidates
            .iter()
            .map(|&expert| *query.features.row(usize::from(expert)));
        let share = 1.0 / right as f64;
        let truth = is_right
            .iter()
            .map(|&right| if right { share } else { 0.0 });
        Some(Self {
            rows: rows.collect(),
            truth: truth.collect(),
            weight: query.weight,
        })
    }
}

struct Loss<'a> {
    /// Questions, and how much each counts beside its weight.
    queries: Vec<(&'a PreparedQuery, f64)>,
    anchor: &'a [f64],
    prior_strength: f64,
}

/// What a fit leaves for the next one, to nearly the same questions.
#[derive(Debug, Default)]
pub(crate) struct WarmStart {
    weights: Option<Vec<f64>>,
    /// The last Hessian that was made.
    hessian: Option<Array2<f64>>,
}

/// Value and gradient at one point, and the Hessian (symmetric) where it is wanted.
struct Point {
    value: f64,
    gradient: [f64; F],
    hessian: Option<Array2<f64>>,
}

impl Loss<'_> {
    /// Newton's method with step halving. A Hessian is made anew only where the last one leads astray.
    fn minimize(&self, nearby: &mut WarmStart) -> Vec<f64> {
        let start = nearby.weights.take();
        let mut weights = start.unwrap_or_else(|| self.anchor.to_vec());
        let mut here = self.at(&weights, nearby.hessian.is_none());
        for _ in 0..NEWTON_STEPS {
            let is_own = here.hessian.is_some();
            nearby.hessian = here.hessian.take().or_else(|| nearby.hessian.take());
            let Some(step) = here.step(nearby.hessian.as_ref()) else {
                break;
            };
            // Twice what a step of Newton's gains near the end.
            let promised: f64 = step.iter().zip(here.gradient).map(|(s, g)| s * g).sum();
            if promised <= 2e-9 * (1.0 + here.value.abs()) {
                break;
            }
            let mut length = 1.0;
            let mut gained = None;
            for _ in 0..if is_own { STEP_HALVINGS } else { 1 } {
                let next: Vec<f64> = weights
                    .iter()
                    .zip(&step)
                    .map(|(w, s)| w - length * s)
                    .collect();
                let there = self.at(&next, false);
                if there.value <= here.value {
                    gained = Some(here.value - there.value);
                    (weights, here) = (next, there);
                    break;
                }
                length /= 2.0;
            }
            match gained {
                None if is_own => break,
                Some(gained) if gained > 0.25 * promised => {}
                _ => here = self.at(&weights, true),
            }
        }
        nearby.weights = Some(weights.clone());
        weights
    }

    fn at(&self, weights: &[f64], with_hessian: bool) -> Point {
        let mut point = Point {
            value: 0.0,
            gradient: [0.0; F],
            // A little on the diagonal keeps it invertible where a feature never varies.
            hessian: with_hessian.then(|| Array2::eye(F) * (self.prior_strength + 1e-9)),
        };
        for f in 0..F {
            let distance = weights[f] - self.anchor[f];
            point.value += 0.5 * self.prior_strength * distance * distance;
            point.gradient[f] = self.prior_strength * distance;
        }
        let mut rows = Vec::new();
        for (query, factor) in &self.queries {
            point.add(query, factor * query.weight, weights, &mut rows);
            if rows.len() >= BLOCK {
                point.add_to_hessian(&mut rows);
            }
        }
        point.add_to_hessian(&mut rows);
        point
    }
}

impl Point {
    /// The Newton step: the Hessian's inverse times the gradient.
    fn step(&self, hessian: Option<&Array2<f64>>) -> Option<Vec<f64>> {
        let gradient = Array2::from_shape_fn((F, 1), |(f, _)| self.gradient[f]);
        let step = solve(hessian?.clone(), &gradient)?;
        Some(step.into_raw_vec_and_offset().0)
    }

    /// Adds one query that counts `weight`; what it adds to the Hessian is left to do in `rows`, each of
    /// which adds its square.
    fn add(&mut self, query: &PreparedQuery, weight: f64, weights: &[f64], rows: &mut Vec<f64>) {
        let scores: Vec<f64> = query
            .rows
            .iter()
            .map(|row| {
                let terms = row.iter().zip(weights);
                terms
                    .map(|(value, weight)| f64::from(*value) * weight)
                    .sum()
            })
            .collect();
        let best = scores.iter().copied().fold(f64::MIN, f64::max);
        let exps: Vec<f64> = scores.iter().map(|score| (score - best).exp()).collect();
        let total: f64 = exps.iter().sum();
        let mut mean = [0.0; F];
        for ((row, exp), (truth, score)) in query
            .rows
            .iter()
            .zip(&exps)
            .zip(query.truth.iter().zip(&scores))
        {
            let p = exp / total;
            if *truth > 0.0 {
                self.value -= weight * truth * (score - best - total.ln());
            }
            for f in 0..F {
                let value = f64::from(row[f]);
                mean[f] += p * value;
                self.gradient[f] += weight * (p - truth) * value;
            }
            if self.hessian.is_some() {
                let root = (weight * p).sqrt();
                rows.extend(row.iter().map(|value| root * f64::from(*value)));
            }
        }
        if let Some(hessian) = &mut self.hessian {
            for f in 0..F {
                for g in 0..F {
                    hessian[[f, g]] -= weight * mean[f] * mean[g];
                }
            }
        }
    }

    /// Adds the squares of `rows` to the Hessian, many at once.
    fn add_to_hessian(&mut self, rows: &mut Vec<f64>) {
        let block = ArrayView2::from_shape((rows.len() / F, F), rows);
        if let (Some(hessian), Ok(block)) = (&mut self.hessian, block) {
            general_mat_mul(1.0, &block.t(), &block, 1.0, hessian);
        }
        rows.clear();
    }
}
