//! What an evaluation report shows beside the verdict: every method on the same questions, and slices, where a
//! mean hides a loss.

use super::backtest::BacktestWindow;
use super::bootstrap::ranking_evidence;
use super::holdout::HoldoutEvaluation;
use super::metrics::{metrics, reciprocal};
use super::report::{AgainstChampion, MethodReport, SliceReport};
use crate::history::{ALL_TIME, Corpus, Statistics};
use crate::parallel::{each, threads};
use crate::ranking::{Baseline, Query, Ranker, Scored};

/// Areas with a slice of their own, the largest ones.
const AREAS: usize = 8;
/// An expert with at least this share of all answers is frequent, with less than a quarter of it
/// rare.
const FREQUENT: f32 = 0.10;

/// A tenant's version that serves, and what it knew.
#[derive(Debug, Clone, Copy)]
pub struct Champion<'a> {
    /// Its name, for the report.
    pub name: &'a str,
    /// The ranker.
    pub ranker: &'a Ranker,
    /// Of each item of the corpus, whether it was known when the version was trained.
    pub knew: &'a [bool],
}

/// Each method on the questions of the held-out windows: baselines, incumbent, candidate.
pub(crate) fn methods(
    corpus: &Corpus,
    holdouts: &[BacktestWindow],
    evaluation: &HoldoutEvaluation,
) -> Vec<MethodReport> {
    let queries = || holdouts.iter().flat_map(|window| &window.queries);
    let report = |method: &str, role: &str, answers: Vec<Vec<usize>>| {
        let right = queries().map(|query| &query.right[..]);
        let answers: Vec<_> = answers.into_iter().zip(right).collect();
        MethodReport {
            method: method.to_owned(),
            role: role.to_owned(),
            metrics: metrics(&answers),
        }
    };
    let order = |answers: &[Vec<Vec<Scored>>]| -> Vec<Vec<usize>> {
        let experts = |answer: &Vec<Scored>| answer.iter().map(|one| one.expert).collect();
        answers.iter().flatten().map(experts).collect()
    };
    let answered = each(holdouts.len(), threads(), |at| {
        Baseline::ALL.map(|baseline| ask(baseline, corpus, &holdouts[at]))
    });
    let mut all: Vec<MethodReport> = Baseline::ALL
        .into_iter()
        .enumerate()
        .map(|(which, baseline)| {
            let answers = answered.iter().flat_map(|answers| answers[which].clone());
            report(baseline.name(), "baseline", answers.collect())
        })
        .collect();
    all.push(report(
        "tier above",
        "incumbent",
        order(&evaluation.incumbent),
    ));
    all.push(report(
        "tenant ranker",
        "candidate",
        order(&evaluation.answers),
    ));
    all
}

/// The experts that a baseline answers each question of a window with, best first.
fn ask(baseline: Baseline, corpus: &Corpus, window: &BacktestWindow) -> Vec<Vec<usize>> {
    let items = corpus.items(window.statistics.items()..corpus.len());
    let asked = window.queries.iter().zip(&window.hits).zip(items);
    asked
        .map(|((query, hits), item)| {
            let known = (corpus, &window.statistics);
            let ranked = baseline.rank(known, &item.counted(), hits, &query.candidates);
            ranked.into_iter().map(|(expert, _)| expert).collect()
        })
        .collect()
}

/// The candidate and the version that serves, on the held-out questions that came after that one's
/// training; none where there are none.
pub(crate) fn against_champion(
    holdouts: &[BacktestWindow],
    evaluation: &HoldoutEvaluation,
    champion: Champion<'_>,
    seed: u64,
) -> Option<AgainstChampion> {
    let (mut pairs, mut own, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let mut weights = evaluation.pairs.iter().map(|(_, _, weight)| *weight);
    for (window, answers) in holdouts.iter().zip(&evaluation.answers) {
        let first = window.statistics.items();
        for (at, (query, answer)) in window.queries.iter().zip(answers).enumerate() {
            let weight = weights.next().unwrap_or_default();
            if champion.knew.get(first + at).is_none_or(|knew| *knew) {
                continue;
            }
            let ranked = champion.ranker.rank(&query.features, &query.candidates);
            pairs.push((
                reciprocal(answer, query),
                reciprocal(&ranked, query),
                weight,
            ));
            let order = |ranked: &[Scored]| ranked.iter().map(|one| one.expert).collect();
            own.push((order(&ranked), &query.right[..]));
            new.push((order(answer), &query.right[..]));
        }
    }
    (!pairs.is_empty()).then(|| {
        let evidence = ranking_evidence(&pairs, 0.0, seed);
        AgainstChampion {
            model: champion.name.to_owned(),
            champion: metrics(&own),
            candidate: metrics(&new),
            holds: false,
            evidence,
        }
    })
}

/// Candidate and incumbent by area, by how frequent the right expert is, and by window.
pub(crate) fn slices(
    corpus: &Corpus,
    holdouts: &[BacktestWindow],
    evaluation: &HoldoutEvaluation,
) -> Vec<SliceReport> {
    let mut made = Slices::default();
    let newest_half = holdouts.len().div_ceil(2);
    for (back, window) in holdouts.iter().enumerate() {
        let first = window.statistics.items();
        for (at, query) in window.queries.iter().enumerate() {
            let pair = (
                reciprocal(&evaluation.answers[back][at], query),
                reciprocal(&evaluation.incumbent[back][at], query),
            );
            let age = if back < newest_half { "newer" } else { "older" };
            made.add("window", age, pair);
            made.add("expert", frequency(&window.statistics, query), pair);
            if let Some(area) = corpus.item(first + at).area {
                made.add("area", corpus.area_name(area), pair);
            }
        }
    }
    made.finish()
}

/// How much the most frequent right expert answers.
fn frequency(statistics: &Statistics, query: &Query) -> &'static str {
    let shares = statistics.activity(ALL_TIME);
    let of = |expert: &u16| shares[usize::from(*expert)];
    let share = query.right.iter().map(of).fold(0.0, f32::max);
    match share {
        share if share >= FREQUENT => "frequent",
        share if share >= FREQUENT / 4.0 => "occasional",
        _ => "rare",
    }
}

/// Sums by kind and name of a slice.
#[derive(Default)]
struct Slices {
    sums: Vec<SliceReport>,
}

impl Slices {
    fn add(&mut self, kind: &str, name: &str, (candidate, incumbent): (f64, f64)) {
        let known = self
            .sums
            .iter()
            .position(|one| one.kind == kind && one.name == name);
        let at = known.unwrap_or_else(|| {
            self.sums.push(SliceReport {
                kind: kind.to_owned(),
                name: name.to_owned(),
                queries: 0,
                candidate_mrr: 0.0,
                incumbent_mrr: 0.0,
            });
            self.sums.len() - 1
        });
        let one = &mut self.sums[at];
        one.queries += 1;
        one.candidate_mrr += candidate;
        one.incumbent_mrr += incumbent;
    }

    /// Means, the largest slices first; of areas only the largest ones.
    fn finish(mut self) -> Vec<SliceReport> {
        for one in &mut self.sums {
            one.candidate_mrr /= one.queries as f64;
            one.incumbent_mrr /= one.queries as f64;
        }
        self.sums.sort_by(|a, b| {
            let order = (b.kind.as_str(), b.queries).cmp(&(a.kind.as_str(), a.queries));
            order.then(a.name.cmp(&b.name))
        });
        let mut areas = 0;
        self.sums.retain(|one| {
            areas += usize::from(one.kind == "area");
            one.kind != "area" || areas <= AREAS
        });
        self.sums
    }
}
