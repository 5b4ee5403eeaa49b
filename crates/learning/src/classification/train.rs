//! Training a classifier: cross-validation in which every method answers the same held-out rows, the gate's
//! verdict, and a classifier fitted on everything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::{Target, TaskDefinition, TaskKind, Trial};
use ndarray::{Array2, ArrayView2, Axis, s};

use super::answer::Scores;
use super::baselines::{Keywords, SimpleMethod, ZeroShot, knn};
use super::examples::{Labelled, MIN_EXAMPLES};
use super::folds::folds;
use super::linear_classifier::{ClassifierParts, LinearClassifier};
use super::recipe::{self, ClassifierParameters, ClassifierRecipe};
use super::report::TaskReport;
use super::search::{SearchOutcome, search};
use super::text_features::Terms;
use super::{LabelSet, regression};
use crate::parallel::{each, threads};
use crate::solvers::{FitOptions, LogisticRegression, Rows, Targets, sigmoid, softmax};
use crate::training::{Progress, Search};

/// Folds that are fitted at the same time: each holds its rows and gradients in memory.
const MOST_THREADS: usize = 4;
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

/// What a task is trained from.
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
    /// How a classifier for labels is made, where nothing is searched; none takes the usual parameters.
    pub parameters: Option<ClassifierParameters>,
    /// A search for better parameters. Numbers have none: their few are tried in every training.
    pub search: Option<Search>,
}

/// What came out of training.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskModel {
    /// The classifier, fitted on everything.
    pub classifier: LinearClassifier,
    /// How a classifier made in the same way did on what it had not seen.
    pub report: TaskReport,
    /// How a classifier for labels was made.
    pub parameters: Option<ClassifierParameters>,
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

/// The scores of every row while it was held out.
pub(super) struct HeldOut {
    pub classifier: Vec<Scores>,
    pub baselines: Vec<(SimpleMethod, Vec<Scores>)>,
}

/// Trains a classifier for the task and evaluates it.
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
        None => SearchOutcome::default(),
    };
    let parameters = found.parameters.or(input.parameters);
    let mut set = TrainingSet::new(input, parameters.as_ref())?;
    set.evaluated_from = found.evaluated_from;
    let fold_of = set.fold_of();
    let (linear, held) = set
        .cross_validate(&fold_of, progress)
        .ok_or(TaskTrainError::Stopped)?;
    if !progress(0.95, "comparing with the baselines") {
        return Err(TaskTrainError::Stopped);
    }
    let (decision, mix, report) = set.evaluate(held, &fold_of);
    let parameters = Some(set.recipe.parameters());
    let parts = ClassifierParts {
        kind: input.task.kind,
        labels: input.labels.names().to_vec(),
        dimensions: input.vectors.ncols(),
        dense_scale: set.recipe.dense_scale,
        mix,
        terms: set.terms,
        surface: None,
        decision,
        value: None,
    };
    // Weights that are not finite come of embeddings that are not: nothing was learned.
    let classifier =
        LinearClassifier::new(parts, linear).ok_or(TaskTrainError::TooFew { found: 0 })?;
    Ok(TaskModel {
        classifier,
        report,
        parameters,
        trials: found.trials,
    })
}

/// A held-out row's position, and its scores.
type PlacedScores = (usize, RowScores);
/// The scores of one row: the classifier's, then the baselines'.
type RowScores = (Scores, [Scores; BASELINES.len()]);
const BASELINES: [SimpleMethod; 3] = [
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
    pub recipe: ClassifierRecipe,
    pub warnings: Vec<String>,
    /// The first row that is evaluated on; those before chose the parameters.
    pub evaluated_from: usize,
}

impl<'a, 'b> TrainingSet<'a, 'b> {
    pub(super) fn new(
        input: &'a TaskInput<'b>,
        parameters: Option<&ClassifierParameters>,
    ) -> Result<Self, TaskTrainError> {
        let (task, labels) = (input.task, input.labels);
        let labelled = Labelled::new(input)?;
        let warnings = labelled.warnings(labels)?;
        let Labelled { kept, truth, .. } = labelled;
        let texts = kept.iter().map(|&at| input.examples[at].text.as_str());
        let texts: Vec<&str> = texts.collect();
        let vectors = input.vectors.select(Axis(0), &kept);
        let most = (recipe::MAX_WEIGHTS / labels.len().max(1)).saturating_sub(vectors.ncols());
        let usual = recipe::classifier(task.kind, kept.len());
        let recipe = match parameters {
            Some(parameters) => usual.with(parameters),
            None => usual,
        };
        let terms = Terms::fit(&recipe.terms, texts.iter().copied(), most);
        let mut rows = Rows::new(&vectors * recipe.dense_scale, terms.width());
        texts.iter().for_each(|text| rows.push(&terms.row(text)));
        let out_of_scope = task.out_of_scope_label.as_ref();
        let out_of_scope = out_of_scope.and_then(|label| labels.number(label));
        let corrected = kept.iter().filter(|at| input.examples[**at].corrected);
        let mut set = Self {
            input,
            corrections: corrected.count(),
            texts,
            vectors,
            truth,
            out_of_scope,
            terms,
            rows,
            names: None,
            recipe,
            warnings,
            evaluated_from: 0,
        };
        set.names = set.recipe.names.then(|| set.label_names());
        Ok(set)
    }

