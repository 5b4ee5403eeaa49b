//! What the in-process store promises of its files: durability, the lock, broken folders.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::{ErrorKind, TenantId};
use tempfile::TempDir;
use tenantry_vectors::{Point, Space, SparseVector, VectorError, VectorStore, VectorsConfig};

/// Names the folder to the process that crashes.
const CRASH_FOLDER: &str = "TENANTRY_VECTORS_CRASH_FOLDER";

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
async fn a_store_that_is_dropped_flushes_and_frees_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    store
        .upsert(&space(), &acme(), points(0..10))
        .await
        .unwrap();
    drop(store);
    let config = VectorsConfig {
        path: folder.path().to_owned(),
        ..VectorsConfig::default()
    };
    for _ in 0..500 {
        match tenantry_vectors::open(&config).await {
            Ok(store) => {
                assert_eq!(store.count(&space(), &acme()).await.unwrap(), 10);
                return;
            }
            // The owner is still flushing.
            Err(VectorError::InUse { .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the folder was never freed");
}

#[tokio::test]
async fn flushed_points_survive_an_abort() {
    let folder = tempfile::tempdir().unwrap();
    // Twice: the second process also loads what the first one left.
    for round in 0..2 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_writes_and_aborts",
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
        // What was not flushed may be there or not; it can be written again.
        store
            .upsert(&space(), &acme(), points(3_000..3_500))
            .await
            .unwrap();
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

#[tokio::test]
async fn broken_files_are_told_apart_and_mended_by_a_reset() {
    type Break = fn(&Path);
    let ways: [(&str, Break); 4] = [
        ("another version", |shard| {
            fs::write(shard.join("FORMAT"), "tenantry-vectors 0\n").unwrap();
        }),
        ("no version", |shard| {
            fs::remove_file(shard.join("FORMAT")).unwrap();
        }),
        ("no configuration", |shard| {
            fs::write(shard.join("edge_config.json"), "{").unwrap();
        }),
        ("broken segments", |shard| {
            for segment in fs::read_dir(shard.join("segments")).unwrap() {
                for entry in fs::read_dir(segment.unwrap().path()).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_file() {
                        fs::write(path, "not what it was").unwrap();
                    }
                }
            }
        }),
    ];
    for (what, spoil) in ways {
        let folder = filled().await;
        spoil(&folder.path().join("small"));
        let store = open(folder.path()).await;
        let error = store.ensure_space(&space()).await.expect_err(what);
        assert!(
            matches!(error, VectorError::Corrupt { .. }),
            "{what}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        assert!(
            error.to_string().contains("tenantry index rebuild"),
            "{error}"
        );
        assert!(store.count(&space(), &acme()).await.is_err());

        store.reset_space(&space()).await.unwrap();
        assert_eq!(store.count(&space(), &acme()).await.unwrap(), 0, "{what}");
        store.upsert(&space(), &acme(), points(0..5)).await.unwrap();
        assert_eq!(store.count(&space(), &acme()).await.unwrap(), 5, "{what}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_crash_while_segments_are_rewritten_is_noticed() {
    // What such a crash leaves at worst: a segment and its copy.
    let twice = |shard: &Path| {
        let segments = shard.join("segments");
        let segment = fs::read_dir(&segments)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        copy(
            &segment,
            &segments.join("0b8f6b0e-4b2c-4f43-9a6a-0d9b3d2f7c11"),
        );
    };
    for (spoil, corrupt) in [(true, true), (false, false)] {
        let folder = filled().await;
        let shard = folder.path().join("small");
        fs::write(shard.join("TIDYING"), "").unwrap();
        if spoil {
            twice(&shard);
        }
        let store = open(folder.path()).await;
        match store.ensure_space(&space()).await {
            Err(VectorError::Corrupt { detail, .. }) if corrupt => {
                assert!(detail.contains("100 points twice"), "{detail}");
            }
            Ok(()) if !corrupt => assert!(!shard.join("TIDYING").exists()),
            other => panic!("{other:?}"),
        }
        store.close().await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_crash_left_half_done_is_cleared_away() {
    let folder = filled().await;
    for name in ["half.new", "half.old"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let store = open(folder.path()).await;
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), 100);
    for name in ["half.new", "half.old"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    store.close().await;
}

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
            .map(|at| ((id * 31 + at * 17) % 101) as f32 - 50.0)
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
    assert!(closed() > 2, "the log has only one file: write more");
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
