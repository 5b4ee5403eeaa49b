//! Training of the tiers above the tenants: one ranker for all of them, or for those of a vertical.
//!
//! It learns from samples, which hold no text and no names, and is evaluation on tenants that it has
//! not learned from: each group of tenants is answered by a ranker fitted on the others.

use domain::{GateRules, Verdict, decide};

use super::shared_sample::SharedTrainingSample;
use crate::evaluation::{
    EvaluationReport, MethodReport, SliceReport, metrics, ranking_evidence, reciprocal, reliability,
};
use crate::ranking::{Calibration, FitSettings, Ranker, Scored};

/// Groups of tenants that are left out in turn.
const GROUPS: usize = 6;
/// Precision of the prior of a vertical's weights around the global ones, in questions.
const VERTICAL_PRIOR_STRENGTH: f64 = 100.0;

const GLOBAL_PRIOR_STRENGTH: f64 = 1e-2;

/// Which tier is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierKind {
    /// From nothing, over all tenants.
    Global,
    /// Near to the global ranker, over the tenants of one vertical.
    Vertical,
}

impl TierKind {
    /// Fewer tenants than this are no tier.
    #[must_use]
    pub fn least_tenants(self) -> usize {
        match self {
            Self::Global => 3,
            Self::Vertical => 2,
        }
    }

    /// A global ranker that is fitted anew has to be as good, on tenants it has not seen, as the one
    /// that serves, which may have seen them; a vertical's has to be better than the global one.
    fn rules(self) -> GateRules {
        let (min_gain, min_low) = match self {
            Self::Global => (-0.002, -0.01),
            Self::Vertical => (0.0, -0.01),
        };
        GateRules {
            min_queries: 60,
            min_gain,
            min_low,
            baseline_tolerance: 0.0,
        }
    }
}

/// What came out of training a tier.
#[derive(Debug, Clone, PartialEq)]
pub struct TierModel {
    /// The ranker, fitted on all tenants.
    pub ranker: Ranker,
    /// How rankers made in the same way did on tenants they had not seen.
    pub report: EvaluationReport,
}

/// Trains a tier on the samples of its tenants (each with its name, for the report), and weighs it
/// against `incumbent`: the tier above, or the global ranker that serves.
#[must_use]
pub fn train_tier(
    kind: TierKind,
    tenants: &[(String, SharedTrainingSample)],
    incumbent: &Ranker,
    seed: u64,
) -> TierModel {
    let groups = GROUPS.min(tenants.len()).max(1);
    let mut evaluation = LeftOutEvaluation::default();
    for group in 0..groups {
        let others = |(at, _): &(usize, _)| at % groups != group;
        let learned: Vec<&SharedTrainingSample> = tenants
            .iter()
            .enumerate()
            .filter(others)
            .map(|(_, (_, sample))| sample)
            .collect();
        let candidate = fit(kind, &learned, incumbent);
        for (name, sample) in tenants.iter().skip(group).step_by(groups) {
            evaluation.ask(name, sample, &candidate, incumbent);
        }
    }
    let all: Vec<&SharedTrainingSample> = tenants.iter().map(|(_, sample)| sample).collect();
    let ranker = fit(kind, &all, incumbent);
    let report = evaluation.report(kind, tenants.len(), &ranker, seed);
    TierModel { ranker, report }
}

fn fit(kind: TierKind, samples: &[&SharedTrainingSample], incumbent: &Ranker) -> Ranker {
    let questions: usize = samples.iter().map(|sample| sample.queries().len()).sum();
    let towards = match kind {
        TierKind::Global => None,
        // All questions together weigh one.
        TierKind::Vertical => Some((incumbent, VERTICAL_PRIOR_STRENGTH / questions.max(1) as f64)),
    };
    fit_samples(samples, towards)
}

/// What was asked of tenants that were left out.
#[derive(Default)]
struct LeftOutEvaluation {
    /// Of each question: reciprocal rank of candidate and incumbent, and how much it counts.
    pairs: Vec<(f64, f64, f64)>,
    answers: [Vec<(Vec<usize>, Vec<u16>)>; 2],
    firsts: Vec<(f64, bool)>,
    slices: Vec<SliceReport>,
}

impl LeftOutEvaluation {
    fn ask(
        &mut self,
        name: &str,
        sample: &SharedTrainingSample,
        candidate: &Ranker,
        incumbent: &Ranker,
    ) {
        let n = sample.queries().len() as f64;
        let mut sums = (0.0, 0.0);
        for query in sample.queries() {
            let rank = |ranker: &Ranker| ranker.rank(&query.features, &query.candidates);
            let (new, old) = (rank(candidate), rank(incumbent));
            let pair = (reciprocal(&new, query), reciprocal(&old, query));
            // Each tenant counts the same, whatever its size.
            self.pairs.push((pair.0, pair.1, 1.0 / n));
            sums = (sums.0 + pair.0, sums.1 + pair.1);
            if let Some(first) = new.first() {
                let right = query.right.iter().any(|r| usize::from(*r) == first.expert);
                self.firsts.push((first.probability, right));
            }
            for (answers, ranked) in self.answers.iter_mut().zip([old, new]) {
                answers.push((order(&ranked), query.right.clone()));
            }
        }
        self.slices.push(SliceReport {
            kind: "tenant".to_owned(),
            name: name.to_owned(),
            queries: sample.queries().len() as u64,
            candidate_mrr: sums.0 / n.max(1.0),
            incumbent_mrr: sums.1 / n.max(1.0),
        });
    }

