//! What survives a crash, and who may open the folder.

use std::path::Path;
use std::process::{Command, Stdio};

use tenantry_vectors::{SparseVector, VectorError, VectorsConfig};

use super::{acme, filled, open, points, space};

/// Names the folder to the process that crashes.
const CRASH_FOLDER: &str = "TENANTRY_VECTORS_CRASH_FOLDER";

#[tokio::test]
async fn what_was_closed_in_good_order_is_all_there() {
    let folder = filled().await;
    let store = open(folder.path()).await;
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), 100);
    let words = SparseVector {
        indices: vec![5],
        values: vec![2.0],
    };
    assert_eq!(
        store
            .search_sparse(&space(), &acme(), words, 1_000)
            .await
            .unwrap()
            .len(),
        100
    );
    store.close().await;
}

#[tokio::test]
async fn flushed_points_survive_an_abort() {
    let folder = tempfile::tempdir().unwrap();
    // Twice: the second process also loads what the first one left.
    for round in 0..2 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "durability::child_writes_and_aborts",
                "--ignored",
                "--nocapture",
            ])
            .env(CRASH_FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!child.success(), "the child should have aborted");

        let store = open(folder.path()).await;
        let ids = store.list_ids(&space(), &acme()).await.unwrap();
        let flushed: Vec<u64> = (0..3_000).collect();
        assert_eq!(ids[..3_000], flushed, "round {round}");
        let hits = store
            .search_dense(&space(), &acme(), vec![1.0, 0.0, 0.0, 0.0], 1)
            .await;
        assert_eq!(hits.unwrap()[0].id, 0);
        // What was not flushed is there as well: only the process ended, not the machine.
        assert_eq!(store.count(&space(), &acme()).await.unwrap(), 3_500);
        store
            .delete(&space(), &acme(), (3_000..3_500).collect())
            .await
            .unwrap();
        store.close().await;
    }
}

#[tokio::test]
#[ignore = "run as a child process by flushed_points_survive_an_abort"]
async fn child_writes_and_aborts() {
    let Some(folder) = std::env::var_os(CRASH_FOLDER) else {
        return;
    };
    let store = open(Path::new(&folder)).await;
    store.ensure_space(&space()).await.unwrap();
    store
        .upsert(&space(), &acme(), points(0..3_000))
        .await
        .unwrap();
    store.flush(&space()).await.unwrap();
    store
        .upsert(&space(), &acme(), points(3_000..3_500))
        .await
        .unwrap();
    std::process::abort();
}

#[tokio::test]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let config = VectorsConfig {
        path: folder.path().to_owned(),
        ..VectorsConfig::default()
    };
    let Err(second) = tenantry_vectors::open(&config).await else {
        panic!("the folder was opened twice");
    };
    assert!(matches!(second, VectorError::InUse { .. }), "{second:?}");
    assert!(second.to_string().contains("another process"), "{second}");
    first.close().await;
    drop(first);
    open(folder.path()).await.close().await;
}
