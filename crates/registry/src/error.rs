//! What can go wrong in the registry.

use artifacts::ArtifactError;
use chrono::{DateTime, Utc};
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
    /// The version was there and was pruned.
    #[error("{name} was pruned on {day}: {reason}", day = at.format("%Y-%m-%d"))]
    Pruned {
        /// The version.
        name: ModelName,
        /// When.
        at: DateTime<Utc>,
        /// Why, in words.
        reason: String,
    },
    /// The champion was never moved.
    #[error("there is nothing to roll back: no version was ever promoted")]
    NothingToRollBack,
    /// What served before is not there any more.
    #[error("{0}, which served before, was pruned; promote another version instead")]
    RollBackTargetPruned(ModelName),
    /// A thread that did a part of it ended before its time.
    #[error("a thread ended before its work was done")]
    Thread(#[from] tokio::task::JoinError),
    /// A field of the request that cannot be accepted.
    #[error("the request cannot be accepted: {0}")]
    Field(FieldViolation),
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
            Self::NotFound(_) | Self::Pruned { .. } => ErrorKind::NotFound,
            Self::Field(_) => ErrorKind::InvalidArgument,
            Self::Thread(_) => ErrorKind::Internal,
            Self::NothingToRollBack | Self::RollBackTargetPruned(_) | Self::Unusable { .. } => {
                ErrorKind::FailedPrecondition
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.reason(),
            Self::Artifact(error) => error.reason(),
            Self::NotFound(_) => "NOT_FOUND",
            Self::Pruned { .. } => "MODEL_PRUNED",
            Self::NothingToRollBack => "NOTHING_TO_ROLL_BACK",
            Self::RollBackTargetPruned(_) => "ROLL_BACK_TARGET_PRUNED",
            Self::Field(_) => "INVALID_FIELD",
            Self::Thread(_) => "THREAD",
            Self::Unusable { .. } => "ARTIFACT_UNUSABLE",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Storage(error) => error.violations(),
            Self::Field(violation) => vec![violation.clone()],
            _ => Vec::new(),
        }
    }
}

impl From<FieldViolation> for RegistryError {
    fn from(violation: FieldViolation) -> Self {
        Self::Field(violation)
    }
}