    fn report(
        mut self,
        kind: TierKind,
        tenants: usize,
        ranker: &Ranker,
        seed: u64,
    ) -> EvaluationReport {
        // The samples hold no baselines' answers; each tenant's own gate looks at those.
        let evidence = ranking_evidence(&self.pairs, 0.0, seed);
        let (verdict, reason) = match tenants < kind.least_tenants() {
            true => (
                Verdict::InsufficientData,
                format!(
                    "{tenants} tenants are too few for a tier; {} are needed",
                    kind.least_tenants()
                ),
            ),
            false => decide(&kind.rules(), &evidence, "the ranker that serves"),
        };
        let names = [
            ("ranker that serves", "incumbent"),
            ("new ranker, tenants unseen", "candidate"),
        ];
        let methods = names
            .into_iter()
            .zip(&self.answers)
            .map(|((method, role), answers)| {
                let answers: Vec<_> = answers
                    .iter()
                    .map(|(ranked, right)| (ranked.clone(), &right[..]))
                    .collect();
                MethodReport {
                    method: method.to_owned(),
                    role: role.to_owned(),
                    metrics: metrics(&answers),
                }
            });
        let methods = methods.collect();
        self.slices.sort_by(|a, b| a.name.cmp(&b.name));
        let (bins, calibration_error) = reliability(&self.firsts);
        EvaluationReport {
            queries: self.pairs.len() as u64,
            history: tenants as u64,
            windows: GROUPS.min(tenants) as u64,
            methods,
            slices: self.slices,
            evidence,
            verdict,
            reason,
            calibration_error,
            reliability: bins,
            interpolation_weight: 1.0,
            weights: ranker
                .weights()
                .map(|(name, weight)| (name.to_owned(), weight))
                .collect(),
            champion: None,
        }
    }
}

fn order(ranked: &[Scored]) -> Vec<usize> {
    ranked.iter().map(|one| one.expert).collect()
}

/// Fits the global ranker on the samples of tenants, each counting the same whatever its size.
#[must_use]
pub fn fit_global(samples: &[&SharedTrainingSample]) -> Ranker {
    fit_samples(samples, None)
}

/// Fits a ranker on the samples of tenants, each counting the same whatever its size; near to
/// `towards`, as if that had been learned from this many questions of each tenant together.
fn fit_samples(samples: &[&SharedTrainingSample], towards: Option<(&Ranker, f64)>) -> Ranker {
    let tenants = samples.len().max(1) as f64;
    let queries = samples.iter().flat_map(|sample| {
        let weight = 1.0 / (sample.queries().len().max(1) as f64 * tenants);
        sample.queries().iter().map(move |query| (query, weight))
    });
    let settings = FitSettings {
        prior_strength: towards.map_or(GLOBAL_PRIOR_STRENGTH, |(_, pull)| pull),
        towards: towards.map(|(ranker, _)| ranker),
    };
    let mut ranker = Ranker::fit(queries, settings);
    let shares: Vec<(f64, bool)> = samples
        .iter()
        .flat_map(|sample| sample.queries())
        .flat_map(|query| ranker.shares(query))
        .collect();
    ranker.calibration = Calibration::fit(&shares).unwrap_or_default();
    ranker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::{FEATURES, FeatureMatrix, Query};

    /// Tenants where the expert with the highest value of one feature is right.
    fn tenant(name: usize, feature: usize, questions: usize) -> (String, SharedTrainingSample) {
        let queries = (0..questions).map(|at| {
            let right = (at * 7 + name) % 5;
            let row = |expert: usize| {
                let noise = ((at * 31 + expert * 17 + name) % 10) as f32 / 10.0;
                let mut row = [noise; FEATURES.len()];
                row[feature] = if expert == right { 3.0 } else { noise };
                row
            };
            Query {
                features: FeatureMatrix::from_rows((0..5).map(row).collect()),
                candidates: (0..5).collect(),
                right: vec![right as u16],
                weight: 1.0,
            }
        });
        (
            format!("t{name}"),
            SharedTrainingSample::of(queries.collect()),
        )
    }

    #[test]
    fn a_tier_that_learned_something_is_promoted() {
        let tenants: Vec<_> = (0..6).map(|at| tenant(at, 2, 60)).collect();
        let ignorant = fit_samples(&[], None);
        let made = train_tier(TierKind::Vertical, &tenants, &ignorant, 3);
        assert_eq!(
            made.report.verdict,
            Verdict::Promote,
            "{}",
            made.report.reason
        );
        assert_eq!(made.report.slices.len(), 6);
        let again = train_tier(TierKind::Vertical, &tenants, &ignorant, 3);
        assert_eq!(made, again, "the same bytes each time");
        // Trained again, it is as good as the one that serves.
        let renewed = train_tier(TierKind::Global, &tenants, &made.ranker, 3);
        assert_eq!(
            renewed.report.verdict,
            Verdict::Promote,
            "{}",
            renewed.report.reason
        );
    }

    #[test]
    fn what_holds_at_one_tenant_only_is_not_promoted() {
        let tenants: Vec<_> = (0..4).map(|at| tenant(at, at, 60)).collect();
        let good = fit_samples(&tenants.iter().map(|(_, s)| s).collect::<Vec<_>>(), None);
        let made = train_tier(TierKind::Vertical, &tenants[..2], &good, 3);
        assert_ne!(
            made.report.verdict,
            Verdict::Promote,
            "{}",
            made.report.reason
        );
        let alone = train_tier(TierKind::Vertical, &tenants[..1], &good, 3);
        assert_eq!(alone.report.verdict, Verdict::InsufficientData);
    }
}
