//! Datasets and rows in quarantine.

use domain::{RejectionReason, RowIssue, ValidationReport};
use tenantry_storage::{NewDataset, NewRejection};

use super::world::{World, later, now};

fn dataset(watermark: u64, hash: &str) -> NewDataset {
    NewDataset {
        watermark,
        content_hash: hash.to_owned(),
        items: 10,
        experts: 3,
        first_at: Some(later(-100)),
        last_at: None,
        report: ValidationReport {
            thin_experts: 2,
            warnings: vec!["Look at this.".to_owned()],
            ..ValidationReport::default()
        },
    }
}

fn rejection(batch: &str, line: u64) -> NewRejection {
    NewRejection {
        batch: batch.to_owned(),
        line,
        item_id: "q?".to_owned(),
        issue: RowIssue::missing("text"),
        excerpt: "{\"id\":\0 …".to_owned(),
    }
}

pub async fn datasets_are_numbered_without_gaps(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    assert!(tx.datasets().latest().await.unwrap().is_none());
    let first = tx.datasets().create(dataset(5, "aa"), now()).await.unwrap();
    assert_eq!((first.number, first.report.thin_experts), (1, 2));
    assert_eq!((first.first_at, first.last_at), (Some(later(-100)), None));
    let same = tx
        .datasets()
        .create(dataset(5, "aa"), later(9))
        .await
        .unwrap();
    assert_eq!(same, first, "nothing new to pin");
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    tx.datasets().create(dataset(6, "bb"), now()).await.unwrap();
    drop(tx);
    let tx = world.tx(&acme).await;
    assert_eq!(
        tx.datasets()
            .create(dataset(7, "cc"), now())
            .await
            .unwrap()
            .number,
        2
    );
    assert_eq!(
        tx.datasets()
            .create(dataset(7, "dd"), now())
            .await
            .unwrap()
            .number,
        3
    );
    assert_eq!(tx.datasets().get(1).await.unwrap(), Some(first));
    assert!(tx.datasets().get(4).await.unwrap().is_none());
    let numbers = async |before, limit| {
        let page = tx.datasets().list(before, limit).await.unwrap();
        page.into_iter().map(|d| d.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 2).await, [3, 2]);
    assert_eq!(numbers(Some(2), 2).await, [1]);
    assert_eq!(tx.datasets().latest().await.unwrap().unwrap().number, 3);
}

pub async fn rejections_are_read_in_order(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let rows = vec![
        rejection("one", 1),
        rejection("one", 2),
        rejection("two", 1),
    ];
    tx.rejections().add(rows, now()).await.unwrap();
    tx.rejections().add(vec![], now()).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    assert_eq!(tx.rejections().count().await.unwrap(), 3);
    let all = tx.rejections().list(0, 9, None).await.unwrap();
    assert_eq!(
        all.iter().map(|r| r.sequence).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(all[0].issue.reason, RejectionReason::MissingField);
    assert_eq!((all[0].issue.field.as_str(), all[0].line), ("text", 1));
    assert_eq!(all[0].excerpt, "{\"id\":\u{FFFD} …");
    assert_eq!(all[0].rejected_at, now());
    let page = tx.rejections().list(1, 1, Some("one")).await.unwrap();
    assert_eq!(page[0].sequence, 2);
    assert!(
        tx.rejections()
            .list(2, 9, Some("one"))
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn tenant_b_cannot_see_datasets_or_rejections_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let tx = world.tx(&a).await;
    tx.datasets().create(dataset(5, "aa"), now()).await.unwrap();
    tx.rejections()
        .add(vec![rejection("one", 1)], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(tx.datasets().get(1).await.unwrap().is_none());
    assert!(tx.datasets().latest().await.unwrap().is_none());
    assert!(tx.datasets().list(None, 9).await.unwrap().is_empty());
    assert!(tx.rejections().list(0, 9, None).await.unwrap().is_empty());
    assert!(
        tx.rejections()
            .list(0, 9, Some("one"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(tx.rejections().count().await.unwrap(), 0);
    // Each counts from one.
    assert_eq!(
        tx.datasets()
            .create(dataset(5, "aa"), now())
            .await
            .unwrap()
            .number,
        1
    );
    tx.rejections()
        .add(vec![rejection("one", 1)], now())
        .await
        .unwrap();
    assert_eq!(
        tx.rejections().list(0, 9, None).await.unwrap()[0].sequence,
        1
    );
}
