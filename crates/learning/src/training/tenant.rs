//! Training: a ranker fitted on a tenant's past, judged on newer windows than it has seen, then
//! refitted on all.

use domain::{GateRules, Trial, Verdict, champion_holds, decide};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::progress::{Progress, TrainError, go_on};
use super::random_search::Search;
use super::recipe_search::search;
use super::shared_sample::SharedTrainingSample;
use crate::evaluation::{
    BacktestWindow, Champion, EvaluationReport, HoldoutEvaluation, TENANT_RULES, against_champion,
    backtest, evaluate_on_holdout, methods, questions, ranking_evidence, reliability, slices,
};
use crate::history::{Corpus, Retriever, least_items, windows};
use crate::ranking::{Ranker, RankerRecipe, fit_each};

/// How a tenant's ranker is trained and compared.
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
    /// What the tenant shares for training the tiers above: numbers only.
    #[serde(skip)]
    pub shared_sample: SharedTrainingSample,
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

/// Trains a tenant's ranker and compares it with the tier above.
///
/// `vectors` are the items' embeddings: one row an item, in the corpus's order. `progress` is given
/// the fraction done, and returns whether to go on; it may be called from several threads.
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
    let windows = replay(&retriever, progress)?;
    if windows[0]
        .queries
        .first()
        .is_none_or(|query| query.candidates.len() < 2)
    {
        return Err(TrainError::OneExpert);
    }
    let (recipe, trials) = match settings.search {
        Some(wanted) => search(
            &windows,
            settings.incumbent,
            (wanted, settings.seed),
            progress,
        )?,
        None => (settings.recipe, Vec::new()),
    };
    go_on(progress, 0.85, "evaluating the candidate")?;
    let evaluation = evaluate_on_holdout(&windows, settings.incumbent, &recipe);
    go_on(progress, 0.9, "refitting on everything")?;
    let fitted = fit(&windows, settings.incumbent, &recipe);
    let mut ranker = settings
        .incumbent
        .towards(&fitted, evaluation.interpolation_weight);
    ranker.calibration = evaluation.calibration;
    let report = report(corpus, &windows, &ranker, &evaluation, settings);
    Ok(TenantModel {
        ranker,
        report,
        recipe,
        trials,
        shared_sample: SharedTrainingSample::sample(&windows),
    })
}

/// Backtests of all windows of the history, the newest first.
pub(super) fn replay(
    retriever: &Retriever<'_>,
    progress: &Progress<'_>,
) -> Result<Vec<BacktestWindow>, TrainError> {
    let found = retriever.corpus().len();
    let windows = windows(found);
    if windows.is_empty() {
        return Err(TrainError::TooFewItems {
            found,
            needed: least_items(),
        });
    }
    let report = |done: usize| {
        let fraction = 0.05 + 0.7 * done as f32 / windows.len() as f32;
        progress(fraction, "replaying the past")
    };
    backtest(retriever, &windows, &report).ok_or(TrainError::Stopped)
}

/// Fits on the windows, which are newest first.
fn fit(windows: &[BacktestWindow], towards: &Ranker, recipe: &RankerRecipe) -> Ranker {
    let mut fitted = fit_each(&questions(windows), 0..1, towards, recipe);
    fitted.pop().unwrap_or_else(|| towards.clone())
}

fn report(
    corpus: &Corpus,
    windows: &[BacktestWindow],
    ranker: &Ranker,
    evaluation: &HoldoutEvaluation,
    settings: TrainSettings<'_>,
) -> EvaluationReport {
    let judged = &windows[..evaluation.windows];
    let methods = methods(corpus, judged, evaluation);
    let mrr = |role: &str| {
        let of_role = methods.iter().filter(|method| method.role == role);
        of_role.map(|m| m.metrics.mrr).fold(0.0, f64::max)
    };
    let margin = mrr("candidate") - mrr("baseline");
    let evidence = ranking_evidence(&evaluation.pairs, margin, settings.seed);
    let rules = settings.rules.unwrap_or(TENANT_RULES);
    let (verdict, reason) = match evaluation.fitted_on_nothing {
        true => (
            Verdict::InsufficientData,
            "there is one window of questions only, and none to learn from before it".to_owned(),
        ),
        false => decide(&rules, &evidence, "the tier above"),
    };
    let mut champion = settings
        .champion
        .and_then(|champion| against_champion(judged, evaluation, champion, settings.seed));
    let beside = champion.as_mut().filter(|_| verdict == Verdict::Promote);
    let held = beside.and_then(|one| Some((champion_holds(&rules, &one.evidence)?, one)));
    let (verdict, reason) = match held {
        Some((why, one)) => {
            one.holds = true;
            (Verdict::Keep, why)
        }
        None => (verdict, reason),
    };
    let (bins, calibration_error) = reliability(&evaluation.firsts);
    EvaluationReport {
        queries: judged
            .iter()
            .map(|window| window.queries.len() as u64)
            .sum(),
        history: windows[0].statistics.items() as u64,
        windows: evaluation.windows as u64,
        methods,
        slices: slices(corpus, judged, evaluation),
        evidence,
        verdict,
        reason,
        calibration_error,
        reliability: bins,
        interpolation_weight: evaluation.interpolation_weight,
        weights: ranker
            .weights()
            .map(|(name, weight)| (name.to_owned(), weight))
            .collect(),
        champion,
    }
}

