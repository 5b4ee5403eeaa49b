//! What every vector store promises, one function a promise.

mod searches;
mod spaces;
mod tidying;
mod writes;

use domain::TenantId;
use tenantry_vectors::{Hit, Point, SparseVector};

pub use searches::*;
pub use spaces::*;
pub use tidying::*;
pub use writes::*;

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn words(pairs: &[(u32, f32)]) -> SparseVector {
    let (indices, values) = pairs.iter().copied().unzip();
    SparseVector { indices, values }
}

fn point(id: u64, dense: &[f32], sparse: &[(u32, f32)]) -> Point {
    Point {
        id,
        dense: dense.to_vec(),
        sparse: words(sparse),
    }
}

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id).collect()
}

fn close_to(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-4
}
