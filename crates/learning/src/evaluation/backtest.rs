//! Backtests over windows of the past (rolling origin): each window's questions, with all that methods need to
//! answer them as they could have been answered on that day.

use crate::history::{Hits, Retriever, Statistics, Window, WordScoreCache};
use crate::parallel::{each, threads};
use crate::ranking::{
    FeatureInputs, Features, Query, RIDGE_SCORERS, RidgePrediction, RidgeReplay, replay_online,
};

/// One window's questions, as they could have been answered on that day: each with the features of its
/// candidates (named by [`crate::ranking::FEATURES`]) and the truth, which is what a learning-to-rank data set
/// holds.
#[derive(Debug)]
pub struct BacktestWindow {
    /// What the items before the window say.
    pub statistics: Statistics,
    /// The nearest items of each question.
    pub hits: Vec<Hits>,
    /// The questions.
    pub queries: Vec<Query>,
}

impl BacktestWindow {
    /// The backtest of one window; there always is one.
    #[must_use]
    pub fn new(retriever: &Retriever<'_>, window: Window) -> Option<Self> {
        backtest(retriever, &[window], &|_| true)?.pop()
    }

    /// One window with what the scorers predicted for each question.
    fn with(retriever: &Retriever<'_>, window: Window, predictions: &Predictions) -> Self {
        let corpus = retriever.corpus();
        let statistics = Statistics::as_of(corpus, window.from);
        let hits = retriever.hits(&statistics, window.from, window.to);
        let features = Features::new(corpus, &statistics);
        let candidates = features.candidates();
        let mut cache = WordScoreCache::default();
        let items = corpus.items(window.from..window.to);
        let queries = items
            .zip(&hits)
            .enumerate()
            .map(|(at, (item, hits))| {
                let ridge = predictions
                    .ridge
                    .each_ref()
                    .map(|scorer| scorer[at].clone());
                let asked = FeatureInputs {
                    words: &item.counted(),
                    style: &item.style(),
                    hits,
                    ridge: &ridge,
                    online: &predictions.online[at],
                    area: None,
                };
                Query {
                    features: features.compute_next(asked, &mut cache),
                    candidates: candidates.clone(),
                    right: item.experts.to_vec(),
                    weight: 1.0,
                }
            })
            .collect();
        Self {
            statistics,
            hits,
            queries,
        }
    }
}

/// What learners predictions of the questions of a window, of each expert, as of the moment before it.
#[derive(Default)]
struct Predictions {
    online: Vec<Vec<f32>>,
    ridge: [Vec<Vec<f32>>; RIDGE_SCORERS],
}

/// Replays all scorers, each in order of time, so that few passes serve all windows; none when
/// `go_on` said no.
fn replay_scorers(
    retriever: &Retriever<'_>,
    windows: &[Window],
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Predictions>> {
    enum Made {
        Online(Vec<Vec<Vec<f32>>>),
        RidgeScorer(Option<Vec<RidgePrediction>>),
    }
    let corpus = retriever.corpus();
    let replay = RidgeReplay::new(retriever, windows);
    // The online classifier first: it is one long pass, and the others fill in beside it.
    let made = each(1 + RIDGE_SCORERS, threads(), |at| match at.checked_sub(1) {
        None => Made::Online(replay_online(corpus, windows)),
        Some(pass) => Made::RidgeScorer(replay.pass(pass, go_on)),
    });
    let mut predictions: Vec<Predictions> =
        windows.iter().map(|_| Predictions::default()).collect();
    for made in made {
        match made {
            Made::Online(all) => {
                let windows = predictions.iter_mut().zip(all);
                windows.for_each(|(predictions, online)| predictions.online = online);
            }
            Made::RidgeScorer(all) => all?
                .into_iter()
                .for_each(|one| predictions[one.window].ridge[one.scorer] = one.questions),
        }
    }
    Some(predictions)
}

/// Backtests of windows, in their order, made on as many threads as there are cores. `go_on` is asked
/// before each; none when it said no.
pub(crate) fn backtest(
    retriever: &Retriever<'_>,
    windows: &[Window],
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Vec<BacktestWindow>> {
    let predictions = replay_scorers(retriever, windows, &|| go_on(0))?;
    let made = each(windows.len(), threads(), |at| {
        go_on(at).then(|| BacktestWindow::with(retriever, windows[at], &predictions[at]))
    });
    made.into_iter().collect()
}

/// The questions of each window.
pub(crate) fn questions(windows: &[BacktestWindow]) -> Vec<&[Query]> {
    windows.iter().map(|window| &window.queries[..]).collect()
}
