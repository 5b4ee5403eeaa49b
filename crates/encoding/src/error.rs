//! What can go wrong while texts become vectors.

use domain::{ErrorKind, Fault};
use embedding::EmbeddingError;
use storage::StorageError;

/// The result of encoding.
pub type Result<T> = std::result::Result<T, EncodingError>;

/// A text that did not become a vector.
#[derive(Debug, thiserror::Error)]
pub enum EncodingError {
    /// The embedding model cannot be used, is overloaded, or failed.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// The tenant's cache cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The embedding model answered with fewer vectors than it was given texts, or with one of
    /// another length.
    #[error("the embedding model returned no vector for a text")]
    Missing,
}

impl Fault for EncodingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Embedding(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Missing => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Embedding(error) => error.reason(),
            Self::Storage(error) => error.reason(),
            Self::Missing => "EMBEDDING_MISSING",
        }
    }
}
