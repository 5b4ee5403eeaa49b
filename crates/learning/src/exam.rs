//! Exams: one window's questions with all that methods need to answer them.

use ndarray::s;

use crate::features::{Asked, Features, Hits};
use crate::heads::Heads;
use crate::helpers::with_helpers;
use crate::online;
use crate::ranker::Query;
use crate::windows::Window;
use crate::{Retriever, Statistics};

/// One window's questions, as they could have been answered on that day.
#[derive(Debug)]
pub struct Exam {
    /// What the items before the window say.
    pub statistics: Statistics,
    /// The nearest items of each question.
    pub hits: Vec<Hits>,
    /// The questions.
    pub queries: Vec<Query>,
}

impl Exam {
    /// The exam of one window.
    #[must_use]
    pub fn new(retriever: &Retriever<'_>, window: Window) -> Self {
        let online = online::replay(retriever.corpus(), &[window]);
        Self::with(retriever, window, &online[0])
    }

    /// The same with what the online head expected of each question.
    fn with(retriever: &Retriever<'_>, window: Window, online: &[Vec<f32>]) -> Self {
        let corpus = retriever.corpus();
        let statistics = Statistics::as_of(corpus, window.from);
        let hits = retriever.hits(&statistics, window.from, window.to);
        let heads = Heads::fit(corpus, retriever.vectors(), window.from);
        let questions = retriever
            .vectors()
            .slice_move(s![window.from..window.to, ..]);
        let predicted = heads.predict(questions);
        let features = Features::new(corpus, &statistics);
        let candidates = features.candidates();
        let items = &corpus.items()[window.from..window.to];
        let queries = items
            .iter()
            .zip(&hits)
            .enumerate()
            .map(|(at, (item, hits))| {
                let heads: Vec<Vec<f32>> =
                    predicted.iter().map(|head| head.row(at).to_vec()).collect();
                let asked = Asked {
                    words: &item.words,
                    style: &item.style,
                    hits,
                    heads: &heads,
                    online: &online[at],
                    area: None,
                };
                Query {
                    features: features.compute(asked),
                    candidates: candidates.clone(),
                    right: item.experts.clone(),
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

/// The exams of windows, in their order, made on as many threads as there are cores. `go_on` is
/// asked before each; none when it said no.
pub(crate) fn exams(
    retriever: &Retriever<'_>,
    windows: &[Window],
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Vec<Exam>> {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    // One pass in order of time serves all windows.
    let online = online::replay(retriever.corpus(), windows);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let made: Vec<Mutex<Option<Exam>>> = windows.iter().map(|_| Mutex::default()).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(window) = windows.get(at).filter(|_| go_on(at)) else {
                return;
            };
            let exam = Exam::with(retriever, *window, &online[at]);
            if let Ok(mut place) = made[at].lock() {
                *place = Some(exam);
            }
        }
    };
    with_helpers(threads.min(windows.len()).saturating_sub(1), work);
    made.into_iter()
        .map(|place| place.into_inner().ok().flatten())
        .collect()
}
