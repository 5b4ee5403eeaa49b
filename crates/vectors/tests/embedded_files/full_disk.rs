//! A disk without room: writes are refused, and nothing else happens.

use std::fs;
use std::path::Path;
use std::process::Command;

use domain::ErrorKind;
use tenantry_vectors::VectorError;

use super::{acme, open, points, space};

/// A file system of a few megabytes at a folder, unmounted at the end. None where this user may not
/// mount.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .arg(at)
            .output();
        done.is_ok_and(|output| output.status.success())
            .then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn a_full_disk_refuses_writes_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("SKIPPED: a full disk is not tried, since this user cannot mount a small one");
        return;
    };
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    store
        .upsert(&space(), &acme(), points(0..1_000))
        .await
        .unwrap();
    store.flush(&space()).await.unwrap();
    fs::write(folder.path().join("filler"), vec![1; 16 << 20]).unwrap_err();

    let mut refused = None;
    for round in 1..200 {
        let more = points(round * 1_000..(round + 1) * 1_000);
        if let Err(error) = store.upsert(&space(), &acme(), more).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(
        matches!(refused, VectorError::DiskFull { .. }),
        "{refused:?}"
    );
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let before = store.count(&space(), &acme()).await.unwrap();
    let near = store
        .search_dense(&space(), &acme(), vec![1.0, 0.0, 0.0, 0.0], 1)
        .await;
    assert_eq!(near.unwrap()[0].id, 0);
    store.close().await;
    drop(store);

    // It starts on the full disk, and goes on when there is room again.
    let store = open(folder.path()).await;
    store.ensure_space(&space()).await.unwrap();
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), before);
    fs::remove_file(folder.path().join("filler")).unwrap();
    let more = points(500_000..500_100);
    store.upsert(&space(), &acme(), more).await.unwrap();
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), before + 100);
    store.close().await;
}
