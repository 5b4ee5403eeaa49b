//! Regression as ordinal classification: shares of a few values ([`OrdinalBins`]) from embedding, terms, heading
//! and [`SurfaceFeatures`], answered by their median.
//!
//! Numbers that people give (effort, severity, story points) are few values with a long tail, and depend
//! little on the text. The prediction's distance from the median of all values is shrunk by the factor that
//! does best on held-out rows: at worst the median is answered.

use domain::{GateRules, Target, TaskKind, decide};
use ndarray::{Array2, Axis, concatenate};

use super::baselines::{SimpleMethod, knn_value};
use super::decision::Decision;
use super::examples::MIN_EXAMPLES;
use super::folds::folds;
use super::linear_classifier::{ClassifierParts, LinearClassifier, ValueScale};
use super::measure;
use super::ordinal_bins::OrdinalBins;
use super::recipe;
use super::report::{MethodScores, TaskReport};
use super::surface_features::{MEASURES, SurfaceFeatures};
use super::text_features::Terms;
use super::train::nearest;
use super::{TaskInput, TaskModel, TaskTrainError};
use crate::solvers::{FitOptions, GoOn, LogisticRegression, Rows, Targets, softmax};
use crate::training::Progress;

const TRUSTS: usize = 20;

/// Trains a model for numbers, and evaluates it.
pub(super) fn train(
    input: &TaskInput<'_>,
    progress: &Progress<'_>,
) -> Result<TaskModel, TaskTrainError> {
    let set = ValueSet::new(input)?;
    let go_on = || progress(0.5, "fitting on parts, evaluating on the rest");
    let held_out = set.hold_out(&go_on)?;
    let every_row = |_: usize| true;
    let (penalty, trust) = held_out.best(&set, every_row);
    let predicted = held_out.predicted(&set);
    let bins = OrdinalBins::new(&set.values);
    let penalty = recipe::VALUE_L2_PENALTIES[penalty];
    let linear = fit(&set.rows, &set.values, &bins, penalty, &go_on)?;
    let mut residuals: Vec<f64> = set
        .values
        .iter()
        .zip(&predicted)
        .map(|(v, p)| v - p)
        .collect();
    residuals.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| residuals[((residuals.len() - 1) as f64 * q).round() as usize];
    let outside = (1.0 - recipe::INTERVAL) / 2.0;
    let value = ValueScale {
        bins,
        median: median(&set.values),
        trust,
        below: quantile(outside).min(0.0),
        above: quantile(1.0 - outside).max(0.0),
    };
    let report = report(&set, &predicted, &held_out.baselines);
    let parts = ClassifierParts {
        kind: TaskKind::Regression,
        labels: Vec::new(),
        dimensions: set.vectors.ncols(),
        dense_scale: recipe::VALUE_DENSE_SCALE,
        mix: None,
        terms: set.terms,
        surface: Some(set.surface),
        decision: Decision::unmeasured(SimpleMethod::Median, TaskKind::Regression, None, 0.0),
        value: Some(value),
    };
    let classifier =
        LinearClassifier::new(parts, linear).ok_or(TaskTrainError::TooFew { found: 0 })?;
    Ok(TaskModel {
        classifier,
        report,
        parameters: None,
        trials: Vec::new(),
    })
}

/// The examples that have a value, as numbers.
struct ValueSet<'a, 'b> {
    input: &'a TaskInput<'b>,
    /// Positions of the examples.
    kept: Vec<usize>,
    values: Vec<f64>,
    /// Embeddings, one row an example.
    vectors: Array2<f32>,
    terms: Terms,
    surface: SurfaceFeatures,
    rows: Rows,
    fold_of: Vec<usize>,
}

impl<'a, 'b> ValueSet<'a, 'b> {
    fn new(input: &'a TaskInput<'b>) -> Result<Self, TaskTrainError> {
        let valued = input.examples.iter().enumerate();
        let valued = valued.filter_map(|(at, example)| match example.target {
            Target::Value(value) => Some((at, value)),
            Target::Labels(_) => None,
        });
        let (kept, values): (Vec<usize>, Vec<f64>) = valued.unzip();
        if kept.len() < MIN_EXAMPLES {
            return Err(TaskTrainError::TooFew { found: kept.len() });
        }
        if values.iter().all(|value| *value == values[0]) {
            return Err(TaskTrainError::OneValue);
        }
        let texts = kept.iter().map(|&at| input.examples[at].text.as_str());
        let texts: Vec<&str> = texts.collect();
        let vectors = input.vectors.select(Axis(0), &kept);
        let terms = Terms::fit(
            &recipe::VALUE_TERMS,
            texts.iter().copied(),
            (recipe::MAX_WEIGHTS / recipe::BINS).saturating_sub(vectors.ncols() + MEASURES),
        );
        let (surface, measured) = SurfaceFeatures::fit(&texts, recipe::VALUE_SURFACE_SCALE);
        let dense = &vectors * recipe::VALUE_DENSE_SCALE;
        let mut rows = Rows::new(concatenate![Axis(1), dense, measured], terms.width());
        texts.iter().for_each(|text| rows.push(&terms.row(text)));
        let groups: Vec<(&str, usize)> = texts.iter().map(|text| (*text, 0)).collect();
        let fold_of = folds(&groups, recipe::folds(kept.len()));
        Ok(Self {
            input,
            kept,
            values,
            vectors,
            terms,
            surface,
            rows,
            fold_of,
        })
    }

