//! Embedding spaces compared on a tenant's own past: what would serve in each, asked the questions of the
//! gate's windows.

use domain::{SpaceChoice, SpaceTrial, Verdict, decide};
use ndarray::ArrayView2;

use super::progress::{Progress, TrainError, go_on};
use super::tenant::replay;
use crate::evaluation::{Interval, TENANT_RULES, bootstrap, evaluate_on_holdout, ranking_evidence};
use crate::history::{Corpus, Retriever};
use crate::ranking::{Ranker, RankerRecipe};

/// A space, and the tenant's items in it: one row an item, in the corpus's order.
#[derive(Debug, Clone, Copy)]
pub struct ComparedSpace<'a> {
    /// The base model, by its name in the catalogue.
    pub name: &'a str,
    /// The items' embeddings.
    pub vectors: ArrayView2<'a, f32>,
}

/// Chooses among `spaces`, the cheapest first. In each, a ranker is trained and judged as a retrain would do it,
/// beside `incumbent`, the tier above: what serves there is the one that the gate lets serve. `otherwise` stays
/// where there are too few questions to tell.
///
/// # Errors
/// As [`crate::train_tenant`].
pub fn choose_space<'a>(
    corpus: &'a Corpus,
    spaces: &[ComparedSpace<'a>],
    incumbent: &Ranker,
    otherwise: &str,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<SpaceChoice, TrainError> {
    let mut served = Vec::with_capacity(spaces.len());
    for (at, space) in spaces.iter().enumerate() {
        let share = |done: f32| (at as f32 + done) / spaces.len() as f32;
        let within = |done: f32, step: &str| progress(share(done), step);
        go_on(&within, 0.0, "comparing spaces")?;
        let retriever = Retriever::new(corpus, space.vectors);
        served.push(serve(&retriever, incumbent, seed, &within)?);
    }
    let mean = |answers: &[(f64, f64)]| bootstrap(answers, seed).mean;
    let means: Vec<f64> = served.iter().map(|answers| mean(answers)).collect();
    // The cheapest of equals.
    let best = (0..means.len())
        .rev()
        .reduce(|best, at| match means[at] >= means[best] {
            true => at,
            false => best,
        });
    let Some(best) = best else {
        return Ok(SpaceChoice::of(Vec::new(), 0, otherwise));
    };
    let trials = spaces.iter().zip(&served).zip(&means);
    let trials = trials.map(|((space, answers), mrr)| {
        let pairs = answers.iter().zip(&served[best]);
        let differences: Vec<(f64, f64)> = pairs
            .map(|((own, weight), (best, _))| (own - best, *weight))
            .collect();
        let Interval { mean, low, high } = bootstrap(&differences, seed);
        SpaceTrial {
            space: space.name.to_owned(),
            mrr: *mrr,
            difference: mean,
            low,
            high,
        }
    });
    let questions = served[best].len() as u64;
    Ok(SpaceChoice::of(trials.collect(), questions, otherwise))
}

/// The reciprocal rank of each held-out question in what would serve, and how much it counts.
fn serve(
    retriever: &Retriever<'_>,
    incumbent: &Ranker,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Vec<(f64, f64)>, TrainError> {
    let windows = replay(retriever, progress)?;
    let evaluation = evaluate_on_holdout(&windows, incumbent, &RankerRecipe::default());
    let evidence = ranking_evidence(&evaluation.pairs, 0.0, seed);
    let (verdict, _) = decide(&TENANT_RULES, &evidence, "the tier above");
    let own = verdict == Verdict::Promote && !evaluation.fitted_on_nothing;
    let pairs = evaluation.pairs.into_iter();
    Ok(pairs
        .map(|(new, old, weight)| (if own { new } else { old }, weight))
        .collect())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::ExpertId;
    use ndarray::Array2;

    use super::*;
    use crate::history::Document;
    use crate::ranking::global_ranker;

    /// Two experts; `words` says whether the texts tell whose question it is.
    fn history(words: bool) -> Corpus {
        let ids = ["ada", "bob"].map(|id| vec![ExpertId::parse(id).unwrap()]);
        let texts = ["rotate the encryption keys", "pay the invoice in time"];
        let documents = (0..900).map(|at| Document {
            point: at as u64,
            text: texts[if words { whose(at) } else { 0 }],
            area: None,
            experts: &ids[whose(at)],
            occurred_at: DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        Corpus::new(documents, &[]).unwrap()
    }

    fn whose(at: usize) -> usize {
        (at * 7 + at / 5) % 2
    }

    fn choose(words: bool) -> SpaceChoice {
        let corpus = history(words);
        let zeros = Array2::zeros((900, 1));
        let telling =
            Array2::from_shape_fn((900, 2), |(at, column)| f32::from(whose(at) == column));
        let spaces = [("none", zeros.view()), ("whole", telling.view())];
        let spaces = spaces.map(|(name, vectors)| ComparedSpace { name, vectors });
        choose_space(&corpus, &spaces, global_ranker(), "whole", 17, &|_, _| true).unwrap()
    }

    #[test]
    fn vectors_that_say_what_words_do_not_are_kept() {
        let choice = choose(false);
        assert_eq!(choice.chosen, "whole", "{choice:?}");
        assert!(choice.trials[0].difference < -0.1, "{choice:?}");
        assert_eq!(choice.trials[1].difference, 0.0);
    }

    #[test]
    fn vectors_that_say_no_more_than_words_are_given_up() {
        let choice = choose(true);
        assert_eq!(choice.chosen, "none", "{choice:?}");
        assert!(choice.questions >= SpaceChoice::MIN_QUESTIONS);
    }

    #[test]
    fn a_comparison_can_be_stopped() {
        let (corpus, zeros) = (history(true), Array2::zeros((900, 1)));
        let spaces = [ComparedSpace {
            name: "none",
            vectors: zeros.view(),
        }];
        let stopped = choose_space(&corpus, &spaces, global_ranker(), "none", 17, &|_, _| false);
        assert_eq!(stopped.unwrap_err(), TrainError::Stopped);
    }
}
