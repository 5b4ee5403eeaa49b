//! Training: a ranker fitted on a tenant's past, judged on newer windows than it has seen, then
//! refitted on all.

use std::ops::Range;

use domain::{GateRules, Trial, Verdict, champion_holds, decide};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::evaluation_metrics::{EvaluationReport, reliability};
use crate::exam::{Exam, exams};
use crate::gate::{TENANT_RULES, weigh};
use crate::helpers::each;
use crate::judgement::{Judgement, judge};
use crate::ranker::{FitSettings, Nearby, Prepared, Ranker};
use crate::recipe::{RankerRecipe, Search, search};
use crate::report::{against_champion, methods, slices};
use crate::signal::Signal;
use crate::windows::{least_items, windows};
use crate::{Corpus, Retriever};

const GLOBAL_SHRINKAGE: f64 = 1e-2;

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

/// What training is told.
#[derive(Debug, Clone, Copy)]
pub struct TrainSettings<'a> {
    /// Of everything random: the bootstrap.
    pub seed: u64,
    /// The tier above: what the candidate is shrunk towards and compared with.
    pub incumbent: &'a Ranker,
    /// What the gate demands; none means the rules of the tenant tier.
    pub rules: Option<GateRules>,
    /// How the ranker is trained, where nothing is searched.
    pub recipe: RankerRecipe,
    /// A search for a better recipe.
    pub search: Option<Search>,
    /// The version that the candidate would replace, where there is one.
    pub champion: Option<Champion<'a>>,
}

/// What came out of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantModel {
    /// The ranker, fitted on everything.
    pub ranker: Ranker,
    /// How a ranker made in the same way did on what it had not seen.
    pub report: EvaluationReport,
    /// How it was trained.
    pub recipe: RankerRecipe,
    /// What a search tried; empty where nothing was searched.
    #[serde(skip)]
    pub trials: Vec<Trial>,
    /// What the tenant can give for training the tiers above: numbers only.
    #[serde(skip)]
    pub signal: Signal,
}

/// A ranker as the artifact store keeps it: serving reads the ranker, people the recipe.
#[derive(Serialize)]
struct Artifact<'a> {
    #[serde(flatten)]
    ranker: &'a Ranker,
    recipe: RankerRecipe,
}

impl TenantModel {
    /// The ranker as the artifact store keeps it. The same dataset, settings and seed give the same
    /// bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let artifact = Artifact {
            ranker: &self.ranker,
            recipe: self.recipe,
        };
        // The type holds nothing that JSON cannot say.
        serde_json::to_vec(&artifact).unwrap_or_default()
    }
}

/// Trains a tenant's ranker and weighs it against the tier above.
///
/// `vectors` are the items' embeddings: one row an item, in the corpus's order. `progress` is told
/// how far it is, and answers whether to go on; it may be called from several threads.
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
    let exams = replay(&retriever, progress)?;
    if exams[0]
        .queries
        .first()
        .is_none_or(|query| query.candidates.len() < 2)
    {
        return Err(TrainError::OneExpert);
    }
    let (recipe, trials) = match settings.search {
        Some(wanted) => search(
            &exams,
            settings.incumbent,
            (wanted, settings.seed),
            progress,
        )?,
        None => (settings.recipe, Vec::new()),
    };
    go_on(progress, 0.85, "judging the candidate")?;
    let judgement = judge(&exams, settings.incumbent, &recipe);
    go_on(progress, 0.9, "refitting on everything")?;
    let fitted = fit(&exams, settings.incumbent, &recipe);
    let mut ranker = settings.incumbent.towards(&fitted, judgement.share);
    ranker.calibration = judgement.calibration;
    let report = report(corpus, &exams, &ranker, &judgement, settings);
    Ok(TenantModel {
        ranker,
        report,
        recipe,
        trials,
        signal: Signal::sample(&exams),
    })
}

/// The exams of all windows, the newest first.
fn replay(retriever: &Retriever<'_>, progress: &Progress<'_>) -> Result<Vec<Exam>, TrainError> {
    let found = retriever.corpus().items().len();
    let windows = windows(found);
    if windows.is_empty() {
        return Err(TrainError::TooFewItems {
            found,
            needed: least_items(),
        });
    }
    let told = |done: usize| {
        let fraction = 0.05 + 0.7 * done as f32 / windows.len() as f32;
        progress(fraction, "replaying the past")
    };
    exams(retriever, &windows, &told).ok_or(TrainError::Stopped)
}

pub(crate) fn go_on(progress: &Progress<'_>, fraction: f32, step: &str) -> Result<(), TrainError> {
    if progress(fraction, step) {
        Ok(())
    } else {
        Err(TrainError::Stopped)
    }
}

/// Fits on the exams, which are newest first.
fn fit(exams: &[Exam], towards: &Ranker, recipe: &RankerRecipe) -> Ranker {
    let mut fitted = fit_each(exams, 0..1, towards, recipe);
    fitted.pop().unwrap_or_else(|| towards.clone())
}

