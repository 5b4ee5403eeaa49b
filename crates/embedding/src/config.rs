//! The embedder's section of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::EmbeddingError;
use model_files::{BaseModel, MODELS, default_cache_dir, model_dir_in, model_named};

/// How to find and run the embedding model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingConfig {
    /// Folder of the default model's files. `None`: where `cargo xtask setup` puts it.
    pub model_dir: Option<PathBuf>,
    /// Folders of other models of the catalogue, by name. Those that are not named here are looked for
    /// where `cargo xtask setup --model` puts them.
    pub model_dirs: BTreeMap<String, PathBuf>,
    /// The ONNX Runtime shared library. `None`: where `cargo xtask setup` puts it.
    pub onnxruntime: Option<PathBuf>,
    /// Cores to compute on. 0: as many as the machine has.
    pub threads: usize,
    /// Tokens in one batch, padding included. More is a little faster in bulk and makes a query
    /// that arrives meanwhile share the cores for longer.
    pub max_batch_tokens: usize,
    /// Texts that may wait, for queries and for passages each. A query beyond it is refused, a
    /// passage waits for a place.
    pub queue: usize,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self {
            model_dir: None,
            model_dirs: BTreeMap::new(),
            onnxruntime: None,
            threads: 0,
            max_batch_tokens: 512,
            queue: 1024,
        }
    }
}

impl EmbeddingConfig {
    /// Checks the numbers; files are looked for when the embedder opens.
    ///
    /// # Errors
    /// [`EmbeddingError::Config`], naming the field.
    pub fn validate(&self) -> Result<(), EmbeddingError> {
        let refuse = |problem: &str| Err(EmbeddingError::Config(problem.to_owned()));
        if self.threads > 1024 {
            return refuse("embedding.threads must be at most 1024");
        }
        if self.max_batch_tokens == 0 {
            return refuse("embedding.max_batch_tokens must be at least 1");
        }
        if self.queue == 0 || self.queue > 1_000_000 {
            return refuse("embedding.queue must be between 1 and 1000000");
        }
        if let Some(unknown) = self
            .model_dirs
            .keys()
            .find(|name| model_named(name).is_none())
        {
            let known = MODELS.map(|model| model.name).join(", ");
            return refuse(&format!(
                "embedding.model_dirs names {unknown:?}, which is not in the catalogue: {known}"
            ));
        }
        Ok(())
    }

    /// Where the files of a model are looked for. None: no home folder is known.
    #[must_use]
    pub fn folder_of(&self, model: &BaseModel) -> Option<PathBuf> {
        let default = model.name == MODELS[0].name;
        let named = self.model_dirs.get(model.name);
        let named = named.or(self.model_dir.as_ref().filter(|_| default));
        let installed = || default_cache_dir().map(|cache| model_dir_in(&cache, model));
        named.cloned().or_else(installed)
    }

    /// The cores to use, with 0 resolved.
    pub(crate) fn cores(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
