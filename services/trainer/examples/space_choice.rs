//! Shows which embedding space each tenant is given by evidence, and what that costs it.
//!
//! `cargo run --release -p tenantry-trainer --example space_choice -- DATA CACHE` reads the tenants of
//! `DATA/experts`; CACHE keeps their vectors, in a folder for each model. Each tenant chooses on its train part
//! alone, beside the built-in ranker fitted on the other tenants; then its valid part is asked in each space, and
//! the choice is held against the default one. The test part is never looked at.

#![allow(clippy::print_stderr, reason = "a report for the person who runs it")]

mod tenants;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::{DEFAULT_EMBEDDING_MODEL, Verdict};
use embedding::{Embedder, EmbeddingConfig, MODELS};
use learning::{
    BacktestWindow, ComparedSpace, Query, Ranker, RankerRecipe, Retriever, SharedTrainingSample,
    TrainSettings, Window, choose_space, first_right, fit_global, shared_sample_of, train_tenant,
};
use tenants::{Tenant, first};

/// From the cheapest to the dearest.
const SPACES: [&str; 3] = ["none", "minilm-static", DEFAULT_EMBEDDING_MODEL];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let data = args.next().context("name the data folder")?;
    let cache = args.next().context("name the folder for vectors")?;
    let mut spaces = Vec::new();
    for name in SPACES {
        spaces.push(embedded(&data, &cache.join(name), name).await?);
    }
    let default = spaces.last().context("there are spaces")?;
    // What the global ranker learned from is in the default space, whatever space it then serves in.
    let signals: Vec<SharedTrainingSample> = default
        .iter()
        .map(|tenant| {
            let (corpus, vectors) = first(tenant, tenant.train);
            shared_sample_of(&Retriever::new(&corpus, vectors.view()))
        })
        .collect();
    let (mut sums, mut counts) = ([0.0; SPACES.len() + 1], [0; SPACES.len()]);
    for at in 0..default.len() {
        let others = signals.iter().enumerate().filter(|(other, _)| *other != at);
        let global = fit_global(&others.map(|(_, signal)| signal).collect::<Vec<_>>());
        let own: Vec<&Tenant> = spaces.iter().map(|space| &space[at]).collect();
        let (chosen, reason) = choose(&own, &global)?;
        let mrr: Vec<f64> = own.iter().map(|tenant| served(tenant, &global)).collect();
        let all = mrr.iter().copied().chain([mrr[chosen]]);
        sums.iter_mut()
            .zip(all)
            .for_each(|(sum, value)| *sum += value);
        counts[chosen] += 1;
        eprintln!(
            "{:18} {} | {:14} {reason}",
            own[0].name,
            mrr.iter()
                .map(|mrr| format!("{mrr:.3} "))
                .collect::<String>(),
            SPACES[chosen],
        );
    }
    let n = default.len() as f64;
    for (at, name) in SPACES.iter().enumerate() {
        eprintln!(
            "{name}: MRR {:.4} for all; chosen by {}",
            sums[at] / n,
            counts[at]
        );
    }
    eprintln!("AUTO: MRR {:.4}", sums[SPACES.len()] / n);
    Ok(())
}

async fn embedded(data: &Path, cache: &Path, name: &str) -> anyhow::Result<Vec<Tenant>> {
    let model = MODELS.iter().find(|model| model.name == name);
    let config = EmbeddingConfig {
        model_dir: std::env::var_os("TENANTRY_MODEL_DIR").map(PathBuf::from),
        onnxruntime: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        ..EmbeddingConfig::default()
    };
    let embedder = Embedder::open_model(model.context("no such model")?, &config)?;
    std::fs::create_dir_all(cache)?;
    let mut all = Vec::new();
    for file in tenants::files(&data.join("experts"))? {
        all.push(tenants::load(&file, &embedder, Some(cache)).await?);
    }
    Ok(all)
}

/// The space that the train part chooses, and why.
fn choose(own: &[&Tenant], global: &Ranker) -> anyhow::Result<(usize, String)> {
    let known: Vec<_> = own
        .iter()
        .map(|tenant| first(tenant, tenant.train))
        .collect();
    let spaces: Vec<ComparedSpace<'_>> = SPACES
        .iter()
        .zip(&known)
        .map(|(name, (_, vectors))| ComparedSpace {
            name,
            vectors: vectors.view(),
        })
        .collect();
    let default = DEFAULT_EMBEDDING_MODEL;
    let choice = choose_space(&known[0].0, &spaces, global, default, 17, &|_, _| true)?;
    let at = SPACES.iter().position(|name| *name == choice.chosen);
    Ok((at.context("one of them")?, choice.reason))
}

/// MRR of what serves on the valid part, trained on the train part.
fn served(tenant: &Tenant, global: &Ranker) -> f64 {
    let (corpus, vectors) = first(tenant, tenant.train);
    let settings = TrainSettings {
        seed: 17,
        incumbent: global,
        rules: None,
        recipe: RankerRecipe::default(),
        search: None,
        champion: None,
    };
    let trained = train_tenant(&corpus, vectors.view(), settings, &|_, _| true);
    let own = trained
        .ok()
        .filter(|model| model.report.verdict == Verdict::Promote);
    let ranker = own.as_ref().map_or(global, |model| &model.ranker);
    let (corpus, vectors) = first(tenant, tenant.fitted);
    let retriever = Retriever::new(&corpus, vectors.view());
    let window = Window {
        from: tenant.train,
        to: tenant.fitted,
    };
    let asked = BacktestWindow::new(&retriever, window).map_or_else(Vec::new, |one| one.queries);
    let rank = |query: &Query| {
        let ranked = ranker.rank(&query.features, &query.candidates);
        let order = ranked.into_iter().map(|one| one.expert);
        first_right(order, &query.right).map_or(0.0, |place| 1.0 / place as f64)
    };
    asked.iter().map(rank).sum::<f64>() / asked.len().max(1) as f64
}
