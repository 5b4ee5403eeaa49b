//! Items: revisions, watermarks, time travel.

use std::collections::HashSet;
use std::time::Instant;

use chrono::TimeDelta;
use domain::{Item, ItemContent};
use tenantry_storage::ItemQuery;

use super::world::{World, expert_id, item, item_id, later, now};

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.content.id.as_str()).collect()
}

pub async fn an_item_round_trips(world: World) {
    let acme = world.tenant("acme").await;
    let content = item(
        "q-1",
        "Do you encrypt \u{FFFD} data? 日本 🙂 'quoted' \\ %_",
    );
    assert_eq!(world.ingest(&acme, vec![content.clone()]).await, 1);
    let tx = world.tx(&acme).await;
    let kept = tx.items().get(&content.id).await.unwrap().unwrap();
    assert_eq!(kept.content, content);
    assert_eq!(
        (kept.revision, kept.change, kept.ingested_at),
        (1, 1, now())
    );
    assert_eq!(tx.items().count().await.unwrap(), 1);
    assert!(tx.items().get(&item_id("q-2")).await.unwrap().is_none());

    // A time between two microseconds is the one before: the same on both databases.
    let mut finer = content.clone();
    finer.occurred_at += TimeDelta::nanoseconds(999);
    let outcome = tx.items().upsert(vec![finer], now()).await.unwrap();
    assert_eq!((outcome.accepted, outcome.unchanged), (0, 1));
}

pub async fn ids_are_the_tenants_own(world: World) {
    let acme = world.tenant("acme").await;
    let ids = [
        "A&A-01.1",
        "a/b",
        "..",
        "% 100",
        "Prüfung 3",
        "設問",
        "' OR 1=1 --",
        "[\"x\"]",
    ];
    let items = ids.map(|id| ItemContent {
        experts: vec![expert_id(&format!("{id} \\ of")), expert_id("e1")],
        ..item(id, id)
    });
    world.ingest(&acme, items.to_vec()).await;
    let tx = world.tx(&acme).await;
    for id in ids {
        let found = tx.items().get(&item_id(id)).await.unwrap().unwrap();
        assert_eq!(found.content.id.as_str(), id);
        let query = ItemQuery {
            limit: 9,
            expert: Some(expert_id(&format!("{id} \\ of"))),
            ..ItemQuery::default()
        };
        let answered = tx.items().list(query).await.unwrap();
        assert_eq!(answered.len(), 1, "{id}");
        assert_eq!(answered[0].content.id.as_str(), id);
    }
    // Page by page, each once.
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = ItemQuery {
            after,
            limit: 3,
            ..ItemQuery::default()
        };
        let page = tx.items().list(query).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.content.id.clone());
        seen.extend(page.into_iter().map(|item| item.content.id.to_string()));
    }
    seen.sort_unstable();
    let mut all = ids.map(str::to_owned).to_vec();
    all.sort_unstable();
    assert_eq!(seen, all);
}

pub async fn a_changed_item_gets_a_revision_and_keeps_its_point(world: World) {
    let acme = world.tenant("acme").await;
    world
        .ingest(&acme, vec![item("a", "one"), item("b", "two")])
        .await;
    let tx = world.tx(&acme).await;
    let before = tx.items().get(&item_id("a")).await.unwrap().unwrap();
    let outcome = tx
        .items()
        .upsert(
            vec![
                item("a", "one, said better"),
                item("b", "two"),
                item("c", "new"),
            ],
            later(1),
        )
        .await
        .unwrap();
    assert_eq!(
        (outcome.watermark, outcome.accepted, outcome.unchanged),
        (4, 2, 1)
    );
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    let after = tx.items().get(&item_id("a")).await.unwrap().unwrap();
    assert_eq!((after.revision, after.point), (2, before.point));
    assert_eq!(after.ingested_at, later(1));
    let points = tx.items().points().await.unwrap();
    assert_eq!(
        points
            .iter()
            .map(|(point, _)| point)
            .collect::<HashSet<_>>()
            .len(),
        3
    );
    let found = tx.items().by_points(&[after.point, 9_999]).await.unwrap();
    assert_eq!(ids(&found), ["a"]);

    // The last of two with one id counts.
    let twice = vec![item("a", "x"), item("a", "y")];
    let outcome = tx.items().upsert(twice, later(2)).await.unwrap();
    assert_eq!((outcome.accepted, outcome.unchanged), (1, 1));
    let last = tx.items().get(&item_id("a")).await.unwrap().unwrap();
    assert_eq!((last.content.text.as_str(), last.revision), ("y", 3));
    assert_eq!(
        tx.items().upsert(vec![], later(2)).await.unwrap().watermark,
        5
    );
}

