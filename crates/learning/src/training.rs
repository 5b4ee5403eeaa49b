//! Training: windows over the past, a ranker fitted on the older ones and judged on the newest,
//! then refitted on all.
//!
//! Rolling origin (Tashman, "Out-of-sample tests of forecasting accuracy", 2000): each window's
//! questions see only the items before it, as they would have on that day.

use domain::{GateRules, decide};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::baselines::Baseline;
use crate::calibration::Calibration;
use crate::evaluation::{EvaluationReport, MethodReport, first_right, metrics, reliability};
use crate::features::{Features, Hits};
use crate::gate::{TENANT_RULES, weigh};
use crate::ranker::{FitSettings, Query, Ranker};
use crate::{Corpus, Retriever, Statistics};

/// Share of the items in one window.
const WINDOW: f64 = 0.18;
const WINDOWS: usize = 4;
/// Each older window counts this much of the next newer one.
const FADING: f64 = 0.6;
/// A window needs this many items before it, or its questions say nothing.
const MIN_HISTORY: usize = 20;
const MIN_WINDOW: usize = 5;
/// Windows that judge the candidate; the newest weighs most.
const HOLDOUTS: usize = 2;
/// The pull of a tenant's weights towards the tier above, in questions.
const TENANT_SHRINKAGE: f64 = 50.0;
const GLOBAL_SHRINKAGE: f64 = 1e-3;

/// How far training is: a fraction from 0 to 1 and what it does.
pub type Progress<'a> = dyn Fn(f32, &str) -> bool + Sync + 'a;

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// There is too little to learn from.
    #[error("{found} items with an expert are too few to train on; {needed} are needed")]
    TooFewItems {
        /// What there is.
        found: usize,
        /// What is needed.
        needed: usize,
    },
    /// There is nobody to choose between.
    #[error("all items were answered by one expert; there is nothing to learn")]
    OneExpert,
    /// The caller asked to stop.
    #[error("training was stopped")]
    Stopped,
}

/// What training is told.
#[derive(Debug, Clone, Copy)]
pub struct TrainSettings<'a> {
    /// Of everything random: the bootstrap.
    pub seed: u64,
    /// The tier above: what the candidate is shrunk towards and compared with.
    pub incumbent: &'a Ranker,
    /// What the gate demands; none means the rules of the tenant tier.
    pub rules: Option<GateRules>,
}

/// What came out of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantModel {
    /// The ranker, fitted on everything.
    pub ranker: Ranker,
    /// How a ranker made in the same way did on what it had not seen.
    pub report: EvaluationReport,
}

/// Part of the past: questions `from..to`, seen with the items before `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from: usize,
    to: usize,
}

/// The windows of a history of `n` items, the newest first.
fn windows(n: usize) -> Vec<Window> {
    let length = ((n as f64) * WINDOW).round() as usize;
    (1..=WINDOWS)
        .filter_map(|back| {
            let from = n.checked_sub(back * length)?;
            let window = Window {
                from,
                to: n - (back - 1) * length,
            };
            (length >= MIN_WINDOW && from >= MIN_HISTORY).then_some(window)
        })
        .collect()
}

/// One window's questions with all that methods need to answer them.
struct Exam {
    statistics: Statistics,
    hits: Vec<Hits>,
    queries: Vec<Query>,
}

impl Exam {
    fn new(retriever: &Retriever<'_>, window: Window) -> Self {
        let corpus = retriever.corpus();
        let statistics = Statistics::as_of(corpus, window.from);
        let hits = retriever.hits(&statistics, window.from, window.to);
        let features = Features::new(corpus, &statistics);
        let candidates = features.candidates();
        let items = &corpus.items()[window.from..window.to];
        let queries = items
            .iter()
            .zip(&hits)
            .map(|(item, hits)| Query {
                features: features.compute(&item.words, hits, None),
                candidates: candidates.clone(),
                right: item.experts.clone(),
                weight: 1.0,
            })
            .collect();
        Self {
            statistics,
            hits,
            queries,
        }
    }

    fn weighted(&self, weight: f64) -> Vec<Query> {
        self.queries
            .iter()
            .map(|query| Query {
                weight,
                ..query.clone()
            })
            .collect()
    }
}

/// The questions of the window `from..to`, seen with the items before it: for quality reports that
/// compare methods outside of training.
#[must_use]
pub fn window_queries(retriever: &Retriever<'_>, from: usize, to: usize) -> Vec<Query> {
    Exam::new(retriever, Window { from, to }).queries
}

