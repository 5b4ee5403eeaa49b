//! What can go wrong, and what to do about it. No message ever holds a text that was embedded.

use std::path::PathBuf;

use domain::ErrorKind;
use model_files::{ModelKind, model_named};

/// An embedding that could not be made, or an embedder that could not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// A model that is not in the catalogue.
    #[error("there is no embedding model {asked:?}; this server has: {installed}")]
    UnknownModel {
        /// The name that was asked for.
        asked: String,
        /// The names of those that can be used.
        installed: String,
    },

    /// A model of the catalogue whose files are not on this machine, or are not what they should be.
    /// What is wrong with them is in the log.
    #[error(
        "the embedding model {model} cannot be used on this server: {} there, or name its folder in \
         embedding.model_dirs",
        remedy(model)
    )]
    NotInstalled {
        /// Its name in the catalogue.
        model: &'static str,
    },

    /// A model whose files are others than those that tenants' vectors were made with.
    #[error(
        "the files of the embedding model {model} on this server are not those that tenants' vectors were \
         made with: copy its folder from a server that made them, and start this one again"
    )]
    OtherFiles {
        /// Its name in the catalogue.
        model: &'static str,
    },

    /// A number in the configuration is out of range.
    #[error("{0}")]
    Config(String),

    /// The model's files are not on this machine.
    #[error(
        "the embedding model is missing (looked for {looked_for}): run `cargo xtask setup`, or set \
         TENANTRY_MODEL_DIR to a folder that holds it"
    )]
    ModelMissing {
        /// The first file that was not found, with its path.
        looked_for: String,
    },

    /// The model's files are there and are not what they should be.
    #[error(
        "the embedding model in {} cannot be used ({problem}): run `cargo xtask setup --force`, or \
         set TENANTRY_MODEL_DIR to a folder with an intact model",
        folder.display()
    )]
    ModelBroken {
        /// The folder that was read.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The token vectors of a static model are there and are not what they should be.
    #[error(
        "the token vectors of {model} in {} cannot be used ({problem}): make them again with `tenantry \
         distill --force`",
        folder.display()
    )]
    TableBroken {
        /// The folder that was read.
        folder: PathBuf,
        /// The model's name in the catalogue.
        model: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// The ONNX Runtime library is not on this machine.
    #[error(
        "the ONNX Runtime library is missing (looked for {looked_for}): run `cargo xtask setup`, or \
         set ORT_DYLIB_PATH to the library"
    )]
    RuntimeMissing {
        /// The path that was tried.
        looked_for: String,
    },

    /// The ONNX Runtime library is there and does not load.
    #[error(
        "the ONNX Runtime library cannot be used ({problem}): run `cargo xtask setup --force`, or \
         set ORT_DYLIB_PATH to a library of release 1.24 or newer"
    )]
    RuntimeBroken {
        /// What the loader said; it names the file.
        problem: String,
    },

    /// The operating system gave no thread.
    #[error("cannot start a model thread")]
    Thread(#[source] std::io::Error),

    /// Too many queries are waiting already.
    #[error("too many texts are waiting to be embedded, try again shortly")]
    Overloaded,

    /// The model failed on this text.
    #[error("the embedding model failed while {stage}")]
    Compute {
        /// What it was doing.
        stage: &'static str,
    },

    /// The model's code panicked on this text; the embedder goes on.
    #[error("the embedding model panicked")]
    Panicked,

    /// The embedder is shutting down.
    #[error("the embedder has stopped")]
    Stopped,
}

impl EmbeddingError {
    /// The kind of failure, for the caller's status.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_)
            | Self::UnknownModel { .. }
            | Self::NotInstalled { .. }
            | Self::OtherFiles { .. }
            | Self::ModelMissing { .. }
            | Self::ModelBroken { .. }
            | Self::TableBroken { .. }
            | Self::RuntimeMissing { .. }
            | Self::RuntimeBroken { .. } => ErrorKind::FailedPrecondition,
            Self::Overloaded => ErrorKind::ResourceExhausted,
            Self::Stopped => ErrorKind::Unavailable,
            Self::Thread(_) | Self::Compute { .. } | Self::Panicked => ErrorKind::Internal,
        }
    }
}

/// How a model of the catalogue comes onto a machine.
fn remedy(model: &str) -> String {
    match model_named(model).map(|model| model.kind) {
        Some(ModelKind::Static { .. }) => {
            "run `tenantry distill`, or copy its folder from a server that has it,".to_owned()
        }
        _ => format!("run `cargo xtask setup --model {model}`"),
    }
}

impl domain::Fault for EmbeddingError {
    fn kind(&self) -> ErrorKind {
        self.kind()
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) => "EMBEDDING_CONFIG",
            Self::UnknownModel { .. } => "EMBEDDING_MODEL_UNKNOWN",
            Self::NotInstalled { .. } => "EMBEDDING_MODEL_NOT_INSTALLED",
            Self::OtherFiles { .. } => "EMBEDDING_MODEL_DIFFERS",
            Self::ModelMissing { .. } => "MODEL_MISSING",
            Self::ModelBroken { .. } | Self::TableBroken { .. } => "MODEL_BROKEN",
            Self::RuntimeMissing { .. } => "RUNTIME_MISSING",
            Self::RuntimeBroken { .. } => "RUNTIME_BROKEN",
            Self::Thread(_) | Self::Compute { .. } | Self::Panicked => "EMBEDDING_FAILED",
            Self::Overloaded => "EMBEDDING_OVERLOADED",
            Self::Stopped => "EMBEDDING_STOPPED",
        }
    }
}