pub async fn a_deleted_item_is_gone_and_can_come_back(world: World) {
    let acme = world.tenant("acme").await;
    world
        .ingest(&acme, vec![item("a", "one"), item("b", "two")])
        .await;
    let tx = world.tx(&acme).await;
    let point = tx.items().get(&item_id("a")).await.unwrap().unwrap().point;
    let asked = [item_id("a"), item_id("a"), item_id("nobody")];
    let outcome = tx.items().delete(&asked, later(1)).await.unwrap();
    assert_eq!((outcome.watermark, outcome.deleted), (3, 1));
    assert_eq!(
        tx.items().delete(&asked, later(1)).await.unwrap().deleted,
        0
    );
    assert!(tx.items().get(&item_id("a")).await.unwrap().is_none());
    assert_eq!(tx.items().count().await.unwrap(), 1);
    assert!(tx.items().by_points(&[point]).await.unwrap().is_empty());
    tx.commit().await.unwrap();

    // The same words again are a new revision, at the same point.
    let tx = world.tx(&acme).await;
    let outcome = tx
        .items()
        .upsert(vec![item("a", "one")], later(2))
        .await
        .unwrap();
    assert_eq!(outcome.accepted, 1);
    let back = tx.items().get(&item_id("a")).await.unwrap().unwrap();
    assert_eq!((back.revision, back.point, back.change), (3, point, 4));
    assert_eq!(tx.items().count().await.unwrap(), 2);
}

