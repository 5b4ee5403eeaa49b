//! Makes the built-in global ranker again, and shows how it does on tenants it has not seen.
//!
//! `cargo run --release -p tenantry-trainer --example global_ranker -- DATA OUT.json [CACHE [MODEL]]` reads
//! the tenants of `DATA/experts`, embeds them with the default model or the one that is named (CACHE keeps the
//! vectors of one model), fits on their train and valid parts (never on test), and writes the weights. With TENANTRY_REPORT_VALID set it also prints an honest table: each tenant is answered by a
//! ranker that learned on the others, with its valid part as questions and its train part as history.

#![allow(clippy::print_stderr, reason = "a report for the person who runs it")]

use std::path::PathBuf;

mod tenants;

use anyhow::Context as _;
use embedding::{Embedder, EmbeddingConfig, MODELS};
use learning::{
    BacktestWindow, Corpus, Query, Ranker, RankerRecipe, Retriever, SharedTrainingSample,
    TrainSettings, Window, first_right, fit_global, shared_sample_of, train_tenant,
};
use ndarray::Array2;
use tenants::{Tenant, files, first, load};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let data = PathBuf::from(args.next().context("name the data folder")?);
    let out = PathBuf::from(args.next().context("name the file to write")?);
    let cache = args.next().map(PathBuf::from);
    let wanted = args.next().unwrap_or_else(|| MODELS[0].name.to_owned());
    let model = MODELS.iter().find(|model| model.name == wanted);
    let model = model.with_context(|| format!("there is no model {wanted}"))?;
    let config = EmbeddingConfig {
        model_dir: std::env::var_os("TENANTRY_MODEL_DIR").map(PathBuf::from),
        onnxruntime: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        ..EmbeddingConfig::default()
    };
    let embedder = Embedder::open_model(model, &config)?;
    let mut tenants = Vec::new();
    for file in files(&data.join("experts"))? {
        tenants.push(load(&file, &embedder, cache.as_deref()).await?);
    }
    if std::env::var_os("TENANTRY_REPORT_VALID").is_some() {
        report(&tenants);
    }
    let fitted: Vec<(Corpus, Array2<f32>)> = tenants.iter().map(|t| first(t, t.fitted)).collect();
    let signals: Vec<SharedTrainingSample> = fitted
        .iter()
        .map(|(c, v)| shared_sample_of(&Retriever::new(c, v.view())))
        .collect();
    let ranker = fit_global(&signals.iter().collect::<Vec<_>>());
    std::fs::write(&out, serde_json::to_string_pretty(&ranker)? + "\n")?;
    eprintln!("wrote {}", out.display());
    for (feature, weight) in ranker.weights() {
        eprintln!("{weight:8.3}  {feature}");
    }
    if std::env::var_os("TENANTRY_REPORT_TEST").is_some() {
        report_test(&tenants, &signals, &ranker);
    }
    Ok(())
}

/// Leave one tenant out: its valid part asked, its train part as history; frozen, and live in five
/// steps.
fn report(tenants: &[Tenant]) {
    let trains: Vec<(Corpus, Array2<f32>)> = tenants.iter().map(|t| first(t, t.train)).collect();
    let signals: Vec<SharedTrainingSample> = trains
        .iter()
        .map(|(c, v)| shared_sample_of(&Retriever::new(c, v.view())))
        .collect();
    let mut table = Table::default();
    for (at, tenant) in tenants.iter().enumerate() {
        let others = signals.iter().enumerate().filter(|(other, _)| *other != at);
        let global = fit_global(&others.map(|(_, signal)| signal).collect::<Vec<_>>());
        table.add(tenant, &global, tenant.train..tenant.fitted);
    }
    table.finish("valid, left-out global");
}

/// What the test part says; asked for by TENANTRY_REPORT_TEST, never to choose anything by. With
/// TENANTRY_REPORT_TEST=unseen each tenant is answered by a global ranker that never saw it.
fn report_test(tenants: &[Tenant], signals: &[SharedTrainingSample], global: &Ranker) {
    let unseen = std::env::var("TENANTRY_REPORT_TEST").is_ok_and(|how| how == "unseen");
    let mut table = Table::default();
    for (at, tenant) in tenants.iter().enumerate() {
        let others = signals.iter().enumerate().filter(|(other, _)| *other != at);
        let global = match unseen {
            true => fit_global(&others.map(|(_, signal)| signal).collect::<Vec<_>>()),
            false => global.clone(),
        };
        table.add(tenant, &global, tenant.fitted..tenant.corpus.len());
    }
    table.finish("test");
}

