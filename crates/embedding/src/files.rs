//! Finds the files an embedder needs and reads them, before any foreign code could stumble on them.

use std::fs;
use std::path::{Path, PathBuf};

use fastembed::TokenizerFiles;

use crate::config::EmbeddingConfig;
use crate::error::EmbeddingError;
use crate::static_model::StaticModel;
use model_files::{BaseModel, ModelKind};

/// Names how a vector is made from a text, beyond the files. A way that makes other vectors belongs to
/// new entries of the catalogue: servers do not start on vectors that were made in another way.
const SCHEME: &str = "tenantry-embedding 1: mean pooling, L2 norm 1";

/// A model's files, in memory.
pub(crate) struct ModelFiles {
    /// What they are the files of.
    pub model: &'static BaseModel,
    /// Where they were read.
    pub folder: PathBuf,
    /// The ONNX graph.
    pub onnx: Vec<u8>,
    /// The tokenizer and its settings.
    pub tokenizer: TokenizerFiles,
    /// Identifies the vector space: all bytes above, the token limit and the scheme.
    pub fingerprint: blake3::Hash,
}

impl ModelFiles {
    /// Reads the configured folder of the model, or else the one that setup fills.
    pub fn read(
        model: &'static BaseModel,
        config: &EmbeddingConfig,
    ) -> Result<Self, EmbeddingError> {
        let missing = |looked_for: String| EmbeddingError::ModelMissing { looked_for };
        let folder = config
            .folder_of(model)
            .ok_or_else(|| missing("a cache folder, but no home folder is known".to_owned()))?;
        let mut hash = blake3::Hasher::new();
        hash.update(SCHEME.as_bytes());
        hash.update(&(model.max_tokens as u64).to_le_bytes());
        let mut read = |name: &str| -> Result<Vec<u8>, EmbeddingError> {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => missing(path.display().to_string()),
                _ => EmbeddingError::ModelBroken {
                    folder: folder.clone(),
                    problem: format!("{name} cannot be read: {error}"),
                },
            })?;
            // The length keeps one file's end apart from the next one's start.
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
            Ok(bytes)
        };
        let [onnx, tokenizer, config, special_tokens, tokenizer_config] = model_files::MODEL_FILES;
        let onnx = read(onnx)?;
        let tokenizer = TokenizerFiles {
            tokenizer_file: read(tokenizer)?,
            config_file: read(config)?,
            special_tokens_map_file: read(special_tokens)?,
            tokenizer_config_file: read(tokenizer_config)?,
        };
        let fingerprint = hash.finalize();
        Ok(Self {
            model,
            folder,
            onnx,
            tokenizer,
            fingerprint,
        })
    }
}

/// What identifies the files of a model, as [`crate::SpaceInfo::fingerprint`] has it in digits. Reads all of
/// them.
///
/// # Errors
/// They are missing or broken.
pub fn model_fingerprint(
    model: &'static BaseModel,
    config: &EmbeddingConfig,
) -> Result<[u8; 32], EmbeddingError> {
    Ok(*fingerprint(model, config)?.as_bytes())
}

/// What identifies the space of a model. Reads all of its files.
pub(crate) fn fingerprint(
    model: &'static BaseModel,
    config: &EmbeddingConfig,
) -> Result<blake3::Hash, EmbeddingError> {
    match model.kind {
        ModelKind::Transformer { .. } => Ok(ModelFiles::read(model, config)?.fingerprint),
        ModelKind::Static { .. } => Ok(StaticModel::open(model, config)?.1),
        ModelKind::Empty => Ok(empty_fingerprint(model)),
    }
}

/// The configured ONNX Runtime library, or else the one that setup installs, as an absolute path.
pub(crate) fn find_onnxruntime(configured: Option<&Path>) -> Result<PathBuf, EmbeddingError> {
    let missing = |looked_for: String| EmbeddingError::RuntimeMissing { looked_for };
    let path = configured
        .map(Path::to_owned)
        .or_else(model_files::default_onnxruntime)
        .ok_or_else(|| missing("a cache folder, but no home folder is known".to_owned()))?;
    // A relative path would be looked for beside the executable.
    match path.canonicalize() {
        Ok(found) if found.is_file() => Ok(found),
        _ => Err(missing(path.display().to_string())),
    }
}

/// What identifies a space without vectors: it has no files.
pub(crate) fn empty_fingerprint(model: &BaseModel) -> blake3::Hash {
    blake3::hash(model.name.as_bytes())
}
