//! What the in-process store promises of its files: durability, the lock, broken folders.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod broken;
mod durability;
mod erasure;
mod full_disk;

use std::path::Path;
use std::sync::Arc;

use domain::TenantId;
use tempfile::TempDir;
use tenantry_vectors::{Point, Space, SparseVector, VectorStore, VectorsConfig};

fn space() -> Space {
    Space {
        name: "small".to_owned(),
        dimensions: 4,
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn points(ids: std::ops::Range<u64>) -> Vec<Point> {
    let sparse = SparseVector {
        indices: vec![5],
        values: vec![1.0],
    };
    ids.map(|id| Point {
        id,
        dense: vec![1.0, 0.0, 0.0, id as f32],
        sparse: sparse.clone(),
    })
    .collect()
}

async fn open(folder: &Path) -> Arc<dyn VectorStore> {
    let config = VectorsConfig {
        path: folder.to_owned(),
        ..VectorsConfig::default()
    };
    tenantry_vectors::open(&config).await.unwrap()
}

/// A folder in which the space has 100 points of a tenant, closed in good order.
async fn filled() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    store
        .upsert(&space(), &acme(), points(0..100))
        .await
        .unwrap();
    store.close().await;
    folder
}