/// Trains a tenant's ranker and weighs it against the tier above.
///
/// `vectors` are the items' embeddings: one row an item, in the corpus's order. `progress` is told
/// how far it is, and answers whether to go on.
///
/// # Errors
/// [`TrainError`] when there is too little to learn from, or `progress` said to stop.
pub fn train_tenant<'a>(
    corpus: &'a Corpus,
    vectors: ArrayView2<'a, f32>,
    settings: TrainSettings<'_>,
    progress: &Progress<'_>,
) -> Result<TenantModel, TrainError> {
    let retriever = Retriever::new(corpus, vectors);
    let windows = windows(corpus.items().len());
    if windows.is_empty() {
        let found = corpus.items().len();
        return Err(TrainError::TooFewItems {
            found,
            needed: least_items(),
        });
    }
    let mut exams = Vec::with_capacity(windows.len());
    for (done, window) in windows.iter().enumerate() {
        let fraction = 0.1 + 0.6 * done as f32 / windows.len() as f32;
        go_on(progress, fraction, "replaying the past")?;
        exams.push(Exam::new(&retriever, *window));
    }
    if exams[0]
        .queries
        .first()
        .is_none_or(|query| query.candidates.len() < 2)
    {
        return Err(TrainError::OneExpert);
    }
    go_on(progress, 0.75, "judging the candidate")?;
    let judgement = judge(corpus, &exams, settings);
    go_on(progress, 0.9, "refitting on everything")?;
    let mut ranker = fit(&exams, settings.incumbent);
    ranker.calibration = judgement.calibration;
    let report = report(corpus, &exams, &ranker, judgement, settings);
    Ok(TenantModel { ranker, report })
}

fn go_on(progress: &Progress<'_>, fraction: f32, step: &str) -> Result<(), TrainError> {
    if progress(fraction, step) {
        Ok(())
    } else {
        Err(TrainError::Stopped)
    }
}

/// The fewest items that give one window.
fn least_items() -> usize {
    (1..)
        .find(|&n| !windows(n).is_empty())
        .unwrap_or(usize::MAX)
}

/// Fits on the exams, which are newest first.
fn fit(exams: &[Exam], towards: &Ranker) -> Ranker {
    let mut queries = Vec::new();
    for (back, exam) in exams.iter().enumerate() {
        queries.extend(exam.weighted(FADING.powi(back as i32)));
    }
    let settings = FitSettings {
        shrinkage: TENANT_SHRINKAGE,
        towards: Some(towards),
    };
    Ranker::fit(&queries, towards.scales(), settings)
}

/// How a candidate did on windows that it had not seen.
#[derive(Default)]
struct Judgement {
    calibration: Calibration,
    /// Of each question: reciprocal rank of candidate and incumbent, and how much it counts.
    pairs: Vec<(f64, f64, f64)>,
    /// Predicted probability of the first expert, and whether it was right.
    firsts: Vec<(f64, bool)>,
    /// The candidate's answers to the newest window.
    newest: Vec<Vec<usize>>,
}

fn judge(corpus: &Corpus, exams: &[Exam], settings: TrainSettings<'_>) -> Judgement {
    let mut made = Judgement {
        calibration: settings.incumbent.calibration,
        ..Judgement::default()
    };
    let mut shares = Vec::new();
    // The oldest window has nothing before it to fit on: alone, it is judged with the incumbent's
    // own weights, and the verdict can only be "not proven".
    let holdouts = HOLDOUTS.min(exams.len().saturating_sub(1)).max(1);
    for (back, exam) in exams.iter().take(holdouts).enumerate() {
        let mut candidate = fit(&exams[back + 1..], settings.incumbent);
        candidate.calibration = Calibration::default();
        for query in &exam.queries {
            let ranked = candidate.rank(&query.features, &query.candidates);
            let order: Vec<usize> = ranked.iter().map(|one| one.expert).collect();
            let incumbent = settings.incumbent.rank(&query.features, &query.candidates);
            let old = incumbent.iter().map(|one| one.expert);
            let weight = FADING.powi(back as i32);
            made.pairs.push((
                reciprocal(order.iter().copied(), &query.right),
                reciprocal(old, &query.right),
                weight,
            ));
            let is_right = |e: usize| query.right.iter().any(|r| usize::from(*r) == e);
            shares.extend(
                ranked
                    .iter()
                    .map(|one| (one.probability, is_right(one.expert))),
            );
            if let Some(first) = ranked.first() {
                made.firsts
                    .push((first.probability, is_right(first.expert)));
            }
            if back == 0 {
                made.newest.push(order);
            }
        }
    }
    if let Some(calibration) = Calibration::fit(&shares) {
        made.calibration = calibration;
    }
    for (probability, _) in &mut made.firsts {
        *probability = made.calibration.probability(*probability);
    }
    debug_assert!(corpus.items().len() >= made.newest.len());
    made
}

