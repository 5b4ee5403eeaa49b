//! The port: what a vector store does for the other crates, and the values it speaks in.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use domain::TenantId;

use crate::VectorError;

/// Result of a call to the vector store.
pub type Result<T, E = VectorError> = std::result::Result<T, E>;

/// The most hits one search may ask for.
pub const MAX_LIMIT: usize = 1_000;

/// One embedding space: vectors of different spaces are never compared, so each has a collection of
/// its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Space {
    /// Name of the embedding model and its form, in `[a-z0-9-]`, at most 64 characters; for example
    /// `minilm-l6-v2-int8`.
    pub name: String,
    /// Numbers in a dense vector of this space, 1 to 4096.
    pub dimensions: usize,
}

/// A vector of few words among very many: BM25 term weights.
///
/// `indices` are distinct and as many as `values`; their order is free. Inverse document frequency
/// is not the index's work: the caller multiplies it into the query. Empty means "no words".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseVector {
    /// Which word each value belongs to.
    pub indices: Vec<u32>,
    /// The weight of each word; finite.
    pub values: Vec<f32>,
}

/// One item of a tenant as the index keeps it. No text: only the vectors and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The item's number, given by the database and unique over all tenants.
    pub id: u64,
    /// The embedding: as many finite numbers as the space has dimensions, of any length.
    pub dense: Vec<f32>,
    /// The words; empty when the text has none.
    pub sparse: SparseVector,
}

/// One answer of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The point's id.
    pub id: u64,
    /// Cosine similarity (-1 to 1, to 0.0001) for dense searches, dot product for sparse ones. More is
    /// better.
    pub score: f32,
}

/// What a search found, and what it took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The points, the best first.
    pub hits: Vec<Hit>,
    /// Processor time of the search. A cluster tells the time that it took, waiting included.
    pub cpu: Duration,
}

impl Deref for Found {
    type Target = [Hit];

    fn deref(&self) -> &[Hit] {
        &self.hits
    }
}

/// Where the vectors are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct VectorsConfig {
    /// gRPC address of a Qdrant server, for example `http://qdrant:6334`. Absent: in process.
    pub url: Option<String>,
    /// Key for that server.
    pub api_key: Option<String>,
    /// Folder of the in-process store. Not used when `url` is set.
    pub path: PathBuf,
    /// Bytes of memory for the points of the in-process store; those searched last stay in.
    pub resident_bytes: usize,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self {
            url: None,
            api_key: None,
            path: PathBuf::new(),
            resident_bytes: 512 << 20,
        }
    }
}

impl fmt::Debug for VectorsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorsConfig")
            .field("url", &self.url)
            .field("api_key", &self.api_key.as_ref().map(|_| "hidden"))
            .field("path", &self.path)
            .field("resident_bytes", &self.resident_bytes)
            .finish()
    }
}

/// Keeps the vectors of all tenants and finds the nearest ones of one tenant.
///
/// Each call names a tenant and touches that tenant's points only: the adapter adds the filter
/// itself, so no caller can forget it. A space must exist (see [`ensure_space`]) before it is used;
/// otherwise calls fail with [`VectorError::UnknownSpace`].
///
/// The store is derived data. The database is the truth, and everything here can be made again.
///
/// [`ensure_space`]: VectorStore::ensure_space
#[async_trait]
pub trait VectorStore: Send + Sync + 'static {
    /// Makes the collection of the space where it is missing. Idempotent.
    ///
    /// # Errors
    /// [`VectorError::SpaceMismatch`] when it exists with other dimensions, and
    /// [`VectorError::Corrupt`] when its files cannot be read.
    async fn ensure_space(&self, space: &Space) -> Result<()>;

    /// Throws away the space with the points of **all** tenants and makes it anew, empty. Also repairs
    /// a space that is [`VectorError::Corrupt`]. For rebuilding the index.
    async fn reset_space(&self, space: &Space) -> Result<()>;

    /// Writes the tenant's points, replacing those of the same ids. Found by searches as soon as
    /// this returns; not durable until [`flush`](VectorStore::flush).
    ///
    /// Of points with the same id in one call the last one counts. When the call fails, some of the
    /// points may have been written; writing them again is safe.
    ///
    /// # Errors
    /// [`VectorError::OwnedByAnother`], and nothing is written, when one of the ids belongs to
    /// another tenant; [`VectorError::InvalidArgument`] for vectors the space cannot hold.
    async fn upsert(&self, space: &Space, tenant: &TenantId, points: Vec<Point>) -> Result<()>;

    /// Removes the tenant's points of these ids. Unknown ids, and ids of another tenant, are left
    /// alone. Durable after [`flush`](VectorStore::flush).
    async fn delete(&self, space: &Space, tenant: &TenantId, ids: Vec<u64>) -> Result<()>;

    /// Removes all points of the tenant and answers how many there were. Durable after
    /// [`flush`](VectorStore::flush).
    async fn delete_tenant(&self, space: &Space, tenant: &TenantId) -> Result<u64>;

    /// After this returns all earlier writes survive a crash.
    async fn flush(&self, space: &Space) -> Result<()>;

    /// The tenant's points nearest to `vector` by cosine, best first, equal scores by id; at most
    /// `limit` (1 to [`MAX_LIMIT`]). A vector of zeros has no direction: it finds nothing.
    async fn search_dense(
        &self,
        space: &Space,
        tenant: &TenantId,
        vector: Vec<f32>,
        limit: usize,
    ) -> Result<Found>;

    /// The tenant's points that share words with `query`, by dot product, best first, equal scores
    /// by id; at most `limit` (1 to [`MAX_LIMIT`]). An empty query finds nothing.
    async fn search_sparse(
        &self,
        space: &Space,
        tenant: &TenantId,
        query: SparseVector,
        limit: usize,
    ) -> Result<Found>;

    /// How many points the tenant has. Exact.
    async fn count(&self, space: &Space, tenant: &TenantId) -> Result<u64>;

    /// All ids of the tenant in ascending order; for rebuilds and consistency checks.
    async fn list_ids(&self, space: &Space, tenant: &TenantId) -> Result<Vec<u64>>;

    /// Whether the store can be used right now.
    async fn health(&self) -> Result<()>;

    /// Flushes, then stops. Idempotent; afterwards every call fails with [`VectorError::Closed`].
    async fn close(&self);
}