/// A ranker for each of `newest`: fitted on the exams from that one on, which are newest first.
///
/// Two neighbours learn from nearly the same questions, so each begins where the one before ended. There
/// are always so many such chains, as bytes must not depend on how many cores there are.
pub(crate) fn fit_each(
    exams: &[Exam],
    newest: Range<usize>,
    towards: &Ranker,
    recipe: &RankerRecipe,
) -> Vec<Ranker> {
    const CHAINS: usize = 2;
    let prepare = |exam: &Exam| exam.queries.iter().filter_map(Prepared::new).collect();
    let prepared: Vec<Vec<Prepared>> = exams[newest.start..].iter().map(prepare).collect();
    let settings = FitSettings {
        shrinkage: recipe.shrinkage,
        towards: Some(towards),
    };
    let fit = |from: usize, nearby: &mut Nearby| {
        let known = prepared[from..].iter().enumerate();
        let queries = known.flat_map(|(back, exam)| {
            let fading = recipe.fading.powi(back as i32);
            exam.iter().map(move |query| (query, fading))
        });
        Ranker::fit_prepared(queries.collect(), settings, nearby)
    };
    let places: Vec<usize> = (0..newest.len()).collect();
    let chains: Vec<&[usize]> = places
        .chunks(places.len().div_ceil(CHAINS).max(1))
        .collect();
    let fitted = each(chains.len(), CHAINS, |at| {
        let mut nearby = Nearby::default();
        let oldest_first = chains[at].iter().rev();
        let mut fitted: Vec<Ranker> = oldest_first.map(|&from| fit(from, &mut nearby)).collect();
        fitted.reverse();
        fitted
    });
    fitted.concat()
}

fn report(
    corpus: &Corpus,
    exams: &[Exam],
    ranker: &Ranker,
    judgement: &Judgement,
    settings: TrainSettings<'_>,
) -> EvaluationReport {
    let judged = &exams[..judgement.windows];
    let methods = methods(corpus, judged, judgement);
    let mrr = |role: &str| {
        let of_role = methods.iter().filter(|method| method.role == role);
        of_role.map(|m| m.metrics.mrr).fold(0.0, f64::max)
    };
    let margin = mrr("candidate") - mrr("baseline");
    let evidence = weigh(&judgement.pairs, margin, settings.seed);
    let rules = settings.rules.unwrap_or(TENANT_RULES);
    let (verdict, reason) = match judgement.fitted_on_nothing {
        true => (
            Verdict::InsufficientData,
            "there is one window of questions only, and none to learn from before it".to_owned(),
        ),
        false => decide(&rules, &evidence),
    };
    let mut champion = settings
        .champion
        .and_then(|champion| against_champion(judged, judgement, champion, settings.seed));
    let beside = champion.as_mut().filter(|_| verdict == Verdict::Promote);
    let held = beside.and_then(|one| Some((champion_holds(&rules, &one.evidence)?, one)));
    let (verdict, reason) = match held {
        Some((why, one)) => {
            one.holds = true;
            (Verdict::Keep, why)
        }
        None => (verdict, reason),
    };
    let (bins, calibration_error) = reliability(&judgement.firsts);
    EvaluationReport {
        queries: judged.iter().map(|exam| exam.queries.len() as u64).sum(),
        history: exams[0].statistics.items() as u64,
        windows: judgement.windows as u64,
        methods,
        slices: slices(corpus, judged, judgement),
        evidence,
        verdict,
        reason,
        calibration_error,
        reliability: bins,
        own_share: judgement.share,
        weights: ranker
            .weights()
            .map(|(name, weight)| (name.to_owned(), weight))
            .collect(),
        champion,
    }
}

/// What a tenant gives for training the tiers above, from its whole history.
#[must_use]
pub fn signal_of(retriever: &Retriever<'_>) -> Signal {
    replay(retriever, &|_, _| true)
        .map_or_else(|_| Signal::default(), |exams| Signal::sample(&exams))
}

/// Fits the global ranker on the signals of tenants, each counting the same whatever its size.
#[must_use]
pub fn fit_global(signals: &[&Signal]) -> Ranker {
    fit_signals(signals, None)
}

/// Fits a ranker on the signals of tenants, each counting the same whatever its size; near to
/// `towards`, as if that had been learned from this many questions of each tenant together.
pub(crate) fn fit_signals(signals: &[&Signal], towards: Option<(&Ranker, f64)>) -> Ranker {
    let tenants = signals.len().max(1) as f64;
    let queries = signals.iter().flat_map(|signal| {
        let weight = 1.0 / (signal.queries().len().max(1) as f64 * tenants);
        signal.queries().iter().map(move |query| (query, weight))
    });
    let settings = FitSettings {
        shrinkage: towards.map_or(GLOBAL_SHRINKAGE, |(_, pull)| pull),
        towards: towards.map(|(ranker, _)| ranker),
    };
    let mut ranker = Ranker::fit(queries, settings);
    let shares: Vec<(f64, bool)> = signals
        .iter()
        .flat_map(|signal| signal.queries())
        .flat_map(|query| ranker.shares(query))
        .collect();
    ranker.calibration = Calibration::fit(&shares).unwrap_or_default();
    ranker
}