/// What a tenant shares for training the tiers above, from its whole history.
#[must_use]
pub fn shared_sample_of(retriever: &Retriever<'_>) -> SharedTrainingSample {
    replay(retriever, &|_, _| true).map_or_else(
        |_| SharedTrainingSample::default(),
        |windows| SharedTrainingSample::sample(&windows),
    )
}

#[cfg(test)]
mod tests {
    use domain::ExpertId;
    use ndarray::Array2;

    use super::*;
    use crate::history::Document;
    use crate::ranking::{FitSettings, global_ranker};

    const ITEMS: usize = 400;
    const NAME: &str = "tenants/acme/models/experts/versions/3";

    /// What a training says when the tier above has it all wrong and is hardly left, and `ranker` serves,
    /// which knew the first `known` items.
    fn trained(ranker: &Ranker, known: usize) -> TenantModel {
        let ids = ["ada", "bob"].map(|id| vec![ExpertId::parse(id).unwrap()]);
        let texts = ["rotate the encryption keys", "pay the invoice in time"];
        // Now and then it is the other one, so that there is something to be unsure of.
        let documents = (0..ITEMS).map(|at| Document {
            point: at as u64,
            text: texts[at % 2],
            area: None,
            experts: &ids[(at + usize::from(at % 10 == 0)) % 2],
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let corpus = Corpus::new(documents, &[]).unwrap();
        let vectors = Array2::from_shape_fn((ITEMS, 2), |(row, column)| {
            f32::from(u8::from(row % 2 == column))
        });
        let knew: Vec<bool> = (0..ITEMS).map(|at| at < known).collect();
        let settings = TrainSettings {
            seed: 17,
            incumbent: &wrong(),
            rules: Some(GateRules {
                min_queries: 10,
                min_gain: -1.0,
                min_low: -1.0,
                baseline_tolerance: 1.0,
            }),
            recipe: RankerRecipe {
                prior_strength: 1e6,
                ..RankerRecipe::default()
            },
            search: None,
            champion: Some(Champion {
                name: NAME,
                ranker,
                knew: &knew,
            }),
        };
        train_tenant(&corpus, vectors.view(), settings, &|_, _| true).unwrap()
    }

    /// The weights that ship, the other way round.
    fn wrong() -> Ranker {
        let nothing = FitSettings {
            prior_strength: 1.0,
            towards: None,
        };
        global_ranker().towards(&Ranker::fit([], nothing), 2.0)
    }

    #[test]
    fn a_champion_that_does_better_on_what_is_new_to_it_holds() {
        let report = trained(global_ranker(), 300).report;
        let beside = report.champion.unwrap();
        assert_eq!(beside.model, NAME);
        assert_eq!(beside.evidence.queries, beside.champion.queries);
        assert!(beside.evidence.queries >= 90, "{beside:?}");
        assert!(
            beside.evidence.queries <= 100,
            "not what it knew: {beside:?}"
        );
        assert!(
            beside.champion.mrr > beside.candidate.mrr + 0.2,
            "{beside:?}"
        );
        assert!(beside.holds);
        assert_eq!(report.verdict, Verdict::Keep);
        assert!(
            report.reason.contains("the version that serves"),
            "{}",
            report.reason
        );
    }

    #[test]
    fn one_that_does_no_better_or_has_seen_everything_does_not() {
        let report = trained(&wrong(), 300).report;
        assert!(!report.champion.unwrap().holds);
        assert_eq!(report.verdict, Verdict::Promote);
        let report = trained(global_ranker(), ITEMS).report;
        assert_eq!((report.champion, report.verdict), (None, Verdict::Promote));
    }
}
