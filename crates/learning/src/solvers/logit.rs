//! Logistic regression over a handful of inputs with a Gaussian prior around given weights (maximum a
//! posteriori), by Newton's method: what turns scores into probabilities where there may be few cases, and
//! cases may count differently. `linfa-logistic` has neither weights nor a prior other than zero:
//! `docs/adr/0012-solvers-and-linfa.md`.

use ndarray::Array2;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::cholesky::solve;

/// Inputs of all uses here: a bias and up to four.
const INPUTS: usize = 5;

/// How often a step that leads uphill is halved.
const STEP_HALVINGS: usize = 12;

/// The inputs of one case; the first is 1.
pub type Inputs = [f64; INPUTS];

/// `probability = sigmoid(weights · inputs)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logit {
    /// One an input.
    #[serde(deserialize_with = "padded")]
    pub weights: Inputs,
}

impl Logit {
    /// Fits to cases: inputs, whether it was so, and the weight of the case. `self` is the prior's mean, and
    /// `prior_strength` its precision: without cases nothing moves.
    #[must_use]
    pub fn fit(&self, cases: &[(Inputs, bool, f64)], prior_strength: f64) -> Self {
        let mut weights = self.weights;
        for _ in 0..50 {
            let mut gradient = Array2::<f64>::zeros((INPUTS, 1));
            let mut hessian = Array2::<f64>::zeros((INPUTS, INPUTS));
            for i in 0..INPUTS {
                gradient[[i, 0]] = prior_strength * (weights[i] - self.weights[i]);
                hessian[[i, i]] = prior_strength;
            }
            for (inputs, so, weight) in cases {
                let p = Self { weights }.probability(inputs);
                let error = weight * (p - f64::from(u8::from(*so)));
                let bend = weight * (p * (1.0 - p)).max(1e-6);
                for i in 0..INPUTS {
                    gradient[[i, 0]] += error * inputs[i];
                    for j in 0..INPUTS {
                        hessian[[i, j]] += bend * inputs[i] * inputs[j];
                    }
                }
            }
            let Some(step) = solve(hessian, &gradient) else {
                break;
            };
            let size = step.iter().fold(0.0_f64, |most, s| most.max(s.abs()));
            if size < 1e-8 {
                break;
            }
            // A long step overshoots where the curve is flat: it is halved until it leads downhill.
            let mut shorten = if size > 2.0 { 2.0 / size } else { 1.0 };
            let before = self.loss(&weights, cases, prior_strength);
            let stepped = (0..STEP_HALVINGS).find_map(|_| {
                let next = std::array::from_fn(|at| weights[at] - shorten * step[[at, 0]]);
                shorten /= 2.0;
                (self.loss(&next, cases, prior_strength) < before).then_some(next)
            });
            let Some(next) = stepped else { break };
            weights = next;
        }
        match weights.iter().all(|w| w.is_finite()) {
            true => Self { weights },
            false => *self,
        }
    }

    /// The negative log-posterior: the distance from the prior, and the log-loss of each case.
    fn loss(&self, weights: &Inputs, cases: &[(Inputs, bool, f64)], prior_strength: f64) -> f64 {
        let prior = weights.iter().zip(&self.weights);
        let moved: f64 = prior.map(|(w, p)| (w - p) * (w - p)).sum();
        let here = Self { weights: *weights };
        let surprise = |(inputs, so, weight): &(Inputs, bool, f64)| {
            let score = here.score(inputs);
            let against = if *so { -score } else { score };
            weight * (against.max(0.0) + (-against.abs()).exp().ln_1p())
        };
        0.5 * prior_strength * moved + cases.iter().map(surprise).sum::<f64>()
    }

    /// The probability.
    #[must_use]
    pub fn probability(&self, inputs: &Inputs) -> f64 {
        1.0 / (1.0 + (-self.score(inputs)).exp())
    }

    /// The log-odds of the probability.
    #[must_use]
    pub fn score(&self, inputs: &Inputs) -> f64 {
        self.weights.iter().zip(inputs).map(|(w, x)| w * x).sum()
    }
}

/// Reports of earlier versions had fewer inputs.
fn padded<'de, D: Deserializer<'de>>(from: D) -> Result<Inputs, D::Error> {
    let mut weights = Vec::<f64>::deserialize(from)?;
    if weights.len() < INPUTS {
        weights.resize(INPUTS, 0.0);
    }
    let refuse = |weights: Vec<f64>| D::Error::invalid_length(weights.len(), &"at most five");
    weights.try_into().map_err(refuse)
}

/// The log-odds of a probability, which is first taken away from the ends: below one in ten thousand neither
/// votes nor softmax shares tell cases apart, and a logarithm far from all others would outweigh them.
#[must_use]
pub fn log_odds(share: f64) -> f64 {
    let share = share.clamp(1e-4, 1.0 - 1e-4);
    (share / (1.0 - share)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_away_inputs_do_not_keep_it_from_the_bottom() {
        // Shares of exactly zero have logarithms far from all others.
        let case = |far: f64, near: f64| [1.0, far, near, 0.0, 0.0];
        let cases: Vec<(Inputs, bool, f64)> = (0..100)
            .map(|_| (case(-69.0, 0.9), false, 0.6))
            .chain((0..20).map(|i| (case(if i % 2 == 0 { -69.0 } else { 0.0 }, 0.1), true, 3.0)))
            .collect();
        let prior = Logit {
            weights: [0.0, 1.0, 0.0, 0.0, 0.0],
        };
        let fitted = prior.fit(&cases, 2.0);
        for (inputs, so, _) in &cases {
            assert_eq!(fitted.probability(inputs) > 0.5, *so, "{fitted:?}");
        }
    }

    #[test]
    fn weights_of_fewer_inputs_can_be_read() {
        let old: Logit = serde_json::from_str(r#"{"weights":[1.0,2.0,3.0,4.0]}"#).unwrap();
        assert_eq!(old.weights, [1.0, 2.0, 3.0, 4.0, 0.0]);
        let more = serde_json::from_str::<Logit>(r#"{"weights":[0,0,0,0,0,0]}"#);
        assert!(more.is_err());
    }

    #[test]
    fn what_was_observed_is_predicted_and_nothing_keeps_the_prior() {
        let prior = Logit {
            weights: [0.0, 1.0, 0.0, 0.0, 0.0],
        };
        assert_eq!(prior.fit(&[], 1.0), prior);
        let case = |share| [1.0, log_odds(share), 0.0, 0.0, 0.0];
        let cases: Vec<(Inputs, bool, f64)> = (0..400)
            .map(|i| (case(0.9), i % 10 < 6, 1.0))
            .chain((0..400).map(|i| (case(0.1), i % 10 < 2, 1.0)))
            .collect();
        let fitted = prior.fit(&cases, 1.0);
        assert!(
            (fitted.probability(&cases[0].0) - 0.6).abs() < 0.02,
            "{fitted:?}"
        );
        assert!(
            (fitted.probability(&cases[500].0) - 0.2).abs() < 0.02,
            "{fitted:?}"
        );
        let all_right: Vec<_> = cases.iter().map(|(x, _, w)| (*x, true, *w)).collect();
        assert!(
            prior
                .fit(&all_right, 1.0)
                .weights
                .iter()
                .all(|w| w.is_finite())
        );
    }
}
