//! Many at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenantry_storage::{NewDataset, Purpose};

use super::world::{World, item, item_id, now};

pub async fn eight_writers_leave_no_gap(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let world = Arc::new(world);
    let mut writers = Vec::new();
    for writer in 0..8_u64 {
        let world = world.clone();
        let ctx = if writer % 4 == 3 {
            b.clone()
        } else {
            a.clone()
        };
        writers.push(tokio::spawn(async move {
            for round in 0..10_u64 {
                let tx = world.tx(&ctx).await;
                let ids = (0..5).map(|n| format!("w{writer}-{round}-{n}"));
                let mut items: Vec<_> = ids.map(|id| item(&id, "text")).collect();
                // All fight for one item, too.
                items.push(item("shared", &format!("{writer} {round}")));
                tx.items().upsert(items, now()).await.unwrap();
                let pinned = NewDataset {
                    watermark: round,
                    content_hash: format!("{writer}"),
                    items: 0,
                    experts: 0,
                    first_at: None,
                    last_at: None,
                    report: domain::ValidationReport::default(),
                };
                tx.datasets().create(pinned, now()).await.unwrap();
                if round % 3 == 2 {
                    // A crash before the commit uses up no number.
                    drop(tx);
                } else {
                    tx.commit().await.unwrap();
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let mut points = HashSet::new();
    for (ctx, writers) in [(&a, 6), (&b, 2)] {
        let tx = world.tx(ctx).await;
        let committed = writers * 7;
        assert_eq!(tx.items().watermark().await.unwrap(), committed * 6);
        assert_eq!(tx.items().count().await.unwrap(), committed * 5 + 1);
        let shared = tx.items().get(&item_id("shared")).await.unwrap().unwrap();
        assert_eq!(u64::from(shared.revision), committed);
        assert_eq!(
            tx.datasets().latest().await.unwrap().unwrap().number,
            committed
        );
        for (point, _) in tx.items().points().await.unwrap() {
            assert!(points.insert(point), "a point was given out twice");
        }
    }
}

pub async fn readers_do_not_wait_for_writers(world: World) {
    let acme = world.tenant("acme").await;
    world.ingest(&acme, vec![item("q", "old")]).await;
    let writing = world.tx(&acme).await;
    writing
        .items()
        .upsert(vec![item("q", "new"), item("r", "new")], now())
        .await
        .unwrap();

    let started = Instant::now();
    let reading = world.tx(&acme).await;
    let seen = reading.items().get(&item_id("q")).await.unwrap().unwrap();
    assert_eq!(seen.content.text, "old", "nothing uncommitted is seen");
    reading.commit().await.unwrap();
    world
        .store
        .maintenance(Purpose::StartUp)
        .list_tenants(None, 9, None)
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    // The writer sees what it wrote.
    let own = writing.items().get(&item_id("q")).await.unwrap().unwrap();
    assert_eq!(own.content.text, "new");
    writing.commit().await.unwrap();
    assert_eq!(world.tx(&acme).await.items().count().await.unwrap(), 2);
}

pub async fn a_reader_that_comes_to_write_is_not_refused(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    assert_eq!(tx.items().watermark().await.unwrap(), 0);
    // Somebody commits in between: SQLite alone would refuse to write now.
    world.ingest(&acme, vec![item("q", "theirs")]).await;
    let outcome = tx
        .items()
        .upsert(vec![item("q", "ours")], now())
        .await
        .unwrap();
    assert_eq!((outcome.watermark, outcome.accepted), (2, 1));
    let ours = tx.items().get(&item_id("q")).await.unwrap().unwrap();
    assert_eq!(ours.revision, 2);
    tx.commit().await.unwrap();
}
