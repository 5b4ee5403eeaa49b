//! Makes the built-in global ranker again, and shows how it does on tenants it has not seen.
//!
//! `cargo run --release -p tenantry-trainer --example global_ranker -- DATA OUT.json [CACHE]` reads
//! the tenants of `DATA/experts`, fits on their train and valid parts (never on test), and writes the
//! weights. The table is honest: each tenant is answered by a ranker that learned on the others,
//! with its valid part as questions and its train part as history.

#![allow(clippy::print_stderr, reason = "a report for the person who runs it")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::ExpertId;
use embedding::{Embedder, EmbeddingConfig};
use learning::{
    Corpus, Document, Ranker, Retriever, TrainSettings, first_right, fit_global, train_tenant,
    window_queries,
};
use ndarray::Array2;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    text: String,
    area: Option<String>,
    expert: String,
    #[serde(default)]
    also: Vec<String>,
    at: chrono::DateTime<chrono::Utc>,
    split: String,
}

struct Tenant {
    name: String,
    corpus: Corpus,
    vectors: Array2<f32>,
    train: usize,
    fitted: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let data = PathBuf::from(args.next().context("name the data folder")?);
    let out = PathBuf::from(args.next().context("name the file to write")?);
    let cache = args.next().map(PathBuf::from);
    let embedder = Embedder::open(&EmbeddingConfig {
        model_dir: std::env::var_os("TENANTRY_MODEL_DIR").map(PathBuf::from),
        onnxruntime: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        ..EmbeddingConfig::default()
    })?;
    let mut tenants = Vec::new();
    for file in files(&data.join("experts"))? {
        tenants.push(load(&file, &embedder, cache.as_deref()).await?);
    }
    let fitted: Vec<(Corpus, Array2<f32>)> = tenants.iter().map(|t| first(t, t.fitted)).collect();
    report(&tenants);
    let retrievers: Vec<_> = fitted
        .iter()
        .map(|(c, v)| Retriever::new(c, v.view()))
        .collect();
    let ranker = fit_global(&retrievers);
    std::fs::write(&out, serde_json::to_string_pretty(&ranker)? + "\n")?;
    eprintln!("wrote {}", out.display());
    for (feature, weight) in ranker.weights() {
        eprintln!("{weight:8.3}  {feature}");
    }
    if std::env::var_os("TENANTRY_REPORT_TEST").is_some() {
        report_test(&tenants, &fitted, &ranker);
    }
    Ok(())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut all: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    all.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    all.sort();
    Ok(all)
}

async fn load(file: &Path, embedder: &Embedder, cache: Option<&Path>) -> anyhow::Result<Tenant> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .replace(".jsonl.gz", "");
    let reader = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(file)?));
    let rows: Vec<Row> = reader
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<anyhow::Result<_>>()?;
    let experts: Vec<Vec<ExpertId>> = rows
        .iter()
        .map(|row| {
            std::iter::once(&row.expert)
                .chain(&row.also)
                .map(|e| ExpertId::parse(e.clone()))
                .collect()
        })
        .collect::<Result<_, _>>()?;
    let documents = rows
        .iter()
        .zip(&experts)
        .enumerate()
        .map(|(at, (row, experts))| Document {
            point: at as u64,
            text: &row.text,
            area: row.area.as_deref(),
            experts,
            occurred_at: row.at,
        });
    let corpus = Corpus::new(documents, &[])?;
    let cached = cache.map(|folder| folder.join(format!("{name}.f32")));
    let vectors = match cached.as_ref().and_then(|path| std::fs::read(path).ok()) {
        Some(bytes) => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        None => {
            eprintln!("embedding {name}: {} texts", rows.len());
            let texts = rows.iter().map(|row| row.text.clone()).collect();
            let vectors: Vec<f32> = embedder
                .embed_passages(texts)
                .await?
                .into_iter()
                .flat_map(|e| e.vector)
                .collect();
            if let Some(path) = cached {
                std::fs::write(
                    path,
                    vectors
                        .iter()
                        .flat_map(|v| v.to_le_bytes())
                        .collect::<Vec<_>>(),
                )?;
            }
            vectors
        }
    };
    let vectors = Array2::from_shape_vec((rows.len(), embedder.space().dimensions), vectors)?;
    let train = rows.iter().filter(|row| row.split == "train").count();
    let fitted = rows.iter().filter(|row| row.split != "test").count();
    Ok(Tenant {
        name,
        corpus,
        vectors,
        train,
        fitted,
    })
}

