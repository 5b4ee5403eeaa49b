//! The tenants of a data folder, embedded.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::ExpertId;
use embedding::Embedder;
use learning::{Corpus, Document};
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

/// A tenant of the data folder.
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its items, the oldest first.
    pub corpus: Corpus,
    /// One embedding a row.
    pub vectors: Array2<f32>,
    /// Items of the train part.
    pub train: usize,
    /// Items of the train and valid parts.
    pub fitted: usize,
}

/// The files of all tenants, by name.
pub fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut all: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    all.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    all.sort();
    Ok(all)
}

/// Reads a tenant, and embeds its items unless `cache` has them.
pub async fn load(
    file: &Path,
    embedder: &Embedder,
    cache: Option<&Path>,
) -> anyhow::Result<Tenant> {
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
pub fn first(tenant: &Tenant, n: usize) -> (Corpus, Array2<f32>) {
    (
        tenant.corpus.first(n),
        tenant.vectors.slice(ndarray::s![..n, ..]).to_owned(),
    )
}
