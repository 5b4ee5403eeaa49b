//! A bounded search for the parameters of a classifier.
//!
//! The older half of the rows is for the search, the newer half for the gate: parameters are chosen on
//! two windows of the older half, each answered by a classifier fitted on the rows before it, and the
//! evidence and the report are of newer rows, which had no part in the choice.

use domain::Trial;
use rand_chacha::ChaCha8Rng;

use super::answer::Scores;
use super::decision::{HeldOutRow, reachable_f1};
use super::recipe::ClassifierParameters;
use super::train::TrainingSet;
use super::{TaskInput, TaskTrainError};
use crate::solvers::{sigmoid, softmax};
use crate::training::{Progress, Search, SearchSpace, between};

/// With fewer rows a search would choose by chance.
const LEAST_ROWS: usize = 100;
/// The windows, as tenths of the rows.
const WINDOWS: [(usize, usize); 2] = [(3, 4), (4, 5)];
/// Rows from here on, in tenths, are the gate's.
const EVALUATED: usize = 5;
/// By so much a drawn parameter may be smaller or larger than the usual one.
const L2_PENALTIES: (f64, f64) = (0.1, 10.0);
const SCALES: (f64, f64) = (0.5, 2.0);

/// What a search found.
#[derive(Default)]
pub(super) struct SearchOutcome {
    /// None where nothing was searched, and for the usual ones.
    pub parameters: Option<ClassifierParameters>,
    pub trials: Vec<Trial>,
    /// The first of the rows that the gate may look at.
    pub evaluated_from: usize,
}

/// Tries parameters. The first trial has the usual ones. With too few rows nothing is tried.
pub(super) fn search(
    input: &TaskInput<'_>,
    search: Search,
    progress: &Progress<'_>,
) -> Result<SearchOutcome, TaskTrainError> {
    let usual = TrainingSet::new(input, None)?;
    let rows = usual.texts.len();
    if rows < LEAST_ROWS {
        return Ok(SearchOutcome::default());
    }
    let space = SearchSpace {
        usual: usual.recipe.parameters(),
        draw,
        parameters: ClassifierParameters::parameters,
    };
    drop(usual);
    let (parameters, trials) = search.run(input.seed, &space, |_, step, parameters| {
        let set = TrainingSet::new(input, Some(parameters))?;
        set.measure(&|| progress(0.0, step))
            .ok_or(TaskTrainError::Stopped)
    })?;
    Ok(SearchOutcome {
        parameters: Some(parameters),
        trials,
        evaluated_from: rows * EVALUATED / 10,
    })
}

fn draw(usual: &ClassifierParameters, random: &mut ChaCha8Rng) -> ClassifierParameters {
    let mut scale = |usual: f32| {
        let (less, more) = SCALES;
        let usual = f64::from(usual);
        between(random, (usual * less, usual * more)) as f32
    };
    let (dense_scale, words_scale) = (scale(usual.dense_scale), scale(usual.words_scale));
    let letters_scale = scale(usual.letters_scale);
    ClassifierParameters {
        l2_penalty: between(
            random,
            (
                usual.l2_penalty * L2_PENALTIES.0,
                usual.l2_penalty * L2_PENALTIES.1,
            ),
        ),
        dense_scale,
        words_scale,
        letters_scale,
    }
}

impl TrainingSet<'_, '_> {
    /// How classifiers of this recipe did on the windows; none when it was stopped.
    fn measure(&self, go_on: &(dyn Fn() -> bool + Sync)) -> Option<Vec<(String, f64)>> {
        let rows = self.texts.len();
        let mut said: Vec<(usize, Scores)> = Vec::new();
        for (from, to) in WINDOWS {
            let (from, to) = (rows * from / 10, rows * to / 10);
            let known: Vec<usize> = (0..from).collect();
            let held: Vec<usize> = (from..to).collect();
            let linear = self.fit(&known, go_on)?;
            let raw = linear.scores(&self.rows.select(&held));
            for (at, row) in held.into_iter().zip(raw.outer_iter()) {
                let mut shares = row.to_vec();
                match self.several() {
                    true => shares.iter_mut().for_each(|score| *score = sigmoid(*score)),
                    false => softmax(&mut shares),
                }
                let support = f64::NAN;
                said.push((at, Scores { shares, support }));
            }
        }
        let quality = match self.several() {
            true => ("micro_f1", self.f1(&said)),
            false => ("accuracy", self.accuracy(&said)),
        };
        let found = [quality, ("rows", said.len() as f64)];
        Some(found.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn f1(&self, said: &[(usize, Scores)]) -> f64 {
        let held = said.iter().map(|(at, scores)| HeldOutRow {
            scores,
            right: &self.truth[*at],
        });
        reachable_f1(&held.collect::<Vec<_>>())
    }

    fn accuracy(&self, said: &[(usize, Scores)]) -> f64 {
        let is_right = |(at, scores): &&(usize, Scores)| {
            let shares = scores.shares.iter().enumerate();
            let best = shares.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
            best.is_some_and(|(label, _)| self.truth[*at].contains(&(label as u16)))
        };
        said.iter().filter(is_right).count() as f64 / said.len().max(1) as f64
    }
}
