//! Compares this crate's logistic regressions with `linfa-logistic` on the same rows and the same penalty.
//!
//! `cargo run -p tenantry-learning --example solvers -- DATA` reads `DATA/labels` and
//! `DATA/experts`, fits on train parts, scores on valid parts (never on test), and prints the tables of
//! `docs/adr/0012-solvers-and-linfa.md`. Dense rows are tokens hashed to 384 numbers, so that the run needs no
//! model file; sparse ones are the tokens themselves.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a report for the person who runs it"
)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Instant;

use domain::ExpertId;
use learning::solvers::{
    FitOptions, Inputs, LogisticRegression, Logit, Rows, Targets, log_odds, softmax,
};
use learning::{
    BacktestWindow, Calibration, Corpus, Document, Retriever, Window, global_ranker, tokens,
};
use linfa::Dataset;
use linfa::traits::Fit as _;
use linfa_logistic::{LogisticRegression as LinfaBinary, MultiLogisticRegression};
use ndarray::{Array1, Array2, Axis, concatenate, s};
use serde::Deserialize;
use tenantry_learning as learning;

const DIMENSIONS: usize = 384;
const SCALE: f32 = 8.0;
const PENALTY: f64 = 0.3;
/// Dense rows of tokens are made up to this many numbers.
const MOST_NUMBERS: usize = 30_000_000;

#[derive(Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    expert: String,
    #[serde(default)]
    also: Vec<String>,
    split: String,
}

fn read(path: &Path) -> Vec<Row> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

/// Tokens thrown onto a few dimensions with signs by their hash; of length 1.
fn hashed(text: &str) -> Array1<f32> {
    let mut vector: Array1<f32> = Array1::zeros(DIMENSIONS);
    for (token, count) in tokens::count(text) {
        for turn in 0..4_u32 {
            let mixed = (token ^ turn.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b1);
            let sign = if mixed & 1 == 0 { 1.0 } else { -1.0 };
            vector[(mixed >> 8) as usize % DIMENSIONS] += sign * (1.0 + count.ln());
        }
    }
    let length = vector.dot(&vector).sqrt().max(1e-6);
    vector / length
}

/// Probabilities of the asked rows, and the bits of the weights, by `linfa-logistic` in one precision.
macro_rules! linfa_fit {
    ($task:expr, $x:expr, $float:ty, $iterations:expr) => {{
        let (task, x) = ($task, $x);
        let known = task.classes[..task.fitted].iter();
        let y: Array1<usize> = known.map(|classes| usize::from(classes[0])).collect();
        let known = x.slice(s![..task.fitted, ..]).to_owned();
        let model = MultiLogisticRegression::<$float>::default()
            .alpha(PENALTY as $float)
            .max_iterations($iterations)
            .fit(&Dataset::new(known, y))
            .unwrap();
        let said = model.predict_probabilities(&x.slice(s![task.fitted.., ..]));
        let mut found = Array2::zeros((said.nrows(), task.outputs));
        for (column, class) in model.classes().iter().enumerate() {
            let said = said.column(column).mapv(|p| p as f32);
            found.column_mut(*class).assign(&said);
        }
        let weights = model.params().iter();
        (found, weights.map(|w| u64::from(w.to_bits())).collect())
    }};
}

/// A set of labelled texts: the rows that are fitted come first.
struct Task {
    name: String,
    rows: Rows,
    dense: Array2<f32>,
    tokens: Vec<Vec<(u32, f32)>>,
    width: usize,
    classes: Vec<Vec<u16>>,
    outputs: usize,
    fitted: usize,
}

