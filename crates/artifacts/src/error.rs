//! What can go wrong with artifacts.

use domain::{ErrorKind, Fault};

/// Why an artifact could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The URL names no store that this build can use.
    #[error("artifacts.url: {0}")]
    Url(String),
    /// There is no artifact at the path.
    #[error("the model file {path} is missing from the artifact store")]
    Missing {
        /// Where it should lie.
        path: String,
    },
    /// The bytes are not those that were stored.
    #[error(
        "the model file {path} is damaged: its checksum is {found}, the registry has {expected}"
    )]
    Corrupt {
        /// Where it lies.
        path: String,
        /// What the registry holds.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// Other bytes lie at the path already.
    #[error("another model file lies at {path} already")]
    Exists {
        /// Where it lies.
        path: String,
    },
    /// The store did not answer, or refused.
    #[error("the artifact store failed")]
    Store(#[from] object_store::Error),
    /// A file could not be written or read.
    #[error("the artifact store failed: {0}")]
    File(#[from] std::io::Error),
}

impl Fault for ArtifactError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Url(_) => ErrorKind::InvalidArgument,
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Corrupt { .. } => ErrorKind::DataLoss,
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Store(_) | Self::File(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) => "ARTIFACT_URL",
            Self::Missing { .. } => "ARTIFACT_MISSING",
            Self::Corrupt { .. } => "ARTIFACT_CORRUPT",
            Self::Exists { .. } => "ARTIFACT_EXISTS",
            Self::Store(_) | Self::File(_) => "ARTIFACT_STORE",
        }
    }
}
