//! What stays in the files of a tenant that was erased: nothing.

use std::fs;
use std::path::Path;

use domain::TenantId;
use tenantry_vectors::{Point, SparseVector};

use super::{open, points, space};

#[tokio::test]
async fn an_erased_tenants_points_and_name_leave_the_files_at_the_flush() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    let erased: TenantId = "soon-to-be-erased".parse().unwrap();
    // Bytes to look for: the fixed-point numbers of this direction, and the weight of a word.
    let marked = |id| Point {
        id,
        dense: vec![0.0, 0.6, -0.8, 0.0],
        sparse: SparseVector {
            indices: vec![77],
            values: vec![1.234_567_9],
        },
    };
    let marks: [&[u8]; 3] = [
        b"soon-to-be-erased",
        &[0xCC, 0x4C, 0x9A, 0x99],
        &1.234_567_9_f32.to_le_bytes(),
    ];
    // Written twice, the first time as others, so that pages were rewritten and the log has both.
    store
        .upsert(&space(), &erased, points(0..500))
        .await
        .unwrap();
    store
        .upsert(&space(), &erased, (0..500).map(marked).collect())
        .await
        .unwrap();
    let globex: TenantId = "globex".parse().unwrap();
    store
        .upsert(&space(), &globex, points(1_000..1_020))
        .await
        .unwrap();
    for mark in marks {
        assert!(
            holds(folder.path(), mark),
            "{mark:?} is not looked for well"
        );
    }

    assert_eq!(store.delete_tenant(&space(), &erased).await.unwrap(), 500);
    store.flush(&space()).await.unwrap();
    for mark in marks {
        assert!(!holds(folder.path(), mark), "{mark:?} is still on the disk");
    }
    assert_eq!(store.count(&space(), &globex).await.unwrap(), 20);
    store.close().await;
}

/// Whether a file in the folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let content = fs::read(entry.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}