impl Task {
    fn new(name: &str, mut all: Vec<Row>) -> Self {
        all.retain(|row| row.split != "test");
        all.sort_by_key(|row| row.split != "train");
        let fitted = all.iter().filter(|row| row.split == "train").count();
        let mut numbers: BTreeMap<String, u16> = BTreeMap::new();
        for row in &all[..fitted] {
            for label in row.labels.iter().chain([&row.label]) {
                if !label.is_empty() {
                    let next = numbers.len() as u16;
                    numbers.entry(label.clone()).or_insert(next);
                }
            }
        }
        let known = |row: &Row| {
            row.labels
                .iter()
                .chain([&row.label])
                .any(|l| numbers.contains_key(l))
        };
        let kept: Vec<Row> = all.into_iter().filter(known).collect();
        let classes: Vec<Vec<u16>> = kept
            .iter()
            .map(|row| {
                let own = row.labels.iter().chain([&row.label]);
                own.filter_map(|label| numbers.get(label).copied())
                    .collect()
            })
            .collect();
        let mut columns: HashMap<u32, u32> = HashMap::new();
        let tokens: Vec<Vec<(u32, f32)>> = kept
            .iter()
            .map(|row| {
                let counted = tokens::count(&row.text);
                let length = counted
                    .iter()
                    .map(|(_, n)| n * n)
                    .sum::<f32>()
                    .sqrt()
                    .max(1.0);
                let mut own: Vec<(u32, f32)> = counted
                    .into_iter()
                    .map(|(token, n)| {
                        let next = columns.len() as u32;
                        (*columns.entry(token).or_insert(next), 4.0 * n / length)
                    })
                    .collect();
                own.sort_unstable_by_key(|(column, _)| *column);
                own
            })
            .collect();
        let mut dense = Array2::zeros((kept.len(), DIMENSIONS));
        for (mut row, own) in dense.outer_iter_mut().zip(&kept) {
            row.assign(&(hashed(&own.text) * SCALE));
        }
        let mut rows = Rows::new(dense.clone(), columns.len());
        tokens.iter().for_each(|own| rows.push(own));
        Self {
            name: name.to_owned(),
            rows,
            dense,
            tokens,
            width: columns.len(),
            classes,
            outputs: numbers.len(),
            fitted,
        }
    }

    fn dense_rows(&self) -> Rows {
        let mut rows = Rows::new(self.dense.clone(), 0);
        (0..self.dense.nrows()).for_each(|_| rows.push(&[]));
        rows
    }

    /// Tokens beside the hashed numbers, all of them dense; none where that is too much.
    fn densified(&self) -> Option<Array2<f32>> {
        (self.dense.nrows() * self.width <= MOST_NUMBERS).then(|| {
            let mut more = Array2::zeros((self.dense.nrows(), self.width));
            for (mut row, own) in more.outer_iter_mut().zip(&self.tokens) {
                own.iter()
                    .for_each(|(column, value)| row[*column as usize] = *value);
            }
            concatenate![Axis(1), self.dense, more]
        })
    }

    fn own(&self, rows: &Rows, iterations: usize) -> (Array2<f32>, Vec<u64>) {
        let known: Vec<usize> = (0..self.fitted).collect();
        let asked: Vec<usize> = (self.fitted..self.classes.len()).collect();
        let options = FitOptions {
            outputs: self.outputs,
            l2_penalty: PENALTY,
            max_iterations: iterations,
            go_on: &|| true,
        };
        let single: Vec<u16> = self.classes[..self.fitted].iter().map(|c| c[0]).collect();
        let targets = Targets::Single(&single);
        let model = LogisticRegression::fit(&rows.select(&known), &targets, &options).unwrap();
        let mut found = model.scores(&rows.select(&asked));
        for mut row in found.outer_iter_mut() {
            softmax(row.as_slice_mut().unwrap());
        }
        (
            found,
            model
                .weights
                .iter()
                .map(|w| u64::from(w.to_bits()))
                .collect(),
        )
    }

    fn linfa(&self, x: &Array2<f32>, iterations: u64) -> (Array2<f32>, Vec<u64>) {
        linfa_fit!(self, x, f32, iterations)
    }

    fn linfa_f64(&self, x: &Array2<f32>, iterations: u64) -> (Array2<f32>, Vec<u64>) {
        linfa_fit!(self, &x.mapv(f64::from), f64, iterations)
    }

    fn compare(&self) {
        let dense = self.dense_rows();
        self.line("dense", "own, 60 iterations", || self.own(&dense, 60));
        self.line("dense", "own, 200 iterations", || self.own(&dense, 200));
        self.line("dense", "linfa, 60 iterations", || {
            self.linfa(&self.dense, 60)
        });
        self.line("dense", "linfa, 200 iterations", || {
            self.linfa(&self.dense, 200)
        });
        self.line("dense", "linfa f64, 200 iterations", || {
            self.linfa_f64(&self.dense, 200)
        });
        self.line("dense and tokens", "own, 60 iterations", || {
            self.own(&self.rows, 60)
        });
        if let Some(x) = self.densified() {
            self.line("dense and tokens", "linfa, 60 iterations", || {
                self.linfa(&x, 60)
            });
        }
    }