pub async fn a_watermark_names_a_state_of_all_items(world: World) {
    let acme = world.tenant("acme").await;
    let mut early = item("z", "first to happen");
    early.occurred_at = now() - TimeDelta::days(900);
    let first = world
        .ingest(&acme, vec![item("b", "b1"), item("a", "a1"), early])
        .await;
    let second = world
        .ingest(&acme, vec![item("a", "a2"), item("c", "c1")])
        .await;
    let tx = world.tx(&acme).await;
    let third = tx
        .items()
        .delete(&[item_id("b"), item_id("a")], now())
        .await
        .unwrap()
        .watermark;
    tx.commit().await.unwrap();
    let fourth = world.ingest(&acme, vec![item("b", "b2")]).await;

    let tx = world.tx(&acme).await;
    let said = async |watermark| {
        let items = tx.items().at_watermark(watermark).await.unwrap();
        items
            .into_iter()
            .map(|item| item.content.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(said(0).await, Vec::<String>::new());
    assert_eq!(said(first).await, ["first to happen", "a1", "b1"]);
    assert_eq!(said(second).await, ["first to happen", "a2", "b1", "c1"]);
    assert_eq!(said(third).await, ["first to happen", "c1"]);
    assert_eq!(said(fourth).await, ["first to happen", "b2", "c1"]);
    assert_eq!(said(u64::MAX).await, said(fourth).await);
    let newest = async |watermark, limit| {
        let items = tx.items().newest_at(watermark, limit).await.unwrap();
        let texts = items.into_iter().map(|item| item.content.text);
        texts.collect::<Vec<_>>()
    };
    // Those of one time by the change, whatever their ids.
    assert_eq!(newest(second, 2).await, ["a2", "c1"]);
    assert_eq!(newest(second, 3).await, ["a2", "b1", "c1"]);
    assert_eq!(newest(second, 9).await, said(second).await);
    assert_eq!(newest(fourth, 1).await, ["b2"]);
    assert!(newest(fourth, 0).await.is_empty());
    assert_eq!(tx.items().watermark().await.unwrap(), fourth);
    drop(tx);
    // What nobody has answered does not count against what somebody has.
    let tx = world.tx(&acme).await;
    let open = ["x", "y"].map(|id| ItemContent {
        experts: Vec::new(),
        ..item(id, id)
    });
    tx.items().upsert(open.to_vec(), later(9)).await.unwrap();
    let items = tx.items().newest_at(u64::MAX, 1).await.unwrap();
    let texts: Vec<&str> = items
        .iter()
        .map(|item| item.content.text.as_str())
        .collect();
    assert_eq!(texts, ["b2", "y"]);
    assert_eq!(tx.items().recount().await.unwrap(), 5);
}

pub async fn changes_are_read_in_order_and_only_the_newest(world: World) {
    let acme = world.tenant("acme").await;
    world
        .ingest(
            &acme,
            vec![item("a", "a1"), item("b", "b1"), item("c", "c1")],
        )
        .await;
    world.ingest(&acme, vec![item("a", "a2")]).await;
    let tx = world.tx(&acme).await;
    tx.items().delete(&[item_id("b")], now()).await.unwrap();
    let all = tx.items().changed_since(0, 99).await.unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|c| {
            (
                c.change,
                c.id.as_str(),
                c.item.as_ref().map(|i| i.content.text.as_str()),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(3, "c", Some("c1")), (4, "a", Some("a2")), (5, "b", None)]
    );
    assert_eq!(all[1].point, all[1].item.as_ref().unwrap().point);
    let page = tx.items().changed_since(3, 1).await.unwrap();
    assert_eq!(page[0].change, 4);
    assert!(tx.items().changed_since(5, 9).await.unwrap().is_empty());
}

pub async fn items_are_listed_by_area_and_expert(world: World) {
    let acme = world.tenant("acme").await;
    let with = |id: &str, area: Option<&str>, experts: &[&str]| ItemContent {
        area: area.map(str::to_owned),
        experts: experts.iter().map(|e| expert_id(e)).collect(),
        ..item(id, "text")
    };
    let items = vec![
        with("a", Some("legal"), &["e1", "e_2"]),
        with("b", Some("security"), &["ex2"]),
        with("c", None, &["e1"]),
        with("d", Some("legal"), &[]),
    ];
    world.ingest(&acme, items).await;
    let tx = world.tx(&acme).await;
    let list = async |after: Option<&str>, area: Option<&str>, expert: Option<&str>| {
        let query = ItemQuery {
            after: after.map(item_id),
            limit: 2,
            area: area.map(str::to_owned),
            expert: expert.map(expert_id),
        };
        let items = tx.items().list(query).await.unwrap();
        items
            .into_iter()
            .map(|i| i.content.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, None).await, ["a", "b"]);
    assert_eq!(list(Some("b"), None, None).await, ["c", "d"]);
    assert_eq!(list(None, Some("legal"), None).await, ["a", "d"]);
    assert_eq!(list(None, None, Some("e1")).await, ["a", "c"]);
    // The underscore is no wildcard.
    assert_eq!(list(None, None, Some("e_2")).await, ["a"]);
    assert_eq!(list(None, Some("legal"), Some("e1")).await, ["a"]);
    assert_eq!(
        list(Some("a"), Some("legal"), Some("e1")).await,
        Vec::<String>::new()
    );
}

pub async fn a_dropped_transaction_leaves_no_trace(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    tx.items()
        .upsert(vec![item("a", "never")], now())
        .await
        .unwrap();
    drop(tx);
    assert_eq!(
        world.ingest(&acme, vec![item("b", "first")]).await,
        1,
        "no number was used up"
    );
    let tx = world.tx(&acme).await;
    assert!(tx.items().get(&item_id("a")).await.unwrap().is_none());
}

pub async fn many_items_fit_one_call(world: World) {
    let acme = world.tenant("acme").await;
    let many = |text: &str| {
        (0..12_000)
            .map(|n| item(&format!("q{n}"), text))
            .collect::<Vec<_>>()
    };
    assert_eq!(world.ingest(&acme, many("one")).await, 12_000);
    assert_eq!(world.ingest(&acme, many("two")).await, 24_000);
    let tx = world.tx(&acme).await;
    assert_eq!(tx.items().at_watermark(12_000).await.unwrap().len(), 12_000);
    let points: Vec<u64> = tx
        .items()
        .points()
        .await
        .unwrap()
        .iter()
        .map(|(p, _)| *p)
        .collect();
    assert_eq!(tx.items().by_points(&points).await.unwrap().len(), 12_000);
    let all: Vec<_> = (0..12_000).map(|n| item_id(&format!("q{n}"))).collect();
    assert_eq!(
        tx.items().delete(&all, now()).await.unwrap().deleted,
        12_000
    );
}

pub async fn tenant_b_cannot_see_items_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    world.ingest(&a, vec![item("q", "secret of a")]).await;
    let point = world.tx(&a).await.items().points().await.unwrap()[0].0;

    let tx = world.tx(&b).await;
    assert!(tx.items().get(&item_id("q")).await.unwrap().is_none());
    let all = ItemQuery {
        limit: 9,
        ..ItemQuery::default()
    };
    assert!(tx.items().list(all).await.unwrap().is_empty());
    assert!(tx.items().changed_since(0, 9).await.unwrap().is_empty());
    assert!(tx.items().at_watermark(u64::MAX).await.unwrap().is_empty());
    assert!(tx.items().points().await.unwrap().is_empty());
    assert!(tx.items().by_points(&[point]).await.unwrap().is_empty());
    assert_eq!(tx.items().count().await.unwrap(), 0);
    assert_eq!(tx.items().watermark().await.unwrap(), 0);
    assert_eq!(
        tx.items()
            .delete(&[item_id("q")], now())
            .await
            .unwrap()
            .deleted,
        0
    );
    // The same id is another item, at another point.
    tx.items()
        .upsert(vec![item("q", "b's own")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let theirs = world.tx(&b).await.items().points().await.unwrap();
    assert_ne!(theirs[0].0, point);
    let tx = world.tx(&a).await;
    let kept = tx.items().get(&item_id("q")).await.unwrap().unwrap();
    assert_eq!(kept.content.text, "secret of a");
}

pub async fn four_thousand_items_are_ingested_quickly(world: World) {
    let acme = world.tenant("acme").await;
    let text = "Describe how customer data is encrypted at rest and in transit. ".repeat(4);
    let started = Instant::now();
    for batch in 0..20 {
        let items = (0..200)
            .map(|n| item(&format!("q{}", batch * 200 + n), &text))
            .collect();
        world.ingest(&acme, items).await;
    }
    let took = started.elapsed();
    println!("4,000 items in batches of 200: {took:?}");
    assert!(took.as_secs_f64() < 2.0, "{took:?}");
}

pub async fn answered_items_are_counted_among_the_last(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let answered = |id: &str| ItemContent {
        experts: vec![expert_id("ada")],
        ..item(id, id)
    };
    let open = |id: &str| ItemContent {
        experts: Vec::new(),
        ..item(id, id)
    };
    for (second, content) in [answered("a"), answered("b"), open("c"), answered("d")]
        .into_iter()
        .enumerate()
    {
        let at = later(second as i64);
        tx.items().upsert(vec![content], at).await.unwrap();
    }
    for (since, most, count) in [(-1, 9, 3), (0, 9, 2), (1, 9, 1), (3, 9, 0), (-1, 2, 2)] {
        let items = tx.items();
        let counted = items.count_answered_since(later(since), most).await;
        assert_eq!(counted.unwrap(), count, "since {since}, of {most}");
    }
}