/// Mean reciprocal ranks, tenant by tenant.
#[derive(Default)]
struct Table {
    sums: [f64; 6],
    tenants: usize,
}

impl Table {
    /// Asks the items of `asked`: frozen before its first, and live in five steps.
    fn add(&mut self, tenant: &Tenant, global: &Ranker, asked: std::ops::Range<usize>) {
        let started = std::time::Instant::now();
        let (own, served, verdict) = train(&first(tenant, asked.start), global);
        let took = started.elapsed().as_secs_f64();
        let frozen = ask(tenant, asked.start, asked.clone());
        let mut row = [mrr(global, &frozen), mrr(&own, &frozen), 0.0, 0.0, 0.0, 0.0];
        row[2] = if served { row[1] } else { row[0] };
        let length = asked.len();
        for step in 0..5 {
            let from = asked.start + length * step / 5;
            let to = asked.start + length * (step + 1) / 5;
            let (own, served, _) = train(&first(tenant, from), global);
            let questions = ask(tenant, from, from..to);
            let share = (to - from) as f64 / length as f64;
            let (above, below) = (mrr(global, &questions), mrr(&own, &questions));
            for (sum, value) in
                row[3..]
                    .iter_mut()
                    .zip([above, below, if served { below } else { above }])
            {
                *sum += share * value;
            }
        }
        eprintln!(
            "{:18} frozen: global {:.3} tenant {:.3} served {:.3} | live: {:.3} {:.3} {:.3} | {took:.1} s {verdict}",
            tenant.name, row[0], row[1], row[2], row[3], row[4], row[5],
        );
        for (sum, value) in self.sums.iter_mut().zip(row) {
            *sum += value;
        }
        self.tenants += 1;
    }

    fn finish(&self, what: &str) {
        let n = self.tenants.max(1) as f64;
        let means = self.sums.map(|sum| sum / n);
        eprintln!(
            "mean of {n} tenants, {what}: frozen global {:.4} tenant {:.4} served {:.4}; live {:.4} {:.4} {:.4}",
            means[0], means[1], means[2], means[3], means[4], means[5],
        );
    }
}

/// The tenant's ranker, whether it would serve, and why; the global one when there is none.
fn train(own: &(Corpus, Array2<f32>), global: &Ranker) -> (Ranker, bool, String) {
    let settings = TrainSettings {
        seed: 17,
        incumbent: global,
        rules: None,
        recipe: RankerRecipe::default(),
        search: None,
        champion: None,
    };
    match train_tenant(&own.0, own.1.view(), settings, &|_, _| true) {
        Ok(model) => {
            let promoted = model.report.verdict == domain::Verdict::Promote;
            let reason = format!(
                "{} x{}",
                model.report.reason, model.report.interpolation_weight
            );
            (model.ranker, promoted, reason)
        }
        Err(error) => (global.clone(), false, error.to_string()),
    }
}

/// The items of `asked` as questions, with the first `known` items as history.
fn ask(tenant: &Tenant, known: usize, asked: std::ops::Range<usize>) -> Vec<Query> {
    let (corpus, vectors) = first(tenant, asked.end);
    let retriever = Retriever::new(&corpus, vectors.view());
    let window = Window {
        from: known,
        to: asked.end,
    };
    let exam = BacktestWindow::new(&retriever, window);
    exam.map_or_else(Vec::new, |exam| exam.queries)
}

fn mrr(ranker: &Ranker, queries: &[Query]) -> f64 {
    let sum: f64 = queries
        .iter()
        .map(|query| {
            let ranked = ranker.rank(&query.features, &query.candidates);
            let order = ranked.into_iter().map(|one| one.expert);
            first_right(order, &query.right).map_or(0.0, |place| 1.0 / place as f64)
        })
        .sum();
    sum / queries.len().max(1) as f64
}