    fn line(&self, rows: &str, solver: &str, fit: impl Fn() -> (Array2<f32>, Vec<u64>)) {
        let started = Instant::now();
        let (found, bits) = fit();
        let seconds = started.elapsed().as_secs_f64();
        let same = if fit().1 == bits { "yes" } else { "no" };
        let (accuracy, f1, loss) = self.quality(&found);
        println!(
            "| {} | {rows} | {solver} | {accuracy:.4} | {f1:.4} | {loss:.4} | {seconds:.2} | {same} |",
            self.name
        );
    }

    /// Accuracy, macro F1 and log-loss on the valid rows.
    fn quality(&self, found: &Array2<f32>) -> (f64, f64, f64) {
        let mut counts = vec![[0_u32; 3]; self.outputs];
        let (mut right, mut loss) = (0, 0.0);
        let asked = &self.classes[self.fitted..];
        for (row, own) in found.outer_iter().zip(asked) {
            let best = (0..row.len())
                .max_by(|a, b| row[*a].total_cmp(&row[*b]))
                .unwrap();
            let truth = usize::from(own[0]);
            right += usize::from(best == truth);
            counts[best][0] += 1;
            counts[truth][1] += 1;
            counts[truth][2] += u32::from(best == truth);
            loss -= f64::from(row[truth].max(1e-12)).ln();
        }
        let n = asked.len() as f64;
        let present: Vec<f64> = counts
            .iter()
            .filter(|[_, rows, _]| *rows > 0)
            .map(|[said, rows, hits]| 2.0 * f64::from(*hits) / f64::from(said + rows))
            .collect();
        let f1 = present.iter().sum::<f64>() / present.len() as f64;
        (right as f64 / n, f1, loss / n)
    }
}

