//! Writes what a tenant's heads learn from, for others to fit the same.
//!
//! `cargo run -p tenantry-trainer --example features -- DATA TENANT OUT` reads the data folder of an
//! embedded server, running or not, and writes to the folder `OUT` the embeddings of the tenant's items
//! that have an expert (`features.f32`: little-endian, row after row) and the number of each item's first
//! expert (`experts.u32`). It prints the size of both as JSON.

#![allow(clippy::print_stdout, reason = "what it prints is read by who runs it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use domain::{TenantContext, TenantId};
use embedding::{Embedder, EmbeddingConfig};
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
    std::fs::write(out.join("features.f32"), features)?;
    std::fs::write(out.join("experts.u32"), experts)?;
    Ok(serde_json::json!({
        "rows": items.len(),
        "columns": space.dimensions,
        "experts": numbers.len(),
    }))
}
