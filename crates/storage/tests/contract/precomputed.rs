//! Items that nobody has answered yet, and the answers that were computed for them ahead.

use chrono::TimeDelta;
use domain::ItemContent;
use tenantry_storage::{OpenPosition, PrecomputedAnswer, Purpose, Shadow, TenantTx};

use super::world::{World, expert_id, item, item_id, later, now, tenant_id};

/// An item without experts that happened `days` ago.
fn open(id: &str, days: i64) -> ItemContent {
    ItemContent {
        experts: vec![],
        occurred_at: now() - TimeDelta::days(days),
        ..item(id, "Why?")
    }
}

fn answer(id: &str, stamp: &str) -> PrecomputedAnswer {
    PrecomputedAnswer {
        item: item_id(id),
        revision: 1,
        stamp: stamp.to_owned(),
        answer: vec![0, 255, 7],
        shadow: None,
        computed_at: now(),
    }
}

/// Something in the table.
pub async fn fill(tx: &TenantTx) {
    tx.precomputed().put(vec![answer("q1", "s")]).await.unwrap();
}

pub async fn open_items_are_listed_newest_first_while_they_are_open(world: World) {
    let acme = world.tenant("acme").await;
    assert!(!world.tx(&acme).await.items().any_open().await.unwrap());
    let items = vec![
        open("old", 9),
        open("new", 1),
        open("same-a", 5),
        open("same-b", 5),
        item("answered", "x"),
        open("deleted", 2),
        open("answered-later", 3),
    ];
    world.ingest(&acme, items).await;
    let answered = ItemContent {
        experts: vec![expert_id("e1")],
        ..open("answered-later", 3)
    };
    world.ingest(&acme, vec![answered]).await;
    let tx = world.tx(&acme).await;
    tx.items()
        .delete(&[item_id("deleted")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    assert!(tx.items().any_open().await.unwrap());
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = tx.items().open(after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        listed.push(last.content.id.to_string());
        after = Some(OpenPosition {
            at: last.content.occurred_at,
            id: last.content.id.clone(),
        });
    }
    assert_eq!(listed, ["new", "same-b", "same-a", "old"]);
    let whole = tx.items().open(None, 9).await.unwrap();
    let whole: Vec<_> = whole.iter().map(|item| item.content.id.as_str()).collect();
    assert_eq!(whole, listed);
}

pub async fn answers_are_kept_replaced_and_deleted(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    tx.precomputed().put(vec![]).await.unwrap();
    tx.precomputed()
        .put(vec![answer("b", "one"), answer("a", "one")])
        .await
        .unwrap();
    let newer = PrecomputedAnswer {
        revision: 2,
        answer: vec![1],
        shadow: Some(Shadow {
            model: "tenants/acme/models/experts/versions/2".to_owned(),
            experts: vec![expert_id("e2")],
        }),
        computed_at: later(5),
        ..answer("a", "two")
    };
    tx.precomputed().put(vec![newer.clone()]).await.unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    let answers = tx.precomputed();
    assert_eq!(
        answers.get(&item_id("a")).await.unwrap(),
        Some(newer.clone())
    );
    let found = answers.of(&[item_id("a"), item_id("none")]).await.unwrap();
    assert_eq!(found, [newer]);
    let stamps = answers.stamps().await.unwrap();
    assert_eq!(stamps.len(), 2);
    assert_eq!(stamps[&item_id("a")], (2, "two".to_owned()));
    assert_eq!(stamps[&item_id("b")], (1, "one".to_owned()));
    let deleted = answers.delete(&[item_id("a"), item_id("none")]).await;
    assert_eq!(deleted.unwrap(), 1);
    assert_eq!(answers.get(&item_id("a")).await.unwrap(), None);
    assert!(answers.get(&item_id("b")).await.unwrap().is_some());
}

pub async fn tenants_with_answers_are_known(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    world.tenant("empty").await;
    for ctx in [&b, &a] {
        let tx = world.tx(ctx).await;
        tx.precomputed()
            .put(vec![answer("q", "s"), answer("r", "s")])
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let known = world
        .store
        .maintenance(Purpose::StartUp)
        .tenants_with_precomputed()
        .await;
    assert_eq!(known.unwrap(), [tenant_id("a"), tenant_id("b")]);
}

pub async fn tenant_b_cannot_see_precomputed_answers_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    world.ingest(&a, vec![open("q", 1)]).await;
    let tx = world.tx(&a).await;
    tx.precomputed()
        .put(vec![answer("q", "secret")])
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(tx.items().open(None, 9).await.unwrap().is_empty());
    assert!(!tx.items().any_open().await.unwrap());
    let ids = [item_id("q")];
    let [q] = &ids;
    assert_eq!(tx.precomputed().get(q).await.unwrap(), None);
    assert!(tx.precomputed().of(&ids).await.unwrap().is_empty());
    assert!(tx.precomputed().stamps().await.unwrap().is_empty());
    assert_eq!(tx.precomputed().delete(&ids).await.unwrap(), 0);
    // The same id is free for b.
    tx.precomputed()
        .put(vec![answer("q", "own")])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let kept = world.tx(&a).await.precomputed().get(q).await.unwrap();
    assert_eq!(kept.unwrap().stamp, "secret");
}
