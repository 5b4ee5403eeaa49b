//! Training a head: rows held out in turn, every method asked the same rows, the gate's verdict, and
//! a head fitted on everything.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::{Target, TaskDefinition, TaskKind, Trial};
use ndarray::{Array2, ArrayView2, Axis, s};

use super::answer::Scores;
use super::folds::folds;
use super::head::{Head, HeadParts};
use super::recipe::{self, HeadParameters, HeadRecipe};
use super::report::TaskReport;
use super::search::{Found, search};
use super::simple::{Keywords, SimpleMethod, ZeroShot, knn};
use super::terms::Terms;
use super::{LabelSet, regression};
use crate::parallel::with_helpers;
use crate::solvers::{FitOptions, LogisticRegression, Rows, Targets, sigmoid, softmax};
use crate::training::{Progress, Search};

/// Fewer examples than this train nothing.
pub(super) const MIN_EXAMPLES: usize = 10;
/// Held-out rows whose similarities are in memory at once.
const BLOCK: usize = 256;

/// One labelled text.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The text.
    pub text: String,
    /// What is right for it.
    pub target: Target,
    /// It came as a correction.
    pub corrected: bool,
}

/// What training is given.
pub struct TaskInput<'a> {
    /// The task.
    pub task: &'a TaskDefinition,
    /// The labelled texts, oldest first.
    pub examples: &'a [Example],
    /// Their embeddings, one row each, of length 1.
    pub vectors: ArrayView2<'a, f32>,
    /// [`LabelSet::new`] of the task and the examples' targets.
    pub labels: &'a LabelSet,
    /// The embeddings of [`LabelSet::texts`], one row each, of length 1.
    pub label_vectors: ArrayView2<'a, f32>,
    /// Of everything random: the bootstrap, and a search.
    pub seed: u64,
    /// How a head for labels is made, where nothing is searched; none takes the usual parameters.
    pub parameters: Option<HeadParameters>,
    /// A search for better parameters. Numbers have none: their few are tried in every training.
    pub search: Option<Search>,
}

/// What came out of training.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskModel {
    /// The head, fitted on everything.
    pub head: Head,
    /// How a head made in the same way did on what it had not seen.
    pub report: TaskReport,
    /// How a head for labels was made.
    pub parameters: Option<HeadParameters>,
    /// What a search tried; empty where nothing was searched.
    pub trials: Vec<Trial>,
}

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskTrainError {
    /// There is too little to learn from.
    #[error(
        "{found} items with what the task asks for are too few to train on; {MIN_EXAMPLES} are needed"
    )]
    TooFew {
        /// What there is.
        found: usize,
    },
    /// There is nothing to choose between.
    #[error("all labelled items have the label {label:?}; there is nothing to learn")]
    OneLabel {
        /// The label.
        label: String,
    },
    /// There is nothing to tell apart.
    #[error("all items have the same value; there is nothing to learn")]
    OneValue,
    /// The caller asked to stop.
    #[error("training was stopped")]
    Stopped,
}

/// What the methods said of every row while it was held out.
pub(super) struct HeldOut {
    pub head: Vec<Scores>,
    pub simple: Vec<(SimpleMethod, Vec<Scores>)>,
}

