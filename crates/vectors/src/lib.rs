//! The vector store: qdrant-edge in process, qdrant-client to a cluster.

mod checks;
mod edge;
mod error;
mod layout;
mod port;
mod qdrant;

use std::sync::Arc;

pub use edge::EdgeStore;
pub use error::VectorError;
pub use port::{Hit, MAX_LIMIT, Point, Result, Space, SparseVector, VectorStore, VectorsConfig};
pub use qdrant::QdrantStore;

/// Opens the store that the configuration names: a Qdrant server when there is a `url`, else the
/// folder `path` in this process.
///
/// A server is not contacted yet: an address that does not answer shows in the first call and in
/// [`VectorStore::health`].
///
/// # Errors
/// [`VectorError::InUse`] when another process has the folder, [`VectorError::Io`] when it cannot be
/// used, [`VectorError::InvalidArgument`] for an address that is none.
pub async fn open(config: &VectorsConfig) -> Result<Arc<dyn VectorStore>> {
    match &config.url {
        Some(url) => Ok(Arc::new(QdrantStore::connect(
            url,
            config.api_key.as_deref(),
        )?)),
        None => Ok(Arc::new(EdgeStore::open(&config.path).await?)),
    }
}
