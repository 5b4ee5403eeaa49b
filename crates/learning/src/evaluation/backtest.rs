//! Exams: one window's questions with all that methods need to answer them.

use crate::history::{Hits, Retriever, Said, Statistics, Window};
use crate::parallel::{each, threads};
use crate::ranking::{Asked, Features, Foreseen, HEADS, Query, RidgeReplay, replay_online};

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
    /// The exam of one window; there always is one.
    #[must_use]
    pub fn new(retriever: &Retriever<'_>, window: Window) -> Option<Self> {
        exams(retriever, &[window], &|_| true)?.pop()
    }

    /// The exam of one window with what learners expected of each question.
    fn with(retriever: &Retriever<'_>, window: Window, expected: &Expected) -> Self {
        let corpus = retriever.corpus();
        let statistics = Statistics::as_of(corpus, window.from);
        let hits = retriever.hits(&statistics, window.from, window.to);
        let features = Features::new(corpus, &statistics);
        let candidates = features.candidates();
        let mut said = Said::default();
        let items = &corpus.items()[window.from..window.to];
        let queries = items
            .iter()
            .zip(&hits)
            .enumerate()
            .map(|(at, (item, hits))| {
                let heads = expected.heads.each_ref().map(|head| head[at].clone());
                let asked = Asked {
                    words: &item.words,
                    style: &item.style,
                    hits,
                    heads: &heads,
                    online: &expected.online[at],
                    area: None,
                };
                Query {
                    features: features.compute_next(asked, &mut said),
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

/// What learners expected of the questions of a window, of each expert, as of the moment before it.
#[derive(Default)]
struct Expected {
    online: Vec<Vec<f32>>,
    heads: [Vec<Vec<f32>>; HEADS],
}

/// Replays all learners, each in order of time, so that few passes serve all windows; none when
/// `go_on` said no.
fn foresee(
    retriever: &Retriever<'_>,
    windows: &[Window],
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Expected>> {
    enum Made {
        Online(Vec<Vec<Vec<f32>>>),
        Heads(Option<Vec<Foreseen>>),
    }
    let corpus = retriever.corpus();
    let replay = RidgeReplay::new(retriever, windows);
    // The online head first: it is one long pass, and the others fill in beside it.
    let made = each(1 + replay.passes(), threads(), |at| {
        match at.checked_sub(1) {
            None => Made::Online(replay_online(corpus, windows)),
            Some(pass) => Made::Heads(replay.pass(pass, go_on)),
        }
    });
    let mut expected: Vec<Expected> = windows.iter().map(|_| Expected::default()).collect();
    for made in made {
        match made {
            Made::Online(all) => {
                let windows = expected.iter_mut().zip(all);
                windows.for_each(|(expected, online)| expected.online = online);
            }
            Made::Heads(all) => all?
                .into_iter()
                .for_each(|one| expected[one.window].heads[one.head] = one.questions),
        }
    }
    Some(expected)
}

/// The exams of windows, in their order, made on as many threads as there are cores. `go_on` is
/// asked before each; none when it said no.
pub(crate) fn exams(
    retriever: &Retriever<'_>,
    windows: &[Window],
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Option<Vec<Exam>> {
    let expected = foresee(retriever, windows, &|| go_on(0))?;
    let made = each(windows.len(), threads(), |at| {
        go_on(at).then(|| Exam::with(retriever, windows[at], &expected[at]))
    });
    made.into_iter().collect()
}

/// The questions of each window.
pub(crate) fn questions(windows: &[Exam]) -> Vec<&[Query]> {
    windows.iter().map(|window| &window.queries[..]).collect()
}
