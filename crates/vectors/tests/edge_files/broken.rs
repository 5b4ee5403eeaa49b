//! Folders that are not as they should be.

use std::fs;
use std::path::Path;

use domain::ErrorKind;
use tenantry_vectors::VectorError;

use super::{acme, filled, open, points, space};

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
    let building = folder.path().join("small").join("temp_segments");
    fs::create_dir_all(building.join("half")).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.count(&space(), &acme()).await.unwrap(), 100);
    assert!(!building.exists());
    for name in ["half.new", "half.old"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    store.close().await;
}
