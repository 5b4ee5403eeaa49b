//! The vector store: qdrant-edge in process, qdrant-client to a cluster.
//!
//! One port, [`VectorStore`], and two implementations that pass the same tests (`tests/contract`):
//! [`EdgeStore`] in a folder of this process, [`QdrantStore`] on a server. [`open`] chooses.
//!
//! # Invariants
//!
//! - No text is kept here: a point is an id, a dense vector, the weights of its words, and the name
//!   of its tenant. All of it can be made again from the database.
//! - Each call is about one tenant, and the adapter adds the filter. A write whose ids belong to
//!   another tenant is refused as a whole. In process one count by id tells, asked by the only
//!   thread that writes. On a server the count is backed by a condition in the write itself.
//! - Written is not durable; flushed is. A crash loses at most what was written since the last flush.
//! - A shard has one owner, a thread, that writes, flushes, optimizes and drops it; searches run
//!   beside it. Panics of the engine end at the call as [`VectorError::Panicked`].
//!
//! # Upkeep
//!
//! The engine in process does none by itself. After a flush, when a third of all points (at least
//! 2,000) were written or removed since the last time, the owner lets it merge, index and vacuum its
//! segments, and writers wait. Its write-ahead log is never replayed and never shortened; the owner
//! cuts it when a shard is loaded, and by reloading the shard when it has grown to 256 MB. The flush
//! after [`VectorStore::delete_tenant`] rewrites all segments the tenant was in, so that its vectors
//! leave the disk; up to two files (16 MB) of the log keep them until later writes push them out.
//!
//! # Speed
//!
//! `cargo run -p tenantry-vectors --example search_speed -- 50 2000` (384 dimensions, random vectors,
//! 25 words a point and 12 a query, top 50, 100,000 points in one shard) on two busy cores of a
//! virtual machine, dev profile, one search after the other, p50:
//!
//! | tenants x points | dense | sparse | writing all | load | erasing one tenant |
//! |---|---|---|---|---|---|
//! | 50 x 2,000 | 0.35 ms | 0.50 ms | 29 s | 0.9 s | 10 s |
//! | 25 x 4,000 | 0.51 ms | 0.87 ms | 42 s | 0.7 s | 10 s |
//!
//! Straight in the engine, once optimized: 10,000 points a tenant 0.8 ms dense and 2.2 ms sparse,
//! 25,000 points 1.7 ms dense and 1.7 ms sparse. Of the time to write, most goes into the words:
//! without them 100,000 points take under 3 s. Quantized vectors with exact scores halve a dense
//! search (0.82 to 0.41 ms at 4,000 points) and lost no hit of 5,000; graphs for tenants of 10,000 to
//! 25,000 took 100 s to make and found half of the nearest at best (random vectors are their worst
//! case), so they start at 30,000.

mod checks;
mod edge;
mod error;
mod layout;
mod port;
mod qdrant;

use std::sync::Arc;

pub use edge::EdgeStore;
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
        None => Ok(Arc::new(EdgeStore::open(&config.path).await?)),
    }
}