fn reciprocal(ranked: impl IntoIterator<Item = usize>, right: &[u16]) -> f64 {
    first_right(ranked, right).map_or(0.0, |place| 1.0 / place as f64)
}

fn report(
    corpus: &Corpus,
    exams: &[Exam],
    ranker: &Ranker,
    judgement: Judgement,
    settings: TrainSettings<'_>,
) -> EvaluationReport {
    let newest = &exams[0];
    let right: Vec<&[u16]> = newest
        .queries
        .iter()
        .map(|query| &query.right[..])
        .collect();
    let method = |method: &str, role: &str, answers: Vec<Vec<usize>>| {
        let answers: Vec<_> = answers.into_iter().zip(right.iter().copied()).collect();
        MethodReport {
            method: method.to_owned(),
            role: role.to_owned(),
            metrics: metrics(&answers),
        }
    };
    let mut methods: Vec<MethodReport> = Baseline::ALL
        .into_iter()
        .map(|baseline| {
            let answers = newest
                .queries
                .iter()
                .zip(&newest.hits)
                .map(|(query, hits)| {
                    let ranked = baseline.rank(corpus, &newest.statistics, hits, &query.candidates);
                    ranked.into_iter().map(|(expert, _)| expert).collect()
                });
            method(baseline.name(), "baseline", answers.collect())
        })
        .collect();
    let best_baseline = methods.iter().map(|m| m.metrics.mrr).fold(0.0, f64::max);
    let incumbent = newest.queries.iter().map(|query| {
        let ranked = settings.incumbent.rank(&query.features, &query.candidates);
        ranked.into_iter().map(|one| one.expert).collect()
    });
    methods.push(method("global ranker", "incumbent", incumbent.collect()));
    methods.push(method("tenant ranker", "candidate", judgement.newest));
    let candidate_mrr = methods.last().map_or(0.0, |m| m.metrics.mrr);
    let evidence = weigh(
        &judgement.pairs,
        candidate_mrr - best_baseline,
        settings.seed,
    );
    let (verdict, reason) = decide(&settings.rules.unwrap_or(TENANT_RULES), &evidence);
    let (bins, calibration_error) = reliability(&judgement.firsts);
    EvaluationReport {
        queries: newest.queries.len() as u64,
        history: newest.statistics.items() as u64,
        methods,
        evidence,
        verdict,
        reason,
        calibration_error,
        reliability: bins,
        weights: ranker
            .weights()
            .map(|(name, weight)| (name.to_owned(), weight))
            .collect(),
    }
}

/// Fits the global ranker on several tenants, each counting the same whatever its size.
#[must_use]
pub fn fit_global(tenants: &[Retriever<'_>]) -> Ranker {
    let mut queries = Vec::new();
    for retriever in tenants {
        queries.extend(tenant_queries(retriever, tenants.len()));
    }
    let scales = Ranker::spread(&queries);
    let settings = FitSettings {
        shrinkage: GLOBAL_SHRINKAGE,
        towards: None,
    };
    let mut ranker = Ranker::fit(&queries, &scales, settings);
    let shares: Vec<(f64, bool)> = queries
        .iter()
        .flat_map(|query| {
            let ranked = ranker.rank(&query.features, &query.candidates);
            ranked.into_iter().map(|one| {
                (
                    one.probability,
                    query.right.iter().any(|r| usize::from(*r) == one.expert),
                )
            })
        })
        .collect();
    ranker.calibration = Calibration::fit(&shares).unwrap_or_default();
    ranker
}

/// A tenant's questions over all windows, with weights that sum to its share among `tenants`.
fn tenant_queries(retriever: &Retriever<'_>, tenants: usize) -> Vec<Query> {
    let mut queries: Vec<Query> = windows(retriever.corpus().items().len())
        .into_iter()
        .enumerate()
        .flat_map(|(back, window)| Exam::new(retriever, window).weighted(FADING.powi(back as i32)))
        .collect();
    let total: f64 = queries.iter().map(|query| query.weight).sum();
    for query in &mut queries {
        query.weight /= total * tenants as f64;
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_newest_first_and_leave_a_past() {
        let all = windows(1000);
        assert_eq!(all.len(), 4);
        assert_eq!(
            all[0],
            Window {
                from: 820,
                to: 1000
            }
        );
        assert_eq!(all[3], Window { from: 280, to: 460 });
        assert!(windows(10).is_empty());
        assert!(
            windows(60)
                .iter()
                .all(|w| w.from >= MIN_HISTORY && w.to > w.from)
        );
        assert!(least_items() < 40);
    }
}