/// Trains a head for the task and judges it.
///
/// # Errors
/// [`TaskTrainError`] when there is too little to learn from, or the caller asked to stop.
pub fn train_task(
    input: &TaskInput<'_>,
    progress: &Progress<'_>,
) -> Result<TaskModel, TaskTrainError> {
    if input.task.kind == TaskKind::Regression {
        return regression::train(input, progress);
    }
    let found = match input.search {
        Some(wanted) => search(input, wanted, progress)?,
        None => Found::default(),
    };
    let parameters = found.parameters.or(input.parameters);
    let mut set = TrainingSet::new(input, parameters.as_ref())?;
    set.judged_from = found.judged_from;
    let stopped = AtomicBool::new(false);
    let go_on = || !stopped.load(Ordering::Relaxed);
    let turns = recipe::folds(set.texts.len());
    let groups: Vec<(&str, usize)> = set
        .texts
        .iter()
        .zip(&set.truth)
        .map(|(text, own)| (*text, usize::from(own[0])))
        .collect();
    let fold_of = folds(&groups, turns);
    let slots: Mutex<Vec<Option<Vec<HeldRow>>>> = Mutex::new(vec![None; turns]);
    let whole: Mutex<Option<LogisticRegression>> = Mutex::new(None);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if turn > turns || !go_on() {
            return;
        }
        let at = done.load(Ordering::Relaxed) as f32 / (turns + 1) as f32;
        if !progress(at, "fitting on parts, judging on the rest") {
            stopped.store(true, Ordering::Relaxed);
        }
        // The last turn is the head that will serve, fitted on everything.
        if turn == turns {
            let fitted = set.fit(&(0..set.texts.len()).collect::<Vec<_>>(), &go_on);
            *lock(&whole) = fitted;
        } else {
            lock(&slots)[turn] = set.hold_out(turn, &fold_of, &go_on);
        }
        done.fetch_add(1, Ordering::Relaxed);
    };
    let helpers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(4)
        - 1;
    with_helpers(helpers, work);
    let linear = lock(&whole).take().ok_or(TaskTrainError::Stopped)?;
    let slots = std::mem::take(&mut *lock(&slots));
    let slots: Option<Vec<_>> = slots.into_iter().collect();
    let held = HeldOut::gather(slots.ok_or(TaskTrainError::Stopped)?, set.texts.len());
    if !progress(0.95, "weighing the evidence") {
        return Err(TaskTrainError::Stopped);
    }
    let (decision, mix, report) = set.judge(held, &fold_of);
    let parameters = Some(set.recipe.parameters());
    let parts = HeadParts {
        kind: input.task.kind,
        labels: input.labels.names().to_vec(),
        dimensions: input.vectors.ncols(),
        dense_scale: set.recipe.dense_scale,
        mix,
        terms: set.terms,
        shape: None,
        decision,
        value: None,
    };
    // Weights that are not finite come of embeddings that are not: nothing was learned.
    let head = Head::new(parts, linear).ok_or(TaskTrainError::TooFew { found: 0 })?;
    Ok(TaskModel {
        head,
        report,
        parameters,
        trials: found.trials,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A held-out row's place, and what was said of it.
type HeldRow = (usize, RowScores);
/// What each method said of one row: the head, then the simple ones.
type RowScores = (Scores, [Scores; SIMPLE.len()]);
const SIMPLE: [SimpleMethod; 3] = [
    SimpleMethod::Keywords,
    SimpleMethod::ZeroShot,
    SimpleMethod::Knn,
];

/// The examples as numbers.
pub(super) struct TrainingSet<'a, 'b> {
    pub input: &'a TaskInput<'b>,
    pub texts: Vec<&'a str>,
    pub vectors: Array2<f32>,
    pub truth: Vec<Vec<u16>>,
    pub out_of_scope: Option<u16>,
    pub corrections: usize,
    pub terms: Terms,
    pub rows: Rows,
    /// Labels' names as further examples.
    pub names: Option<(Rows, Vec<u16>)>,
    pub recipe: HeadRecipe,
    pub warnings: Vec<String>,
    /// The first row that is judged; those before chose the parameters.
    pub judged_from: usize,
}

impl<'a, 'b> TrainingSet<'a, 'b> {
    pub(super) fn new(
        input: &'a TaskInput<'b>,
        parameters: Option<&HeadParameters>,
    ) -> Result<Self, TaskTrainError> {
        let (task, labels) = (input.task, input.labels);
        let mut kept = Vec::new();
        let mut truth = Vec::new();
        let (mut ambiguous, mut unknown) = (0, 0);
        for (at, example) in input.examples.iter().enumerate() {
            let own = labels.numbers(&example.target);
            match own.len() {
                0 => unknown += 1,
                n if n > 1 && task.kind == TaskKind::SingleLabel => ambiguous += 1,
                _ => {
                    kept.push(at);
                    truth.push(own);
                }
            }
        }
        if kept.len() < MIN_EXAMPLES {
            return Err(TaskTrainError::TooFew { found: kept.len() });
        }
        let mut seen: Vec<u16> = truth.iter().flatten().copied().collect();
        seen.sort_unstable();
        let once = seen
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() == 1)
            .count();
        seen.dedup();
        if let [only] = seen[..] {
            let label = labels.names()[usize::from(only)].clone();
            return Err(TaskTrainError::OneLabel { label });
        }
        let texts: Vec<&str> = kept
            .iter()
            .map(|&at| input.examples[at].text.as_str())
            .collect();
        let vectors = input.vectors.select(Axis(0), &kept);
        let most = (recipe::MAX_WEIGHTS / labels.len().max(1)).saturating_sub(vectors.ncols());
        let usual = recipe::head(task.kind, kept.len());
        let recipe = match parameters {
            Some(parameters) => usual.with(parameters),
            None => usual,
        };
        let terms = Terms::fit(&recipe.terms, texts.iter().copied(), most);
        let mut rows = Rows::new(&vectors * recipe.dense_scale, terms.width());
        texts.iter().for_each(|text| rows.push(&terms.row(text)));
        let mut warnings = Vec::new();
        let mut warn = |count: usize, what: &str| {
            if count > 0 {
                warnings.push(format!("{count} {what}"));
            }
        };
        warn(
            ambiguous,
            "items have more than one label of this task and were left out",
        );
        warn(unknown, "items have only labels that were left out");
        warn(
            labels.dropped(),
            "labels are more than a task may have; the rarest were left out",
        );
        warn(
            once,
            "labels have a single example; they cannot be judged, so the head is never more than half sure of \
             them",
        );
        warn(
            labels.len() - seen.len(),
            "listed labels have no example, so the head is never more than half sure of them",
        );
        let out_of_scope = task
            .out_of_scope_label
            .as_ref()
            .and_then(|l| labels.number(l));
        let names = recipe.names.then(|| {
            let own: Vec<usize> = (0..labels.len())
                .filter(|&label| Some(label as u16) != out_of_scope)
                .collect();
            let dense = input.label_vectors.select(Axis(0), &own) * recipe.dense_scale;
            let mut rows = Rows::new(dense, terms.width());
            let texts = labels.texts(task);
            own.iter()
                .for_each(|&label| rows.push(&terms.row(&texts[label])));
            (rows, own.into_iter().map(|label| label as u16).collect())
        });
        Ok(Self {
            input,
            texts,
            vectors,
            truth,
            out_of_scope,
            corrections: kept
                .iter()
                .filter(|at| input.examples[**at].corrected)
                .count(),
            terms,
            rows,
            names,
            recipe,
            warnings,
            judged_from: 0,
        })
    }

    pub(super) fn several(&self) -> bool {
        self.input.task.kind == TaskKind::MultiLabel
    }

    pub(super) fn fit(
        &self,
        which: &[usize],
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Option<LogisticRegression> {
        let options = FitOptions {
            outputs: self.input.labels.len(),
            l2_penalty: self.recipe.pull,
            max_iterations: self.recipe.rounds,
            go_on,
        };
        let mut rows = self.rows.select(which);
        let mut truth: Vec<Vec<u16>> = which.iter().map(|&at| self.truth[at].clone()).collect();
        if let Some((names, labels)) = &self.names {
            rows = rows.above(names);
            truth.extend(labels.iter().map(|label| vec![*label]));
        }
        if self.several() {
            return LogisticRegression::fit(&rows, &Targets::Multiple(&truth), &options);
        }
        let truth: Vec<u16> = truth.iter().map(|own| own[0]).collect();
        LogisticRegression::fit(&rows, &Targets::Single(&truth), &options)
    }

    /// Holds out the rows of one fold, and asks every method what it says of them.
    fn hold_out(
        &self,
        turn: usize,
        fold_of: &[usize],
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<HeldRow>> {
        let of = |held: bool| -> Vec<usize> {
            (0..fold_of.len())
                .filter(|&at| (fold_of[at] == turn) == held)
                .collect()
        };
        let (held, known) = (of(true), of(false));
        let linear = self.fit(&known, go_on)?;
        let raw = linear.scores(&self.rows.select(&held));
        let labels = self.input.labels;
        let examples = known
            .iter()
            .map(|&at| (self.texts[at], self.truth[at].as_slice()));
        let keywords = Keywords::new(self.input.task, labels, examples);
        let zero_shot = ZeroShot::new(self.input.label_vectors.to_owned());
        let history = self.vectors.select(Axis(0), &known);
        let mut found = Vec::with_capacity(held.len());
        for (block, part) in held.chunks(BLOCK).enumerate() {
            if !go_on() {
                return None;
            }
            let similar = self.vectors.select(Axis(0), part).dot(&history.t());
            for ((&at, row), similar) in part
                .iter()
                .zip(raw.slice(s![block * BLOCK.., ..]).outer_iter())
                .zip(similar.outer_iter())
            {
                let nearest = nearest(similar.iter().copied());
                let votes = nearest
                    .iter()
                    .map(|&(s, at)| (s, self.truth[known[at]].as_slice()));
                let near = knn(labels.len(), votes);
                let mut shares = row.to_vec();
                match self.several() {
                    true => shares.iter_mut().for_each(|score| *score = sigmoid(*score)),
                    false => softmax(&mut shares),
                }
                let head = Scores {
                    shares,
                    support: near.support,
                };
                let vector = self.vectors.row(at).to_vec();
                let simple = [
                    keywords.scores(self.texts[at]),
                    zero_shot.scores(&vector),
                    near,
                ];
                found.push((at, (head, simple)));
            }
        }
        Some(found)
    }
}

impl HeldOut {
    fn gather(slots: Vec<Vec<HeldRow>>, rows: usize) -> Self {
        let mut head = vec![Scores::default(); rows];
        let mut simple = SIMPLE.map(|method| (method, vec![Scores::default(); rows]));
        for (at, (own, others)) in slots.into_iter().flatten() {
            head[at] = own;
            for ((_, slot), scores) in simple.iter_mut().zip(others) {
                slot[at] = scores;
            }
        }
        Self {
            head,
            simple: simple.into(),
        }
    }
}

/// The nearest, best first, with their places.
pub(super) fn nearest(similarities: impl Iterator<Item = f32>) -> Vec<(f32, usize)> {
    const MOST: usize = 2 * recipe::NEIGHBOURS;
    let mut all: Vec<(f32, usize)> = similarities.enumerate().map(|(at, s)| (s, at)).collect();
    let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if all.len() > MOST {
        all.select_nth_unstable_by(MOST - 1, order);
        all.truncate(MOST);
    }
    all.sort_unstable_by(order);
    all
}

#[cfg(test)]
#[path = "train_tests.rs"]
pub(super) mod tests;
