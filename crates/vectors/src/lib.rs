//! The vector store: in this process, or a Qdrant server.
//!
//! One port, [`VectorStore`], and two implementations that pass the same tests (`tests/contract`):
//! [`EmbeddedStore`] in a folder of this process, [`QdrantStore`] on a server. [`open`] chooses.
//!
//! # Invariants
//!
//! - No text is kept here: a point is an id, a dense vector, the weights of its words, and the name
//!   of its tenant. All of it can be made again from the database.
//! - Each call is about one tenant, and the adapter adds the filter. A write whose ids belong to
//!   another tenant is refused as a whole. In process the check and the write are one transaction. On
//!   a server a count by id is backed by a condition in the write itself.
//! - Written is not durable; flushed is. In process a killed process loses nothing that was written; a
//!   machine that loses power loses at most what was written since the last flush.
//! - After the flush that follows [`VectorStore::delete_tenant`] nothing of the tenant is in the
//!   files: deletion overwrites, and the log is cut.
//!
//! # In process
//!
//! A space is a SQLite file in which a tenant's points lie side by side. The first search of a tenant
//! reads them into memory, where they stay as long as there is room; every search compares all of
//! them, so what it finds is exact. Why not an engine with an index: `docs/adr/0013-exact-search.md`,
//! with the numbers. `cargo run --release -p tenantry-vectors --example search_speed` measures.

mod checks;
mod embedded;
mod error;
mod port;
mod qdrant;

use std::sync::Arc;

pub use embedded::EmbeddedStore;
pub use error::VectorError;
pub use port::{
    Found, Hit, MAX_LIMIT, Point, Result, Space, SparseVector, VectorStore, VectorsConfig,
};
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
        None => Ok(Arc::new(
            EmbeddedStore::open(&config.path, config.resident_bytes).await?,
        )),
    }
}