/// The first `n` items of a tenant as a tenant of their own.
fn first(tenant: &Tenant, n: usize) -> (Corpus, Array2<f32>) {
    (
        tenant.corpus.first(n),
        tenant.vectors.slice(ndarray::s![..n, ..]).to_owned(),
    )
}

/// Leave one tenant out: its valid part asked, its train part as history.
fn report(tenants: &[Tenant]) {
    let trains: Vec<(Corpus, Array2<f32>)> = tenants.iter().map(|t| first(t, t.train)).collect();
    let mut sums = (0.0, 0.0);
    for (at, tenant) in tenants.iter().enumerate() {
        let others: Vec<_> = trains
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, (c, v))| Retriever::new(c, v.view()))
            .collect();
        let global = fit_global(&others);
        let (own, routed, verdict) = tenant_ranker(&trains[at], &global);
        let (fit, valid) = (first(tenant, tenant.fitted), tenant.train..tenant.fitted);
        let retriever = Retriever::new(&fit.0, fit.1.view());
        let mrr = |ranker: &Ranker| mrr(ranker, &retriever, valid.start, valid.end);
        let (above, below) = (mrr(&global), own.as_ref().map_or(0.0, mrr));
        let served = if routed { below } else { above };
        sums = (sums.0 + above, sums.1 + served);
        eprintln!(
            "{:18} unseen global {above:.3}  tenant {below:.3}  served {served:.3}  {verdict}",
            tenant.name
        );
    }
    let n = tenants.len() as f64;
    eprintln!(
        "mean of {n} tenants, valid: unseen global {:.4}, served {:.4}",
        sums.0 / n,
        sums.1 / n
    );
}

/// What the test part says; asked for by TENANTRY_REPORT_TEST, never to choose anything by.
fn report_test(tenants: &[Tenant], fitted: &[(Corpus, Array2<f32>)], global: &Ranker) {
    let mut sums = (0.0, 0.0);
    for (tenant, own) in tenants.iter().zip(fitted) {
        let (model, routed, _) = tenant_ranker(own, global);
        let retriever = Retriever::new(&tenant.corpus, tenant.vectors.view());
        let ask = |r: &Ranker| mrr(r, &retriever, tenant.fitted, tenant.corpus.items().len());
        let above = ask(global);
        let served = model.as_ref().filter(|_| routed).map_or(above, ask);
        sums = (sums.0 + above, sums.1 + served);
        eprintln!("{:18} global {above:.3}  served {served:.3}", tenant.name);
    }
    let n = tenants.len() as f64;
    eprintln!(
        "mean of {n} tenants, test: global {:.4}, served {:.4}",
        sums.0 / n,
        sums.1 / n
    );
}

fn tenant_ranker(own: &(Corpus, Array2<f32>), global: &Ranker) -> (Option<Ranker>, bool, String) {
    let settings = TrainSettings {
        seed: 17,
        incumbent: global,
        rules: None,
    };
    match train_tenant(&own.0, own.1.view(), settings, &|_, _| true) {
        Ok(model) => {
            let promoted = model.report.verdict == domain::Verdict::Promote;
            (Some(model.ranker), promoted, model.report.reason)
        }
        Err(error) => (None, false, error.to_string()),
    }
}

fn mrr(ranker: &Ranker, retriever: &Retriever<'_>, from: usize, to: usize) -> f64 {
    let queries = window_queries(retriever, from, to);
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
