//! The base models that a server uses, each loaded when it is first needed.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::config::EmbeddingConfig;
use crate::embedder::Embedder;
use crate::error::EmbeddingError;
use crate::files::fingerprint;
use model_files::{BaseModel, MODELS, model_named};

/// One embedder for each model of the catalogue. Clones are the same embedders.
#[derive(Clone)]
pub struct Embedders {
    shared: Arc<Shared>,
}

struct Shared {
    config: EmbeddingConfig,
    /// In the order of the catalogue; the first is there from the beginning.
    loaded: [OnceCell<Embedder>; MODELS.len()],
    default: Embedder,
}

impl Embedders {
    /// Loads the default model. Blocks for about half a second.
    ///
    /// # Errors
    /// As [`Embedder::open`].
    pub fn open(config: &EmbeddingConfig) -> Result<Self, EmbeddingError> {
        let default = Embedder::open(config)?;
        let loaded: [OnceCell<Embedder>; MODELS.len()] = Default::default();
        Ok(Self {
            shared: Arc::new(Shared {
                config: config.clone(),
                loaded,
                default,
            }),
        })
    }

    /// The embedder of tenants that have chosen no model.
    #[must_use]
    pub fn default_model(&self) -> &Embedder {
        &self.shared.default
    }

    /// The embedder of the model with this name, loaded where it was not yet; who asks meanwhile waits
    /// for the same one. A model that cannot be loaded is tried again at the next call.
    ///
    /// # Errors
    /// [`EmbeddingError::UnknownModel`] with the names of those that are there, and
    /// [`EmbeddingError::NotInstalled`] with the remedy.
    pub async fn get(&self, name: &str) -> Result<Embedder, EmbeddingError> {
        let Some(at) = MODELS.iter().position(|model| model.name == name) else {
            return Err(EmbeddingError::UnknownModel {
                asked: name.to_owned(),
                installed: self.installed().await.join(", "),
            });
        };
        if at == 0 {
            return Ok(self.shared.default.clone());
        }
        let load = || async {
            let shared = Arc::clone(&self.shared);
            let open = move || Embedder::open_model(&MODELS[at], &shared.config);
            let opened = tokio::task::spawn_blocking(open).await;
            let opened = opened.unwrap_or(Err(EmbeddingError::Panicked));
            opened.map_err(|error| {
                tracing::error!(model = MODELS[at].name, %error, "an embedding model cannot be used");
                let model = MODELS[at].name;
                EmbeddingError::NotInstalled { model }
            })
        };
        let found = self.shared.loaded[at].get_or_try_init(load).await?;
        Ok(found.clone())
    }

    /// The names of the models whose files are on this machine, in the order of the catalogue.
    pub async fn installed(&self) -> Vec<&'static str> {
        let shared = Arc::clone(&self.shared);
        let look = move || {
            let there = |model: &&BaseModel| shared.config.has(model);
            MODELS
                .iter()
                .filter(there)
                .map(|model| model.name)
                .collect()
        };
        // Only a panic could end it early, and there is none in it.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// The fingerprints of the models whose files are on this machine, by name, or why one's files cannot
    /// be read. Reads all but the default's, which were read when it was loaded.
    pub async fn fingerprints(&self) -> Vec<(&'static str, Result<String, EmbeddingError>)> {
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let there = MODELS.iter().filter(|model| shared.config.has(model));
            there
                .map(|model| {
                    let default = shared.default.space();
                    if model.name == default.name {
                        return (model.name, Ok(default.fingerprint.clone()));
                    }
                    let print = fingerprint(model, &shared.config);
                    (model.name, print.map(|print| print.to_hex().to_string()))
                })
                .collect()
        };
        // Only a panic could end it early, and there is none in it.
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    /// The names and dimensions of all spaces that there can be.
    pub fn catalogue() -> impl Iterator<Item = (&'static str, usize)> {
        MODELS.iter().map(|model| (model.name, model.dimensions))
    }

    /// Length of the vectors of the model with this name; none where it is not in the catalogue.
    #[must_use]
    pub fn dimensions(name: &str) -> Option<usize> {
        model_named(name).map(|model| model.dimensions)
    }
}

impl EmbeddingConfig {
    /// Whether all files of a model are there. Reads the file system.
    fn has(&self, model: &BaseModel) -> bool {
        let (folder, files) = (self.folder_of(model), model.files());
        let all = |folder: PathBuf| files.iter().all(|file| folder.join(file).is_file());
        files.is_empty() || folder.is_some_and(all)
    }
}

impl std::fmt::Debug for Embedders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedders").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_begins_with_the_default_and_its_names_are_names_of_spaces() {
        assert_eq!(MODELS[0].name, domain::DEFAULT_EMBEDDING_MODEL);
        for (at, model) in MODELS.iter().enumerate() {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(model.name.chars().all(fits), "{}", model.name);
            let first = MODELS.iter().position(|other| other.name == model.name);
            assert_eq!(first, Some(at), "{} is there twice", model.name);
        }
    }

    #[test]
    fn a_folder_can_be_named_for_each_model() {
        let mut config = EmbeddingConfig {
            model_dir: Some("/default".into()),
            ..EmbeddingConfig::default()
        };
        config
            .model_dirs
            .insert(MODELS[1].name.to_owned(), "/other".into());
        config.validate().unwrap();
        assert_eq!(config.folder_of(&MODELS[0]), Some("/default".into()));
        assert_eq!(config.folder_of(&MODELS[1]), Some("/other".into()));
        config.model_dirs.insert("word2vec".to_owned(), "/w".into());
        let refused = config.validate().unwrap_err().to_string();
        assert!(refused.contains("word2vec") && refused.contains(MODELS[1].name));
    }
}
