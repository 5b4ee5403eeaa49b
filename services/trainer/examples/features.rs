//! Writes what a tenant's heads learn from, for others to fit the same.
//!
//! `cargo run -p tenantry-trainer --example features -- DATA TENANT OUT` reads the data folder of an
//! embedded server, running or not, and writes to the folder `OUT`, of the tenant's items that have an
//! expert, in little-endian numbers: the embeddings (`features.f32`, row after row), the words and the style
//! as a sparse matrix (`words.starts.u64`, `words.columns.u32`, `words.values.f32`; both of length 1, tokens
//! of one item left out), and the number of each item's first expert (`experts.u32`). It prints the sizes as
//! JSON.

#![allow(clippy::print_stdout, reason = "what it prints is read by who runs it")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use domain::{TenantContext, TenantId};
use embedding::{Embedder, EmbeddingConfig};
use learning::{Corpus, Document};
use storage::{StorageConfig, Store};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let data = args.next().context("name the data folder")?;
    let tenant = args.next().context("name the tenant")?;
    let out = args.next().context("name the folder to write to")?;
    let database = data.join("tenantry.db");
    ensure!(database.exists(), "there is no {}", database.display());
    let store = Store::open(&StorageConfig {
        url: format!("sqlite://{}", database.display()),
        max_connections: 1,
    })
    .await?;
    let embedder = Embedder::open(&EmbeddingConfig {
        model_dir: std::env::var_os("TENANTRY_MODEL_DIR").map(PathBuf::from),
        onnxruntime: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        ..EmbeddingConfig::default()
    })?;
    let tenant = TenantId::parse(tenant.to_string_lossy())?;
    let written = write(&store, &embedder, &tenant, &out).await?;
    println!("{written}");
    Ok(())
}

async fn write(
    store: &Store,
    embedder: &Embedder,
    tenant: &TenantId,
    out: &Path,
) -> anyhow::Result<serde_json::Value> {
    let ctx = TenantContext::for_background_work(tenant, "features");
    let tx = store.begin(&ctx).await?;
    let mut items = tx
        .items()
        .at_watermark(tx.items().watermark().await?)
        .await?;
    items.retain(|item| !item.content.experts.is_empty());
    let hash = |item: &domain::Item| embedder.content_hash(&item.content.text);
    let hashes: Vec<_> = items.iter().map(hash).collect();
    let space = embedder.space();
    let known = tx.embeddings().get(space.name, &hashes).await?;
    let (mut features, mut experts) = (Vec::new(), Vec::new());
    let mut numbers = BTreeMap::new();
    for (item, hash) in items.iter().zip(&hashes) {
        let vector = known.get(hash).context("an item is not indexed yet")?;
        features.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        let next = u32::try_from(numbers.len())?;
        let number = *numbers.entry(&item.content.experts[0]).or_insert(next);
        experts.extend(number.to_le_bytes());
    }
    let tokens = write_words(&Corpus::new(items.iter().map(Document::from), &[])?, out)?;
    std::fs::write(out.join("features.f32"), features)?;
    std::fs::write(out.join("experts.u32"), experts)?;
    Ok(serde_json::json!({
        "rows": items.len(),
        "columns": space.dimensions,
        "tokens": tokens,
        "experts": numbers.len(),
    }))
}

/// Writes words and style, and returns how many columns they have.
fn write_words(corpus: &Corpus, out: &Path) -> anyhow::Result<usize> {
    // A word and a token of the style may have the same number.
    let kinds = |item: &learning::CorpusItem<'_>| {
        let words = item.counted().into_iter();
        let words = words.map(|(word, count)| ((0, word), count));
        let style = item.style_tokens.iter().map(|&token| ((1, token), 1.0));
        [Vec::from_iter(words), Vec::from_iter(style)]
    };
    let mut items: HashMap<(u8, u32), u32> = HashMap::new();
    for item in corpus.items(0..corpus.len()) {
        for (token, _) in kinds(&item).into_iter().flatten() {
            *items.entry(token).or_default() += 1;
        }
    }
    let mut known: Vec<(u8, u32)> = items
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(token, _)| token)
        .collect();
    known.sort_unstable();
    let (mut starts, mut columns, mut values) = (vec![0_u64], Vec::new(), Vec::new());
    for item in corpus.items(0..corpus.len()) {
        for mut kind in kinds(&item) {
            kind.retain(|(token, _)| known.binary_search(token).is_ok());
            let length = kind
                .iter()
                .map(|(_, value)| value * value)
                .sum::<f32>()
                .sqrt();
            for (token, value) in kind {
                let column = known.binary_search(&token).unwrap_or_default();
                columns.push(u32::try_from(column)?);
                values.push(value / length);
            }
        }
        starts.push(columns.len() as u64);
    }
    let bytes = |file: &str, bytes: Vec<u8>| std::fs::write(out.join(file), bytes);
    bytes(
        "words.starts.u64",
        starts.iter().flat_map(|one| one.to_le_bytes()).collect(),
    )?;
    bytes(
        "words.columns.u32",
        columns.iter().flat_map(|one| one.to_le_bytes()).collect(),
    )?;
    bytes(
        "words.values.f32",
        values.iter().flat_map(|one| one.to_le_bytes()).collect(),
    )?;
    Ok(known.len())
}