/// The softmax shares of a tenant's first twenty candidates, and whether each was right: question by question
/// over the newest of the rows that are not test.
fn shares(path: &Path) -> Vec<(f64, bool)> {
    let rows: Vec<Row> = read(path)
        .into_iter()
        .filter(|row| row.split != "test")
        .collect();
    let experts: Vec<Vec<ExpertId>> = rows
        .iter()
        .map(|row| {
            let all = std::iter::once(&row.expert).chain(&row.also);
            all.map(|id| ExpertId::parse(id.clone()).unwrap()).collect()
        })
        .collect();
    let documents = rows
        .iter()
        .zip(&experts)
        .enumerate()
        .map(|(at, (row, experts))| Document {
            point: at as u64,
            text: &row.text,
            area: None,
            experts,
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
    let corpus = Corpus::new(documents, &[]).unwrap();
    let mut vectors = Array2::zeros((rows.len(), DIMENSIONS));
    for (mut vector, row) in vectors.outer_iter_mut().zip(&rows) {
        vector.assign(&hashed(&row.text));
    }
    let retriever = Retriever::new(&corpus, vectors.view());
    let mut ranker = global_ranker().clone();
    ranker.calibration = Calibration::default();
    let n = rows.len();
    let window = Window {
        from: n - n / 4,
        to: n,
    };
    let window = BacktestWindow::new(&retriever, window).unwrap();
    let mut found = Vec::new();
    for query in &window.queries {
        let ranked = ranker.rank(&query.features, &query.candidates);
        let right = |expert: usize| query.right.iter().any(|r| usize::from(*r) == expert);
        found.extend(
            ranked
                .iter()
                .take(20)
                .map(|one| (one.probability, right(one.expert))),
        );
    }
    found
}

fn log_loss(cases: &[(f64, bool)], probability: impl Fn(f64) -> f64) -> f64 {
    let one = |(share, right): &(f64, bool)| {
        let p = probability(*share).clamp(1e-12, 1.0 - 1e-12);
        -(if *right { p } else { 1.0 - p }).ln()
    };
    cases.iter().map(one).sum::<f64>() / cases.len() as f64
}

fn inputs(share: f64) -> Inputs {
    [1.0, log_odds(share), 0.0, 0.0, 0.0]
}

/// Slope and shift by `linfa-logistic`, however few the cases; none when it fails.
fn linfa_platt(
    cases: &[(f64, bool)],
    alpha: f64,
    weights: Option<Array1<f32>>,
) -> Option<(f64, f64)> {
    let x = Array2::from_shape_fn((cases.len(), 1), |(row, _)| log_odds(cases[row].0));
    let y: Array1<usize> = cases.iter().map(|(_, right)| usize::from(*right)).collect();
    let mut data = Dataset::new(x, y);
    if let Some(weights) = weights {
        data = data.with_weights(weights);
    }
    let model = LinfaBinary::default()
        .alpha(alpha)
        .max_iterations(200)
        .fit(&data)
        .ok()?;
    let sign = if model.labels().pos.class == 1 {
        1.0
    } else {
        -1.0
    };
    Some((sign * model.params()[0], sign * model.intercept()))
}

/// Slope and shift by this crate's, from the prior "the share is the probability".
fn own_platt(cases: &[(f64, bool)], strength: f64) -> Logit {
    let prior = Logit {
        weights: [0.0, 1.0, 0.0, 0.0, 0.0],
    };
    let cases: Vec<(Inputs, bool, f64)> = cases
        .iter()
        .map(|(share, right)| (inputs(*share), *right, 1.0))
        .collect();
    prior.fit(&cases, strength)
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn compare_platt(name: &str, cases: &[(f64, bool)]) {
    let (known, asked) = cases.split_at(cases.len() / 2);
    let started = Instant::now();
    let (slope, shift) = linfa_platt(known, 1e-3, None).unwrap();
    let linfa = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let own = own_platt(known, 1e-3);
    let seconds = started.elapsed().as_secs_f64();
    let same = linfa_platt(known, 1e-3, None) == Some((slope, shift));
    let own_same = own_platt(known, 1e-3) == own;
    let by_linfa = log_loss(asked, |share| sigmoid(slope * log_odds(share) + shift));
    let by_own = log_loss(asked, |share| own.probability(&inputs(share)));
    println!(
        "| {name} | {} | {by_linfa:.5} | {by_own:.5} | {linfa:.4} | {seconds:.4} | {same}, {own_same} |",
        known.len()
    );
    // Few cases, as a task with some tens of examples has: mean over twenty draws.
    for n in [20, 50, 200] {
        let (mut linfa, mut own, mut failed) = (0.0, 0.0, 0);
        for draw in 0..20 {
            let step = known.len() / n;
            let few: Vec<(f64, bool)> = (0..n)
                .map(|at| known[(at * step + draw * 7) % known.len()])
                .collect();
            match linfa_platt(&few, 2.0, None) {
                Some((slope, shift)) => {
                    linfa += log_loss(asked, |share| sigmoid(slope * log_odds(share) + shift));
                }
                None => failed += 1,
            }
            let fitted = own_platt(&few, 2.0);
            own += log_loss(asked, |share| fitted.probability(&inputs(share)));
        }
        let linfa = linfa / f64::from(20 - failed);
        println!(
            "| {name} | {n} | {linfa:.4} ({failed} of 20 failed) | {:.4} | | | |",
            own / 20.0
        );
    }
}

fn special_cases() {
    let separable: Vec<(f64, bool)> = (0..200)
        .map(|at| (if at % 2 == 0 { 0.9 } else { 0.1 }, at % 2 == 0))
        .collect();
    for alpha in [0.0, 1e-3, 2.0] {
        println!(
            "separable, linfa, alpha {alpha}: {:?}",
            linfa_platt(&separable, alpha, None)
        );
    }
    for strength in [1e-3, 2.0] {
        println!(
            "separable, own, prior {strength}: {:?}",
            own_platt(&separable, strength).weights
        );
    }
    let mixed: Vec<(f64, bool)> = (0..200)
        .map(|at| (0.3 + 0.4 * f64::from(at % 2), at % 3 == 0))
        .collect();
    let weights = Array1::from_shape_fn(200, |at| if at % 3 == 0 { 100.0 } else { 0.01 });
    let (with, without) = (
        linfa_platt(&mixed, 1.0, Some(weights)),
        linfa_platt(&mixed, 1.0, None),
    );
    println!("linfa uses weights: {}", with != without);
}

fn main() {
    let data = std::env::args().nth(1).expect("name the data folder");
    let data = Path::new(&data);
    println!("| set | rows | solver | accuracy | macro F1 | log-loss | seconds | same bytes |");
    println!("|---|---|---|---|---|---|---|---|");
    Task::new("madewithml", read(&data.join("labels/madewithml.jsonl.gz"))).compare();
    let clinc = || read(&data.join("labels/clinc150.jsonl.gz")).into_iter();
    let banking = clinc().filter(|row| row.tenant == "banking");
    Task::new("clinc150 banking", banking.collect()).compare();
    Task::new("clinc150", clinc().collect()).compare();
    println!("\n| tenant | cases | log-loss linfa | log-loss own | s linfa | s own | same bytes |");
    println!("|---|---|---|---|---|---|---|");
    for tenant in ["kafka", "detectron2", "se-dba"] {
        let path = data.join(format!("experts/{tenant}.jsonl.gz"));
        compare_platt(tenant, &shares(&path));
    }
    println!();
    special_cases();
}
