//! Numbers: shares of a few values ([`Steps`]) from embedding, words, heading and [`Shape`], answered by their
//! middle, believed only as far as held-out rows say.
//!
//! Numbers that people give (effort, severity, story points) are few values with a long tail, and have
//! little to do with the words. The prediction's difference from the median of all values is shrunk by
//! the factor that does best on held-out rows: at worst the median is answered.

use domain::{GateRules, Target, TaskKind, decide};
use ndarray::{Axis, concatenate};

use super::decision::Decision;
use super::folds::folds;
use super::head::{Head, HeadParts, ValueScale};
use super::measure;
use super::recipe;
use super::report::{MethodScores, TaskReport};
use super::shape::{MEASURES, Shape};
use super::simple::{SimpleMethod, knn_value};
use super::steps::Steps;
use super::terms::Terms;
use super::train::{MIN_EXAMPLES, nearest};
use super::{TaskInput, TaskModel, TaskTrainError};
use crate::solvers::{FitOptions, LogisticRegression, Rows, Targets, softmax};
use crate::training::Progress;

const TRUSTS: usize = 20;

/// Trains a head for numbers, and judges it.
pub(super) fn train(
    input: &TaskInput<'_>,
    progress: &Progress<'_>,
) -> Result<TaskModel, TaskTrainError> {
    let (kept, values): (Vec<usize>, Vec<f64>) = input
        .examples
        .iter()
        .enumerate()
        .filter_map(|(at, example)| match example.target {
            Target::Value(value) => Some((at, value)),
            Target::Labels(_) => None,
        })
        .unzip();
    if kept.len() < MIN_EXAMPLES {
        return Err(TaskTrainError::TooFew { found: kept.len() });
    }
    if values.iter().all(|value| *value == values[0]) {
        return Err(TaskTrainError::OneValue);
    }
    let texts: Vec<&str> = kept
        .iter()
        .map(|&at| input.examples[at].text.as_str())
        .collect();
    let vectors = input.vectors.select(Axis(0), &kept);
    let terms = Terms::fit(
        &recipe::VALUE_TERMS,
        texts.iter().copied(),
        (recipe::MAX_WEIGHTS / recipe::STEPS).saturating_sub(vectors.ncols() + MEASURES),
    );
    let (shape, shapes) = Shape::fit(&texts, recipe::VALUE_SHAPE_SCALE);
    let dense = &vectors * recipe::VALUE_DENSE_SCALE;
    let dense = concatenate![Axis(1), dense, shapes];
    let mut rows = Rows::new(dense, terms.width());
    texts.iter().for_each(|text| rows.push(&terms.row(text)));
    let turns = recipe::folds(kept.len());
    let fold_of = folds(
        &texts.iter().map(|text| (*text, 0)).collect::<Vec<_>>(),
        turns,
    );

    // How far each prediction lies from the middle of the values that it was learned from.
    let mut apart = vec![vec![0.0; kept.len()]; recipe::VALUE_PULLS.len()];
    let mut simple = [vec![0.0; kept.len()], vec![0.0; kept.len()]];
    let mut middles = Vec::with_capacity(turns);
    let go_on = || progress(0.5, "fitting on parts, judging on the rest");
    for turn in 0..turns {
        let of = |held: bool| -> Vec<usize> {
            (0..kept.len())
                .filter(|&at| (fold_of[at] == turn) == held)
                .collect()
        };
        let (held, known) = (of(true), of(false));
        let known_values: Vec<f64> = known.iter().map(|&at| values[at]).collect();
        let (steps, middle) = (Steps::new(&known_values), middle(&known_values));
        let (own, asked) = (rows.select(&known), rows.select(&held));
        for (pull, apart) in recipe::VALUE_PULLS.iter().zip(&mut apart) {
            let linear = fit(&own, &known_values, &steps, *pull, &go_on)?;
            for (&at, scores) in held.iter().zip(linear.scores(&asked).outer_iter()) {
                let mut shares = scores.to_vec();
                softmax(&mut shares);
                apart[at] = steps.middle(&shares) - middle;
            }
        }
        let similar = vectors
            .select(Axis(0), &held)
            .dot(&vectors.select(Axis(0), &known).t());
        for (&at, similar) in held.iter().zip(similar.outer_iter()) {
            let near = nearest(similar.iter().copied());
            let votes = near.iter().map(|&(s, at)| (s, known_values[at]));
            simple[0][at] = knn_value(votes).unwrap_or(middle);
            simple[1][at] = middle;
        }
        middles.push(middle);
    }
    let middles: Vec<f64> = fold_of.iter().map(|&fold| middles[fold]).collect();
    let (pull, trust) = best(&apart, &middles, &values);
    // The factor was chosen on the same rows; one chosen on the others is what is reported.
    let halves = [0, 1].map(|half| {
        let keep: Vec<usize> = (0..kept.len())
            .filter(|&at| fold_of[at] % 2 != half)
            .collect();
        let pick = |from: &[f64]| keep.iter().map(|&at| from[at]).collect::<Vec<f64>>();
        let part: Vec<Vec<f64>> = apart.iter().map(|one| pick(one)).collect();
        best(&part, &pick(&middles), &pick(&values))
    });
    let predicted: Vec<f64> = (0..kept.len())
        .map(|at| {
            let (pull, trust) = halves[fold_of[at] % 2];
            middles[at] + trust * apart[pull][at]
        })
        .collect();
    let steps = Steps::new(&values);
    let linear = fit(&rows, &values, &steps, recipe::VALUE_PULLS[pull], &go_on)?;
    let mut residuals: Vec<f64> = values.iter().zip(&predicted).map(|(v, p)| v - p).collect();
    residuals.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| residuals[((residuals.len() - 1) as f64 * q).round() as usize];
    let outside = (1.0 - recipe::INTERVAL) / 2.0;
    let value = ValueScale {
        steps,
        middle: middle(&values),
        trust,
        below: quantile(outside).min(0.0),
        above: quantile(1.0 - outside).max(0.0),
    };
    let report = report(input, &kept, &values, &predicted, &simple);
    let parts = HeadParts {
        kind: TaskKind::Regression,
        labels: Vec::new(),
        dimensions: vectors.ncols(),
        dense_scale: recipe::VALUE_DENSE_SCALE,
        mix: None,
        terms,
        shape: Some(shape),
        decision: Decision::unmeasured(SimpleMethod::Median, TaskKind::Regression, None, 0.0),
        value: Some(value),
    };
    let head = Head::new(parts, linear).ok_or(TaskTrainError::TooFew { found: 0 })?;
    Ok(TaskModel {
        head,
        report,
        parameters: None,
        trials: Vec::new(),
    })
}

