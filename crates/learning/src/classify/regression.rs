//! Numbers: shares of a few values ([`Steps`]) from embedding and words, answered by their middle, believed
//! only as far as held-out rows say.
//!
//! Numbers that people give (effort, severity, story points) are few values with a long tail, and have
//! little to do with the words. The prediction's difference from the median of all values is shrunk by
//! the factor that does best on held-out rows: at worst the median is answered.

use domain::{HeadRules, Target, TaskKind, decide_head};
use ndarray::{Array2, Axis, s};

use super::decision::Decision;
use super::head::{Head, HeadParts, ValueScale};
use super::linear::{Fit, Linear, Truth, softmax};
use super::measure;
use super::recipe;
use super::report::{MethodScores, TaskReport};
use super::rows::Rows;
use super::simple::{SimpleMethod, knn_value};
use super::steps::Steps;
use super::terms::Terms;
use super::train::{MIN_EXAMPLES, nearest};
use super::{TaskInput, TaskModel, TaskTrainError};
use crate::Progress;

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
        (recipe::MAX_WEIGHTS / recipe::STEPS).saturating_sub(vectors.ncols()),
    );
    let mut rows = Rows::new(&vectors * recipe::VALUE_DENSE_SCALE, terms.width());
    texts.iter().for_each(|text| rows.push(&terms.row(text)));
    let go_on = || {
        progress(
            0.5,
            "fitting on what came before, judging on what came after",
        )
    };
    let held = HeldOut::ask(&rows, &vectors, &values, &go_on)?;
    let (pull, trust) = held.best(|_| true);
    // The factor was chosen on the same rows; one chosen on other windows is what is reported.
    let halves = [1, 0].map(|half| held.best(|window| window % 2 == half));
    let predicted: Vec<f64> = held
        .rows
        .iter()
        .map(|row| {
            let (pull, trust) = halves[row.window % 2];
            row.middle + trust * row.apart[pull]
        })
        .collect();
    let steps = Steps::new(&values);
    let linear = fit(&rows, &values, &steps, recipe::VALUE_PULLS[pull], &go_on)?;
    let told = held.rows.iter().zip(&predicted);
    let mut residuals: Vec<f64> = told.map(|(row, said)| row.value - said).collect();
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
    let report = report(input, &kept, &held, &predicted);
    let parts = HeadParts {
        kind: TaskKind::Regression,
        labels: Vec::new(),
        dimensions: vectors.ncols(),
        dense_scale: recipe::VALUE_DENSE_SCALE,
        mix: None,
        terms,
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
) -> Result<Linear, TaskTrainError> {
    let truth: Vec<u16> = values.iter().map(|v| steps.step(*v) as u16).collect();
    let fit = Fit {
        outputs: steps.len(),
        pull,
        rounds: recipe::VALUE_ROUNDS,
        go_on,
    };
    Linear::fit(rows, &Truth::One(&truth), &fit).ok_or(TaskTrainError::Stopped)
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// The newest rows, each predicted from what came before its window (rolling origin: Tashman, 2000). What
/// people give numbers to changes with time; rows held out by chance are easier than those that will come.
struct HeldOut {
    rows: Vec<HeldRow>,
}

struct HeldRow {
    value: f64,
    /// Counted from the newest.
    window: usize,
    /// The middle of the values before the window.
    middle: f64,
    /// How far from it each pull's prediction lies.
    apart: [f64; recipe::VALUE_PULLS.len()],
    neighbours: f64,
}

impl HeldOut {
    /// Predicts each window's rows; `values` are in order of time.
    fn ask(
        rows: &Rows,
        vectors: &Array2<f32>,
        values: &[f64],
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, TaskTrainError> {
        let length = recipe::value_window(values.len());
        let mut made = Vec::new();
        for window in 0..recipe::VALUE_WINDOWS {
            let to = values.len() - window * length;
            let from = to - length;
            let (known, held): (Vec<usize>, Vec<usize>) =
                ((0..from).collect(), (from..to).collect());
            let (steps, middle) = (Steps::new(&values[..from]), middle(&values[..from]));
            let (own, asked) = (rows.select(&known), rows.select(&held));
            let mut apart = vec![[0.0; recipe::VALUE_PULLS.len()]; length];
            for (which, pull) in recipe::VALUE_PULLS.iter().enumerate() {
                let linear = fit(&own, &values[..from], &steps, *pull, go_on)?;
                for (apart, scores) in apart.iter_mut().zip(linear.scores(&asked).outer_iter()) {
                    let mut shares = scores.to_vec();
                    softmax(&mut shares);
                    apart[which] = steps.middle(&shares) - middle;
                }
            }
            let history = vectors.slice(s![..from, ..]);
            let similar = vectors.slice(s![from..to, ..]).dot(&history.t());
            for ((at, apart), similar) in held.into_iter().zip(apart).zip(similar.outer_iter()) {
                let near = nearest(similar.iter().copied());
                let votes = near.iter().map(|&(s, at)| (s, values[at]));
                made.push(HeldRow {
                    value: values[at],
                    window,
                    middle,
                    apart,
                    neighbours: knn_value(votes).unwrap_or(middle),
                });
            }
        }
        Ok(Self { rows: made })
    }

    /// The pull, and how far to trust predictions, with the smallest mean absolute error in the windows that
    /// are `taken`. They are not trusted at all where that is no better than the middle by more than one
    /// standard error (Breiman and others, 1984).
    fn best(&self, taken: impl Fn(usize) -> bool) -> (usize, f64) {
        let rows: Vec<&HeldRow> = self.rows.iter().filter(|row| taken(row.window)).collect();
        let error = |row: &HeldRow, pull: usize, trust: f64| {
            (row.value - row.middle - trust * row.apart[pull]).abs()
        };
        let mut found = (0, 0.0, f64::INFINITY);
        for pull in 0..recipe::VALUE_PULLS.len() {
            for step in 0..=TRUSTS {
                let trust = 1.2 * step as f64 / TRUSTS as f64;
                let sum: f64 = rows.iter().map(|row| error(row, pull, trust)).sum();
                if sum < found.2 {
                    found = (pull, trust, sum);
                }
            }
        }
        let (pull, trust, _) = found;
        let gains = rows
            .iter()
            .map(|row| error(row, pull, 0.0) - error(row, pull, trust));
        let gains: Vec<f64> = gains.collect();
        let n = gains.len().max(1) as f64;
        let mean = gains.iter().sum::<f64>() / n;
        let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / n;
        let is_clear = mean > (variance / n).sqrt();
        (pull, if is_clear { trust } else { 0.0 })
    }
}

fn report(input: &TaskInput<'_>, kept: &[usize], held: &HeldOut, predicted: &[f64]) -> TaskReport {
    let values: Vec<f64> = held.rows.iter().map(|row| row.value).collect();
    let errors = |said: &[f64]| -> Vec<f64> {
        values
            .iter()
            .zip(said)
            .map(|(v, p)| (v - p).abs())
            .collect()
    };
    let n = values.len().max(1) as f64;
    let simple = [
        held.rows.iter().map(|row| row.neighbours).collect(),
        held.rows.iter().map(|row| row.middle).collect::<Vec<f64>>(),
    ];
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
    let center = middle(&values);
    let spread = values.iter().map(|v| (v - center).abs()).sum::<f64>() / n;
    let unit = methods[best].mean_absolute_error.max(0.01 * spread);
    methods.push(scores("head", "candidate", &own));
    let paired: Vec<(f64, f64)> = own
        .iter()
        .zip(&theirs[best])
        .map(|(new, old)| (-new / unit, -old / unit))
        .collect();
    let evidence = measure::weigh(&paired, input.seed);
    let (verdict, reason) = decide_head(&HeadRules::default(), &evidence, named[best]);
    TaskReport {
        rows: values.len() as u64,
        examples: kept.len() as u64,
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