    /// The labels' names and descriptions as rows, each an example of its label.
    fn label_names(&self) -> (Rows, Vec<u16>) {
        let labels = self.input.labels;
        let own: Vec<usize> = (0..labels.len())
            .filter(|&label| Some(label as u16) != self.out_of_scope)
            .collect();
        let dense = self.input.label_vectors.select(Axis(0), &own) * self.recipe.dense_scale;
        let mut rows = Rows::new(dense, self.terms.width());
        let texts = labels.texts(self.input.task);
        own.iter()
            .for_each(|&label| rows.push(&self.terms.row(&texts[label])));
        (rows, own.into_iter().map(|label| label as u16).collect())
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
            l2_penalty: self.recipe.l2_penalty,
            max_iterations: self.recipe.max_iterations,
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

    /// The fold of each row.
    fn fold_of(&self) -> Vec<usize> {
        let rows = self.texts.iter().zip(&self.truth);
        let groups: Vec<(&str, usize)> = rows
            .map(|(text, own)| (*text, usize::from(own[0])))
            .collect();
        folds(&groups, recipe::folds(groups.len()))
    }

    /// The classifier that will serve, fitted on everything, and the scores of each row while its fold was held
    /// out; none when it was stopped.
    fn cross_validate(
        &self,
        fold_of: &[usize],
        progress: &Progress<'_>,
    ) -> Option<(LogisticRegression, HeldOut)> {
        enum Fitted {
            Fold(Option<Vec<PlacedScores>>),
            Whole(Option<LogisticRegression>),
        }
        let turns = recipe::folds(self.texts.len());
        let (stopped, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let go_on = || !stopped.load(Ordering::Relaxed);
        let fitted = each(turns + 1, threads().min(MOST_THREADS), |turn| {
            let at = done.load(Ordering::Relaxed) as f32 / (turns + 1) as f32;
            if go_on() && !progress(at, "fitting on parts, evaluating on the rest") {
                stopped.store(true, Ordering::Relaxed);
            }
            // The last turn is the classifier that will serve.
            let fitted = match (go_on(), turn == turns) {
                (false, _) => Fitted::Fold(None),
                (true, false) => Fitted::Fold(self.hold_out(turn, fold_of, &go_on)),
                (true, true) => {
                    let all: Vec<usize> = (0..self.texts.len()).collect();
                    Fitted::Whole(self.fit(&all, &go_on))
                }
            };
            done.fetch_add(1, Ordering::Relaxed);
            fitted
        });
        let (mut whole, mut folds) = (None, Vec::new());
        for one in fitted {
            match one {
                Fitted::Fold(rows) => folds.push(rows?),
                Fitted::Whole(linear) => whole = linear,
            }
        }
        Some((whole?, HeldOut::gather(folds, self.texts.len())))
    }

    /// Holds out the rows of one fold, and scores them by every method.
    fn hold_out(
        &self,
        turn: usize,
        fold_of: &[usize],
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<PlacedScores>> {
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
                let own = Scores {
                    shares,
                    support: near.support,
                };
                let vector = self.vectors.row(at).to_vec();
                let baselines = [
                    keywords.scores(self.texts[at]),
                    zero_shot.scores(&vector),
                    near,
                ];
                found.push((at, (own, baselines)));
            }
        }
        Some(found)
    }
}

impl HeldOut {
    fn gather(slots: Vec<Vec<PlacedScores>>, rows: usize) -> Self {
        let mut classifier = vec![Scores::default(); rows];
        let mut baselines = BASELINES.map(|method| (method, vec![Scores::default(); rows]));
        for (at, (own, others)) in slots.into_iter().flatten() {
            classifier[at] = own;
            for ((_, slot), scores) in baselines.iter_mut().zip(others) {
                slot[at] = scores;
            }
        }
        Self {
            classifier,
            baselines: baselines.into(),
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
