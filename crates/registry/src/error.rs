//! What can go wrong in the registry.

use artifacts::ArtifactError;
use domain::{ErrorKind, Fault, FieldViolation, ModelName};
use storage::StorageError;

use crate::load::Unusable;

/// The result of everything here.
pub type Result<T, E = RegistryError> = std::result::Result<T, E>;

/// Why the registry refused or failed. The messages are safe to show to a caller.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store refused or failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The artifact store refused or failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// There is no such version, or it is not of the tenant's chain.
    #[error("{0} was not found")]
    NotFound(ModelName),
    /// The version is there, but its artifact gives no model.
    #[error("the artifact of {model} cannot be used")]
    Unusable {
        /// The version.
        model: ModelName,
        /// What is wrong with the artifact.
        #[source]
        why: Unusable,
    },
}

impl Fault for RegistryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => error.kind(),
            Self::Artifact(error) => error.kind(),
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Unusable { .. } => ErrorKind::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.reason(),
            Self::Artifact(error) => error.reason(),
            Self::NotFound(_) => "NOT_FOUND",
            Self::Unusable { .. } => "ARTIFACT_UNUSABLE",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Storage(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}
