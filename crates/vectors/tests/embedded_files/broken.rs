//! Files that are not as they should be.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use domain::ErrorKind;
use tenantry_vectors::VectorError;

use super::{acme, filled, open, points, space};

fn overwrite(file: &Path, from: u64) {
    let length = fs::metadata(file).unwrap().len();
    let bytes = vec![0xA5; usize::try_from(length - from).unwrap()];
    let file = fs::File::options().write(true).open(file).unwrap();
    file.write_all_at(&bytes, from).unwrap();
}

#[tokio::test]
async fn broken_files_are_told_and_a_reset_makes_them_anew() {
    type Break = fn(&Path);
    let ways: [(&str, Break); 3] = [
        ("no database", |file| overwrite(file, 0)),
        ("broken pages", |file| overwrite(file, 16_384)),
        ("a version to come", |file| {
            // Where SQLite keeps `user_version`.
            let file = fs::File::options().write(true).open(file).unwrap();
            file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
        }),
    ];
    for (what, spoil) in ways {
        let folder = filled().await;
        spoil(&folder.path().join("small.sqlite"));
        let store = open(folder.path()).await;
        let error = match store.ensure_space(&space()).await {
            Err(error) => error,
            Ok(()) => store.list_ids(&space(), &acme()).await.expect_err(what),
        };
        assert!(
            matches!(error, VectorError::Corrupt { .. }),
            "{what}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        assert!(
            error.to_string().contains("tenantry index rebuild"),
            "{error}"
        );

        store.reset_space(&space()).await.unwrap();
        assert_eq!(store.count(&space(), &acme()).await.unwrap(), 0, "{what}");
        store.upsert(&space(), &acme(), points(0..5)).await.unwrap();
        assert_eq!(store.count(&space(), &acme()).await.unwrap(), 5, "{what}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_that_was_begun_and_not_made_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.sqlite"), "").unwrap();
    let store = open(folder.path()).await;
    let unknown = store.count(&space(), &acme()).await.unwrap_err();
    assert!(matches!(unknown, VectorError::UnknownSpace { .. }));
    store.ensure_space(&space()).await.unwrap();
    store.upsert(&space(), &acme(), points(0..5)).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn spaces_of_a_version_before_leave_the_disk() {
    let folder = filled().await;
    let former = folder.path().join("small");
    fs::create_dir_all(former.join("segments")).unwrap();
    fs::write(
        former.join("FORMAT"),
        "tenantry-vectors 1, qdrant-edge 0.7\n",
    )
    .unwrap();
    let other = folder.path().join("notes");
    fs::create_dir(&other).unwrap();
    let store = open(folder.path()).await;
    assert!(!former.exists() && other.exists());
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), 100);
    store.close().await;
}