    /// Predicts the values of each fold from those of the others.
    fn hold_out(&self, go_on: &GoOn<'_>) -> Result<HeldOutValues, TaskTrainError> {
        let n = self.values.len();
        let mut made = HeldOutValues {
            distances: vec![vec![0.0; n]; recipe::VALUE_L2_PENALTIES.len()],
            baselines: [vec![0.0; n], vec![0.0; n]],
        };
        for turn in 0..recipe::folds(n) {
            let of = |held: bool| -> Vec<usize> {
                let rows = 0..n;
                rows.filter(|&at| (self.fold_of[at] == turn) == held)
                    .collect()
            };
            let (held, known) = (of(true), of(false));
            let known_values: Vec<f64> = known.iter().map(|&at| self.values[at]).collect();
            let (bins, median) = (OrdinalBins::new(&known_values), median(&known_values));
            let (own, asked) = (self.rows.select(&known), self.rows.select(&held));
            for (penalty, distances) in recipe::VALUE_L2_PENALTIES.iter().zip(&mut made.distances) {
                let linear = fit(&own, &known_values, &bins, *penalty, go_on)?;
                for (&at, scores) in held.iter().zip(linear.scores(&asked).outer_iter()) {
                    let mut shares = scores.to_vec();
                    softmax(&mut shares);
                    distances[at] = bins.median(&shares) - median;
                }
            }
            let history = self.vectors.select(Axis(0), &known);
            let similar = self.vectors.select(Axis(0), &held).dot(&history.t());
            for (&at, similar) in held.iter().zip(similar.outer_iter()) {
                let near = nearest(similar.iter().copied());
                let votes = near.iter().map(|&(s, at)| (s, known_values[at]));
                made.baselines[0][at] = knn_value(votes).unwrap_or(median);
                made.baselines[1][at] = median;
            }
        }
        Ok(made)
    }
}

/// What was predicted of every row while it was held out.
struct HeldOutValues {
    /// By penalty and row, how far the prediction lies from the median of the values it was learned from.
    distances: Vec<Vec<f64>>,
    /// By row, the value by nearest neighbours, and the median of the values learned from.
    baselines: [Vec<f64>; 2],
}

impl HeldOutValues {
    /// Which penalty, and how far to trust predictions, with the smallest mean absolute error on some rows.
    fn best(&self, set: &ValueSet<'_, '_>, on: impl Fn(usize) -> bool) -> (usize, f64) {
        let rows: Vec<usize> = (0..set.values.len()).filter(|&at| on(at)).collect();
        let mut found = (0, 0.0, f64::INFINITY);
        for penalty in 0..self.distances.len() {
            for step in 0..=TRUSTS {
                let trust = 1.2 * step as f64 / TRUSTS as f64;
                let errors = rows.iter().map(|&at| {
                    let prediction = self.prediction(at, penalty, trust);
                    (set.values[at] - prediction).abs()
                });
                let error: f64 = errors.sum();
                if error < found.2 {
                    found = (penalty, trust, error);
                }
            }
        }
        (found.0, found.1)
    }

    /// Predictions of all rows, with the penalty and the trust that are best on the other half of the folds:
    /// what is reported must not have been chosen on the same rows.
    fn predicted(&self, set: &ValueSet<'_, '_>) -> Vec<f64> {
        let halves = [0, 1].map(|half| self.best(set, |at| set.fold_of[at] % 2 != half));
        let rows = set.fold_of.iter().enumerate();
        rows.map(|(at, fold)| {
            let (penalty, trust) = halves[fold % 2];
            self.prediction(at, penalty, trust)
        })
        .collect()
    }

    fn prediction(&self, row: usize, penalty: usize, trust: f64) -> f64 {
        self.baselines[1][row] + trust * self.distances[penalty][row]
    }
}

fn fit(
    rows: &Rows,
    values: &[f64],
    bins: &OrdinalBins,
    l2_penalty: f64,
    go_on: &GoOn<'_>,
) -> Result<LogisticRegression, TaskTrainError> {
    let truth: Vec<u16> = values.iter().map(|v| bins.bin(*v) as u16).collect();
    let options = FitOptions {
        outputs: bins.len(),
        l2_penalty,
        max_iterations: recipe::VALUE_ITERATIONS,
        go_on,
    };
    LogisticRegression::fit(rows, &Targets::Single(&truth), &options).ok_or(TaskTrainError::Stopped)
}

/// The median; of an even number the upper one.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn report(set: &ValueSet<'_, '_>, predicted: &[f64], baselines: &[Vec<f64>; 2]) -> TaskReport {
    let (input, values) = (set.input, &set.values);
    let own = absolute_errors(values, predicted);
    let named = [SimpleMethod::Knn, SimpleMethod::Median].map(SimpleMethod::name);
    let theirs = [&baselines[0], &baselines[1]].map(|one| absolute_errors(values, one));
    let mut methods: Vec<MethodScores> = named
        .iter()
        .zip(&theirs)
        .map(|(name, e)| scores(name, "baseline", e))
        .collect();
    let best = usize::from(methods[1].mean_absolute_error < methods[0].mean_absolute_error);
    // Where a baseline is never wrong, any error would be an infinite share of its own.
    let center = median(values);
    let spread = values.iter().map(|v| (v - center).abs()).sum::<f64>() / values.len() as f64;
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
        corrections: set
            .kept
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

fn absolute_errors(values: &[f64], predicted: &[f64]) -> Vec<f64> {
    let pairs = values.iter().zip(predicted);
    pairs.map(|(v, p)| (v - p).abs()).collect()
}

fn scores(name: &str, role: &str, errors: &[f64]) -> MethodScores {
    let n = errors.len() as f64;
    MethodScores {
        method: name.to_owned(),
        role: role.to_owned(),
        mean_absolute_error: errors.iter().sum::<f64>() / n,
        root_mean_squared_error: (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt(),
        ..MethodScores::default()
    }
}
