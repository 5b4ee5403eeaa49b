//! What of a tenant the vector store reads into memory when it is searched first.

use domain::TenantId;
use domain::cost::Meter;
use metering::usage;
use vectors::{Space, SparseVector, VectorStore};

use crate::Result;

/// Has the vector store read a tenant's points into memory, if it is one that does so.
pub(crate) async fn read_points(
    vectors: &dyn VectorStore,
    space: &Space,
    tenant: &TenantId,
) -> Result<()> {
    // A search for any word does it.
    let any = SparseVector {
        indices: vec![0],
        values: vec![1.0],
    };
    let found = vectors.search_sparse(space, tenant, any, 1).await?;
    usage::add(Meter::SearchCpu, usage::micros(found.cpu));
    Ok(())
}
