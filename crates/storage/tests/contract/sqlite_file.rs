//! What only SQLite has: the file, and others who open it.

use std::time::Duration;

use domain::ErrorKind;
use tenantry_storage::{StorageConfig, Store};

use super::world::{World, item, now, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_open_one_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("new.db").display());
    let opened = (0..6).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { open(&url).await })
    });
    for store in opened.collect::<Vec<_>>() {
        store.await.unwrap().ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_waits_for_its_turn_to_write() {
    let world = World::sqlite().await;
    let acme = world.tenant("acme").await;
    let elsewhere = open(&world.url).await;
    let here = world.tx(&acme).await;
    here.items()
        .upsert(vec![item("a", "here")], now())
        .await
        .unwrap();
    let there = tokio::spawn(async move {
        let tx = elsewhere.begin(&acme).await.unwrap();
        let outcome = tx
            .items()
            .upsert(vec![item("b", "there")], now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        outcome.watermark
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!there.is_finished());
    here.commit().await.unwrap();
    assert_eq!(there.await.unwrap(), 2);
}

#[tokio::test]
async fn urls_that_cannot_be_used_are_refused_with_a_reason() {
    for (url, reason) in [
        ("sqlite::memory:", "loses what it acknowledged"),
        ("sqlite://x.db?mode=memory", "loses what it acknowledged"),
        (
            "mysql://localhost/x",
            "starts with sqlite:// or postgres://",
        ),
        ("", "starts with sqlite:// or postgres://"),
    ] {
        let config = StorageConfig {
            url: url.to_owned(),
            max_connections: 1,
        };
        let error = Store::open(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{url}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let config = StorageConfig {
        url: "postgres://localhost/x?host=/nowhere".to_owned(),
        max_connections: 1,
    };
    let error = Store::open(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_closed_store_says_so_and_its_file_can_be_opened_again() {
    let world = World::sqlite().await;
    let acme = world.tenant("acme").await;
    world.ingest(&acme, vec![item("a", "kept")]).await;
    world.store.close().await;
    let error = world.store.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let again = open(&world.url).await;
    let tx = again.begin(&acme).await.unwrap();
    assert_eq!(tx.items().count().await.unwrap(), 1);
}
