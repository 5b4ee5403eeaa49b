//! The parts of a running server, opened from its configuration.

use std::sync::Arc;

use anyhow::Context as _;
use artifacts::{ArtifactStore, ArtifactsConfig};
use embedding::{Embedders, EmbeddingConfig};
use metering::Journal;
use secrecy::ExposeSecret as _;
use server::config::Config;
use storage::{Purpose, StorageConfig, Store};
use vectors::{VectorStore, VectorsConfig};

/// Connections to the database unless the configuration says otherwise.
const CONNECTIONS: u32 = 8;

/// Everything that services are made of.
pub(crate) struct Parts {
    pub store: Store,
    pub vectors: Arc<dyn VectorStore>,
    pub artifacts: ArtifactStore,
    pub embedders: Embedders,
    pub journal: Journal,
}

/// Where the embedding models are, and how they run.
pub(crate) fn embedding_config(config: &Config) -> EmbeddingConfig {
    EmbeddingConfig {
        model_dir: config.embedding.model_dir.clone(),
        model_dirs: config.embedding.model_dirs.clone(),
        onnxruntime: config.embedding.onnxruntime.clone(),
        threads: config.embedding.threads,
        ..EmbeddingConfig::default()
    }
}

impl Parts {
    /// Opens the parts, those that fail fast first.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let folder = &config.data_dir;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
        let embedding = embedding_config(config);
        let embedders = tokio::task::spawn_blocking(move || Embedders::open(&embedding)).await??;
        let vectors = vectors::open(&VectorsConfig {
            url: config.vectors.url.clone(),
            api_key: config
                .vectors
                .api_key
                .as_ref()
                .map(|key| key.expose_secret().to_owned()),
            path: folder.join("vectors"),
            resident_bytes: config.vectors.resident_bytes,
        })
        .await?;
        let url = match &config.storage.url {
            Some(url) => url.expose_secret().to_owned(),
            None => {
                let folder = std::path::absolute(folder)?;
                format!("sqlite://{}", folder.join("tenantry.db").display())
            }
        };
        let max_connections = match config.storage.max_connections {
            0 => CONNECTIONS,
            most => most,
        };
        let store = Store::open(&StorageConfig {
            url,
            max_connections,
        })
        .await?;
        claim_spaces(&store, &embedders).await?;
        let models = config
            .artifacts
            .path
            .clone()
            .unwrap_or_else(|| folder.join("models"));
        let usage = folder.join("usage");
        let journal = Journal::open(&usage)
            .with_context(|| format!("usage cannot be kept in {}", usage.display()))?;
        let artifacts = ArtifactStore::open(&ArtifactsConfig { path: models })?;
        Ok(Self {
            store,
            vectors,
            artifacts,
            embedders,
            journal,
        })
    }
}

/// Ends the start where the vectors in the database were made in another way than this server would make
/// the next: vectors of two models must never be compared. A model that no tenant is in may be unusable;
/// who chooses it hears of it.
async fn claim_spaces(store: &Store, embedders: &Embedders) -> anyhow::Result<()> {
    let used = store.maintenance(Purpose::StartUp).spaces().await?;
    for (space, ours) in embedders.fingerprints().await {
        let needed =
            space == domain::DEFAULT_EMBEDDING_MODEL || used.iter().any(|one| one == space);
        let ours = match ours {
            Ok(ours) => ours,
            Err(error) if needed => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "an embedding model that nobody uses cannot be read");
                continue;
            }
        };
        if let Some(theirs) = store
            .maintenance(Purpose::StartUp)
            .claim_space(space, &ours)
            .await?
        {
            let short = |print: &str| print.chars().take(12).collect::<String>();
            anyhow::bail!(
                "the embedding model {space} is not the one that tenants' vectors were made with \
                 (fingerprint {} now, {} then): put the former files back, or name their folder in \
                 embedding.model_dir or embedding.model_dirs; with the same files, go back to the former \
                 version of Tenantry",
                short(&ours),
                short(&theirs)
            );
        }
    }
    Ok(())
}
