//! What can go wrong while a request is answered.

use std::sync::Arc;

use domain::{ErrorKind, Fault, FieldViolation, ResourceName, TaskId};
use encoding::EncodingError;
use learning::CorpusError;
use registry::RegistryError;
use storage::StorageError;
use vectors::VectorError;

/// The result of everything here.
pub type Result<T, E = ServingError> = std::result::Result<T, E>;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The question's embedding failed.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A model that was asked for by name cannot be used.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// The database failed or refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The vector store failed.
    #[error(transparent)]
    Vectors(#[from] VectorError),
    /// The tenant's history has more than a corpus can hold.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// What the request names is not there.
    #[error("{0} was not found")]
    NotFound(ResourceName),
    /// A head that was asked for by name is of a space that the tenant has left.
    #[error(
        "the model was trained in the embedding space {space}, which the tenant has left; retrain \
         {task}"
    )]
    StaleSpace {
        /// The task.
        task: TaskId,
        /// The space that it was trained in.
        space: String,
    },
    /// A baseline that was asked for by name answers tasks of another kind.
    #[error(
        "the request cannot be accepted: model_override: {0} does not answer a task of this kind"
    )]
    WrongBaseline(&'static str),
    /// What the keyword rules are made of cannot be read from the tenant's snapshot.
    #[error("the tenant's snapshot is damaged and is made again: try again in a moment")]
    Damaged,
    /// A computation on another thread panicked, or the process ends.
    #[error("a computation was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    /// What the request needs could not be made resident. Several requests may have waited for it.
    #[error("{source}")]
    NotLoaded {
        /// A code that names what was not loaded, where the cause is nothing that a caller can act on.
        reason: &'static str,
        /// The cause.
        source: Arc<ServingError>,
    },
}

impl From<RegistryError> for ServingError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Fault for ServingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Encoding(error) => error.kind(),
            Self::Registry(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Vectors(error) => error.kind(),
            Self::Corpus(_) | Self::Interrupted(_) => ErrorKind::Internal,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::StaleSpace { .. } => ErrorKind::FailedPrecondition,
            Self::WrongBaseline(_) => ErrorKind::InvalidArgument,
            Self::Damaged => ErrorKind::Unavailable,
            Self::NotLoaded { source, .. } => source.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Encoding(error) => error.reason(),
            Self::Registry(error) => error.reason(),
            Self::Storage(error) => error.reason(),
            Self::Vectors(error) => error.reason(),
            Self::Corpus(_) | Self::Interrupted(_) => "INTERNAL",
            Self::NotFound(_) => "NOT_FOUND",
            Self::StaleSpace { .. } => "SPACE_CHANGED",
            Self::WrongBaseline(_) => "INVALID_FIELD",
            Self::Damaged => "SNAPSHOT_DAMAGED",
            Self::NotLoaded { reason, source } => match source.kind() {
                // What a caller or an operator can act on keeps its own reason.
                ErrorKind::NotFound | ErrorKind::FailedPrecondition => source.reason(),
                _ => reason,
            },
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Storage(error) => error.violations(),
            Self::Registry(error) => error.violations(),
            Self::WrongBaseline(name) => {
                let message = format!("{name} does not answer a task of this kind");
                vec![FieldViolation::new("model_override", message)]
            }
            _ => Vec::new(),
        }
    }
}
