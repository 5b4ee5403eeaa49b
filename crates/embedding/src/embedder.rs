//! The handle that callers hold.

use std::sync::Arc;

use crate::config::EmbeddingConfig;
use crate::error::EmbeddingError;
use crate::files::{ModelFiles, empty_fingerprint};
use crate::queue::Embedded;
use crate::sessions::Sessions;
use crate::static_model::StaticModel;
use model_files::{BaseModel, MODELS, ModelKind};

/// The vector space that an embedder maps texts into. Vectors of different spaces must not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    /// Name of the model.
    pub name: &'static str,
    /// Length of each vector.
    pub dimensions: usize,
    /// 64 hexadecimal digits over the model's files and the token limit.
    pub fingerprint: String,
}

/// Turns texts into vectors. Cheap to clone; when the last clone goes, its threads end.
#[derive(Clone)]
pub struct Embedder {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    space: SpaceInfo,
    key: [u8; 32],
}

/// What computes.
enum Engine {
    Transformer(Sessions),
    Static(StaticModel),
    Empty,
}

impl Embedder {
    /// Finds the files of the default model, loads it and starts its threads. Blocks for about half a
    /// second.
    ///
    /// # Errors
    /// One sentence that says what to do: a number out of range, a missing or broken model or
    /// runtime library, no thread to be had.
    pub fn open(config: &EmbeddingConfig) -> Result<Self, EmbeddingError> {
        Self::open_model(&MODELS[0], config)
    }

    /// [`Embedder::open`] for any model of the catalogue.
    ///
    /// # Errors
    /// As there.
    pub fn open_model(
        model: &'static BaseModel,
        config: &EmbeddingConfig,
    ) -> Result<Self, EmbeddingError> {
        config.validate()?;
        let (engine, fingerprint) = match model.kind {
            ModelKind::Transformer { token_output } => {
                let files = ModelFiles::read(model, config)?;
                let sessions = Sessions::load(&files, token_output, config)?;
                (Engine::Transformer(sessions), files.fingerprint)
            }
            ModelKind::Static { .. } => {
                let (table, fingerprint) = StaticModel::open(model, config)?;
                (Engine::Static(table), fingerprint)
            }
            ModelKind::Empty => (Engine::Empty, empty_fingerprint(model)),
        };
        Ok(Self::with(model, engine, *fingerprint.as_bytes()))
    }

    fn with(model: &BaseModel, engine: Engine, key: [u8; 32]) -> Self {
        let space = SpaceInfo {
            name: model.name,
            dimensions: model.dimensions,
            fingerprint: blake3::Hash::from_bytes(key).to_hex().to_string(),
        };
        Self {
            shared: Arc::new(Shared { engine, space, key }),
        }
    }

    /// Embeds a text that somebody waits for. Goes ahead of all passages.
    ///
    /// # Errors
    /// [`EmbeddingError::Overloaded`] when too many queries wait; a failure of the model.
    pub async fn embed_query(&self, text: String) -> Result<Embedded, EmbeddingError> {
        match &self.shared.engine {
            Engine::Transformer(sessions) => sessions.embed_query(text).await,
            Engine::Static(table) => table.embed(text).await,
            Engine::Empty => Ok(self.zeros()),
        }
    }

    /// Embeds texts that somebody waits for, in their order: each as [`Embedder::embed_query`] would,
    /// but in few runs of the model. Each has an outcome of its own; where too many queries wait, all
    /// are [`EmbeddingError::Overloaded`].
    pub async fn embed_queries(&self, texts: Vec<String>) -> Vec<Result<Embedded, EmbeddingError>> {
        match &self.shared.engine {
            Engine::Transformer(sessions) => sessions.embed_queries(texts).await,
            Engine::Static(table) => table.embed_each(texts).await,
            Engine::Empty => texts.iter().map(|_| Ok(self.zeros())).collect(),
        }
    }

    /// Embeds texts in bulk, in their order, whenever no query waits. Where the queue is full this
    /// waits for places, so any number of texts may be given.
    ///
    /// # Errors
    /// The first failure of the model; the other texts' vectors are lost with it.
    pub async fn embed_passages(
        &self,
        texts: Vec<String>,
    ) -> Result<Vec<Embedded>, EmbeddingError> {
        match &self.shared.engine {
            Engine::Transformer(sessions) => sessions.embed_passages(texts).await,
            Engine::Static(table) => table.embed_each(texts).await.into_iter().collect(),
            Engine::Empty => Ok(texts.iter().map(|_| self.zeros()).collect()),
        }
    }

    /// Whether a text is embedded in less time than a stored vector is found again: such vectors are
    /// worth no cache.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        !matches!(self.shared.engine, Engine::Transformer(_))
    }

    /// Whether the model reads only the beginning of a text: its vector says nothing of the rest. Takes up to
    /// a millisecond of this thread for texts of several thousand characters.
    #[must_use]
    pub fn truncates(&self, text: &str) -> bool {
        match &self.shared.engine {
            Engine::Transformer(sessions) => sessions.truncates(text),
            Engine::Static(table) => table.truncates(text),
            Engine::Empty => false,
        }
    }

    /// The space of this embedder's vectors.
    pub fn space(&self) -> &SpaceInfo {
        &self.shared.space
    }

    /// The key under which a text's vector may be cached: BLAKE3 of the text, keyed with the
    /// space's fingerprint. Two texts or two spaces never share one.
    pub fn content_hash(&self, text: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.shared.key, text.as_bytes()).as_bytes()
    }

    fn zeros(&self) -> Embedded {
        Embedded::instant(vec![0.0; self.shared.space.dimensions])
    }
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("space", &self.shared.space)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "embedder_tests.rs"]
mod tests;
