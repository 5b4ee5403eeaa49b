//! What the owner of a shard does beside writing: optimizing, cutting the log, erasing.

use std::fs;
use std::path::Path;

use domain::TenantId;
use tenantry_vectors::{Point, Space, SparseVector};

use super::{acme, open, points, space};

#[tokio::test]
async fn an_erased_tenants_vectors_leave_the_segments_at_the_flush() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    // A number to look for in the files: it stays as it is when the vector is made one long.
    let marked = |id| Point {
        id,
        dense: vec![0.0, 0.6, -0.8, 0.0],
        sparse: SparseVector::default(),
    };
    store
        .upsert(&space(), &acme(), (0..20).map(marked).collect())
        .await
        .unwrap();
    let globex: TenantId = "globex".parse().unwrap();
    store
        .upsert(&space(), &globex, points(100..120))
        .await
        .unwrap();
    store.flush(&space()).await.unwrap();
    let segments = folder.path().join("small").join("segments");
    assert!(holds(&segments, (-0.8_f32).to_le_bytes()));

    assert_eq!(store.delete_tenant(&space(), &acme()).await.unwrap(), 20);
    store.flush(&space()).await.unwrap();
    // Answered when the tidying after the first flush is over.
    store.flush(&space()).await.unwrap();
    assert!(
        !holds(&segments, (-0.8_f32).to_le_bytes()),
        "an erased vector is still on disk"
    );
    assert_eq!(store.count(&space(), &globex).await.unwrap(), 20);
    store.close().await;
}

/// Writes enough for segments to be optimized and for the log to have several files.
#[tokio::test]
async fn large_segments_are_optimized_and_the_log_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let space = Space {
        name: "wide".to_owned(),
        dimensions: 384,
    };
    let wide = |id: u64| {
        let dense = (0..384)
            .map(|at| ((id * 31 + at * 17) % 101) as f32 / 7.0 - 5.0)
            .collect();
        Point {
            id,
            dense,
            sparse: SparseVector::default(),
        }
    };
    store.ensure_space(&space).await.unwrap();
    store
        .upsert(&space, &acme(), (0..12_000).map(wide).collect())
        .await
        .unwrap();
    let optimized = || {
        let segments = folder.path().join("wide").join("segments");
        files(&segments)
            .iter()
            .any(|file| file.contains("quantized"))
    };
    assert!(!optimized());
    store.flush(&space).await.unwrap();
    store.flush(&space).await.unwrap();
    assert!(
        optimized(),
        "{:?}",
        files(&folder.path().join("wide").join("segments"))
    );
    store.close().await;
    drop(store);

    let closed = || {
        let log = files(&folder.path().join("wide").join("wal"));
        log.iter()
            .filter(|file| file.starts_with("closed-"))
            .count()
    };
    assert!(closed() > 1, "the log is too short to be cut: write more");
    let store = open(folder.path()).await;
    assert_eq!(store.count(&space, &acme()).await.unwrap(), 12_000);
    assert_eq!(closed(), 1);
    // Writes have higher numbers than those before, or the engine would take them for old.
    let one = Point {
        id: 7,
        dense: vec![1.0; 384],
        sparse: SparseVector::default(),
    };
    store.upsert(&space, &acme(), vec![one]).await.unwrap();
    let hits = store
        .search_dense(&space, &acme(), vec![1.0; 384], 1)
        .await
        .unwrap();
    assert_eq!(hits[0].id, 7);
    store.close().await;
}

/// Names of all files below the folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files(&path));
        } else {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

/// Whether a file below the folder has these bytes.
fn holds(folder: &Path, bytes: [u8; 4]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        fs::read(&path)
            .unwrap()
            .windows(4)
            .any(|window| window == bytes)
    })
}