fn fit(
    rows: &Rows,
    values: &[f64],
    steps: &Steps,
    pull: f64,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<LogisticRegression, TaskTrainError> {
    let truth: Vec<u16> = values.iter().map(|v| steps.step(*v) as u16).collect();
    let options = FitOptions {
        outputs: steps.len(),
        l2_penalty: pull,
        max_iterations: recipe::VALUE_ROUNDS,
        go_on,
    };
    LogisticRegression::fit(rows, &Targets::Single(&truth), &options).ok_or(TaskTrainError::Stopped)
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// The pull, and how far to trust predictions, with the smallest mean absolute error.
fn best(apart: &[Vec<f64>], middles: &[f64], values: &[f64]) -> (usize, f64) {
    let mut found = (0, 0.0, f64::INFINITY);
    for (pull, apart) in apart.iter().enumerate() {
        for step in 0..=TRUSTS {
            let trust = 1.2 * step as f64 / TRUSTS as f64;
            let error: f64 = (0..values.len())
                .map(|at| (values[at] - middles[at] - trust * apart[at]).abs())
                .sum();
            if error < found.2 {
                found = (pull, trust, error);
            }
        }
    }
    (found.0, found.1)
}

fn report(
    input: &TaskInput<'_>,
    kept: &[usize],
    values: &[f64],
    predicted: &[f64],
    simple: &[Vec<f64>; 2],
) -> TaskReport {
    let errors = |said: &[f64]| -> Vec<f64> {
        values
            .iter()
            .zip(said)
            .map(|(v, p)| (v - p).abs())
            .collect()
    };
    let n = values.len() as f64;
    let scores = |name: &str, role: &str, errors: &[f64]| MethodScores {
        method: name.to_owned(),
        role: role.to_owned(),
        mean_absolute_error: errors.iter().sum::<f64>() / n,
        root_mean_squared_error: (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt(),
        ..MethodScores::default()
    };
    let own = errors(predicted);
    let named = [SimpleMethod::Knn, SimpleMethod::Median].map(SimpleMethod::name);
    let theirs = [errors(&simple[0]), errors(&simple[1])];
    let mut methods: Vec<MethodScores> = named
        .iter()
        .zip(&theirs)
        .map(|(name, e)| scores(name, "baseline", e))
        .collect();
    let best = usize::from(methods[1].mean_absolute_error < methods[0].mean_absolute_error);
    // Where a simple method is never wrong, any error would be an infinite share of its own.
    let center = middle(values);
    let spread = values.iter().map(|v| (v - center).abs()).sum::<f64>() / n;
    let unit = methods[best].mean_absolute_error.max(0.01 * spread);
    methods.push(scores("head", "candidate", &own));
    let paired: Vec<(f64, f64)> = own
        .iter()
        .zip(&theirs[best])
        .map(|(new, old)| (-new / unit, -old / unit))
        .collect();
    let evidence = measure::evidence(&paired, input.seed);
    let (verdict, reason) = decide(&GateRules::REGRESSION, &evidence, named[best]);
    TaskReport {
        rows: values.len() as u64,
        examples: values.len() as u64,
        corrections: kept
            .iter()
            .filter(|at| input.examples[**at].corrected)
            .count() as u64,
        methods,
        incumbent: named[best].to_owned(),
        evidence,
        verdict,
        reason,
        calibration_error: 0.0,
        target_precision: input.task.target_precision,
        threshold: 0.0,
        coverage: 1.0,
        precision: 0.0,
        out_of_scope: None,
        classes: Vec::new(),
        confusions: Vec::new(),
        confusions_complete: false,
        warnings: Vec::new(),
        simple: Vec::new(),
    }
}
