//! Checking rankers on what came after their training.

use super::backtest::backtest;
use super::metrics::reciprocal;
use crate::history::{Retriever, Window, length};
use crate::ranking::Ranker;

/// Asks the questions from item `from` on, a window at a time, each with what was known before it, and
/// answers with each ranker's reciprocal ranks, in the order of the questions. None when `go_on`,
/// which is told how many windows are done, said no.
#[must_use]
pub fn score_since(
    retriever: &Retriever<'_>,
    from: usize,
    rankers: &[&Ranker],
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Vec<Vec<f64>>> {
    let n = retriever.corpus().len();
    let length = length(n);
    let starts = (from..n).step_by(length).rev();
    let window = |from: usize| Window {
        from,
        to: (from + length).min(n),
    };
    // Newest first, as everywhere.
    let windows: Vec<Window> = starts.map(window).collect();
    let backtests = backtest(retriever, &windows, go_on)?;
    let ranks = |ranker: &&Ranker| -> Vec<f64> {
        let queries = backtests.iter().rev().flat_map(|window| &window.queries);
        queries
            .map(|query| {
                let ranked = ranker.rank(&query.features, &query.candidates);
                reciprocal(&ranked, query)
            })
            .collect()
    };
    Some(rankers.iter().map(ranks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Corpus, Document};
    use crate::ranking::{FitSettings, global_ranker};
    use domain::ExpertId;
    use ndarray::Array2;

    #[test]
    fn each_question_is_asked_once_and_the_better_ranker_scores_higher() {
        let ids = ["ada", "bob"].map(|id| vec![ExpertId::parse(id).unwrap()]);
        let documents = (0..200).map(|at| Document {
            point: at as u64,
            text: ["rotate the encryption keys", "pay the invoice in time"][at % 2],
            area: None,
            experts: &ids[at % 2],
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let corpus = Corpus::new(documents, &[]).unwrap();
        let vectors = Array2::from_shape_fn((200, 2), |(row, column)| {
            f32::from(u8::from(row % 2 == column))
        });
        let retriever = Retriever::new(&corpus, vectors.view());
        let good = global_ranker().clone();
        // All weights the other way round.
        let zero = Ranker::fit(
            [],
            FitSettings {
                prior_strength: 1.0,
                towards: None,
            },
        );
        let bad = good.towards(&zero, 2.0);
        let scores = score_since(&retriever, 150, &[&good, &bad], &|_| true).unwrap();
        assert_eq!((scores[0].len(), scores[1].len()), (50, 50));
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        assert!(
            mean(&scores[0]) > 0.9 && mean(&scores[1]) < 0.6,
            "{scores:?}"
        );
        assert!(score_since(&retriever, 150, &[&good], &|_| false).is_none());
        let none = score_since(&retriever, 200, &[&good], &|_| true).unwrap();
        assert!(none[0].is_empty());
    }
}
