//! Experts who change, leave, become one and part again; labels that get another name.

use domain::{
    ExpertId, ExpertMerge, ExpertPatch, FeedbackEvent, FeedbackVerdict, ItemContent, MergeState,
    Relabelling, Tier,
};
use tenantry_storage::{Answer, NewFeedback, StorageError, TenantTx};

use super::world::{World, expert, expert_id, item, item_id, later, now};

fn patch(id: &str) -> ExpertPatch {
    ExpertPatch {
        id: expert_id(id),
        display_name: None,
        profile: None,
        active: None,
        available: None,
    }
}

fn answered(id: &str, experts: &[&str]) -> ItemContent {
    ItemContent {
        experts: experts.iter().map(|id| expert_id(id)).collect(),
        ..item(id, &format!("question {id}"))
    }
}

async fn experts_of(tx: &TenantTx, id: &str) -> Vec<String> {
    let item = tx.items().get(&item_id(id)).await.unwrap().unwrap();
    item.content.experts.into_iter().map(String::from).collect()
}

/// A merge in the store's tables, for erasure.
pub async fn fill(tx: &TenantTx) {
    let both = [expert("Özlem K.", "Ö"), expert("Özlem Kaya", "Özlem")];
    tx.experts().upsert(&both, now()).await.unwrap();
    let items = vec![answered("merged", &["Özlem K."])];
    tx.items().upsert(items, now()).await.unwrap();
    let (from, into) = (expert_id("Özlem K."), expert_id("Özlem Kaya"));
    let merge = tx.merges().begin(&from, &into, false, now()).await.unwrap();
    let moved = tx
        .merges()
        .move_items(&merge, None, 10, now())
        .await
        .unwrap();
    assert_eq!(moved.items, 1);
}

pub async fn a_patch_changes_what_it_names(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let ada = [expert("ada", "Ada")];
    tx.experts().upsert(&ada, now()).await.unwrap();
    let away = ExpertPatch {
        available: Some(false),
        ..patch("ada")
    };
    let new = patch("new");
    let said = [away.clone(), new];
    assert_eq!(tx.experts().change(&said, later(1)).await.unwrap(), 2);
    assert_eq!(tx.experts().change(&said, later(2)).await.unwrap(), 0);
    let known = tx.experts().get(&expert_id("ada")).await.unwrap().unwrap();
    assert_eq!(
        (known.display_name.as_str(), known.available),
        ("Ada", false)
    );
    assert_eq!(known.profile, "Knows things.");
    assert_eq!(known.updated_at, later(1));
    let new = tx.experts().get(&expert_id("new")).await.unwrap().unwrap();
    assert!(new.active && new.available && new.profile.is_empty());
    // What is said of one expert twice is taken in order.
    let cleared = ExpertPatch {
        profile: Some(String::new()),
        ..patch("ada")
    };
    let back = ExpertPatch {
        available: Some(true),
        ..patch("ada")
    };
    assert_eq!(
        tx.experts()
            .change(&[cleared, back], later(3))
            .await
            .unwrap(),
        1
    );
    let known = tx.experts().get(&expert_id("ada")).await.unwrap().unwrap();
    assert!(known.available && known.profile.is_empty());
    assert_eq!(tx.experts().count().await.unwrap(), 2);
}

pub async fn a_deleted_expert_is_one_who_left_and_may_come_back(world: World) {
    let acme = world.tenant("acme").await;
    world.ingest(&acme, vec![answered("q", &["ada"])]).await;
    let tx = world.tx(&acme).await;
    let both = [expert("ada", "Ada"), expert("bob", "Bob")];
    tx.experts().upsert(&both, now()).await.unwrap();
    let ids = [expert_id("ada"), expert_id("nobody")];
    assert_eq!(tx.experts().delete(&ids, later(1)).await.unwrap(), 1);
    assert_eq!(tx.experts().delete(&ids, later(2)).await.unwrap(), 0);
    assert!(tx.experts().get(&ids[0]).await.unwrap().is_none());
    assert!(tx.experts().known(&ids).await.unwrap().is_empty());
    let listed = tx.experts().list(None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(tx.experts().count().await.unwrap(), 1);
    let all = tx.experts().all().await.unwrap();
    let gone = all.iter().find(|one| one.id == ids[0]).unwrap();
    assert!(!gone.active && gone.display_name.is_empty() && gone.profile.is_empty());
    let named = tx.items().experts_named().await.unwrap();
    assert_eq!(named.into_iter().collect::<Vec<_>>(), [expert_id("ada")]);
    // Whoever is listed again begins anew.
    tx.experts()
        .change(&[patch("ada")], later(3))
        .await
        .unwrap();
    let again = tx.experts().get(&ids[0]).await.unwrap().unwrap();
    assert!(again.active && again.profile.is_empty());
    tx.experts().forget(&ids).await.unwrap();
    assert_eq!(tx.experts().all().await.unwrap().len(), 1);
}

/// Feedback that `expert` accepted the question of `request`, which recommended `ada` and `bob`.
async fn said(tx: &TenantTx, request: &str, expert: &str) {
    let answer = Answer {
        request_id: request.to_owned(),
        text: "who?".to_owned(),
        model: "m".to_owned(),
        tier: Tier::Global,
        reason: "NOT_ENOUGH_DATA".to_owned(),
        experts: vec![(expert_id("ada"), 2.0), (expert_id("bob"), 1.0)],
        answered_at: now(),
        shadow: None,
        item: None,
    };
    tx.answers().add(vec![answer]).await.unwrap();
    let new = NewFeedback {
        request_id: request.to_owned(),
        said: FeedbackEvent {
            verdict: FeedbackVerdict::Accepted,
            expert: Some(expert_id(expert)),
            reassigned_to: None,
        },
    };
    tx.feedback().add(new, now()).await.unwrap();
}

/// Merges to the end, some at a time.
async fn merge(
    world: &World,
    ctx: &domain::TenantContext,
    renamed: bool,
    pair: [&str; 2],
) -> ExpertMerge {
    let [from, into] = pair.map(expert_id);
    let tx = world.tx(ctx).await;
    let merge = tx
        .merges()
        .begin(&from, &into, renamed, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut after = None;
    loop {
        let tx = world.tx(ctx).await;
        let moved = tx
            .merges()
            .move_items(&merge, after, 2, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        after = moved.next;
        if after.is_none() {
            break;
        }
    }
    let tx = world.tx(ctx).await;
    while tx.merges().move_feedback(&merge, 1).await.unwrap() > 0 {}
    let done = tx.merges().finish(&merge, later(1)).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn undo(world: &World, ctx: &domain::TenantContext, merge: &ExpertMerge) -> ExpertMerge {
    let tx = world.tx(ctx).await;
    let merge = tx.merges().begin_undo(merge, later(2)).await.unwrap();
    loop {
        let back = tx
            .merges()
            .restore_items(&merge, 2, later(2))
            .await
            .unwrap();
        let renamed = tx.merges().restore_name(&merge, 2, later(2)).await.unwrap();
        if back.traces + renamed == 0 {
            break;
        }
    }
    while tx.merges().restore_feedback(&merge, 1).await.unwrap() > 0 {}
    let undone = tx.merges().finish_undo(&merge, later(2)).await.unwrap();
    tx.commit().await.unwrap();
    undone
}

pub async fn a_merge_moves_history_and_is_taken_back(world: World) {
    let acme = world.tenant("acme").await;
    let lists = [
        &["ada"][..],
        &["bob", "ada"],
        &["eve"],
        &["ada", "eve"],
        &["ada"],
    ];
    let items = lists.iter().enumerate();
    let items = items.map(|(at, list)| answered(&format!("q{at}"), list));
    world.ingest(&acme, items.collect()).await;
    let tx = world.tx(&acme).await;
    let mut ada = expert("ada", "Ada");
    ada.profile = "engines".to_owned();
    tx.experts()
        .upsert(&[ada, expert("bob", "Bob")], now())
        .await
        .unwrap();
    said(&tx, "r1", "ada").await;
    said(&tx, "r2", "bob").await;
    tx.commit().await.unwrap();

    let done = merge(&world, &acme, false, ["ada", "bob"]).await;
    assert_eq!(
        (done.state, done.items, done.feedback),
        (MergeState::Done, 4, 1)
    );
    let tx = world.tx(&acme).await;
    assert_eq!(experts_of(&tx, "q1").await, ["bob"]);
    assert_eq!(experts_of(&tx, "q3").await, ["bob", "eve"]);
    assert!(tx.experts().get(&expert_id("ada")).await.unwrap().is_none());
    let bob = tx.experts().get(&expert_id("bob")).await.unwrap().unwrap();
    assert_eq!(bob.profile, "Knows things.\nengines");
    let answer = tx.answers().get("r1").await.unwrap().unwrap();
    assert_eq!(answer.experts, [(expert_id("bob"), 2.0)]);
    let kept = tx.feedback().of_request("r1").await.unwrap();
    assert_eq!(kept[0].said.expert, Some(expert_id("bob")));
    // Asked again, it is the same; and the old name leads to the new one.
    let again = tx
        .merges()
        .begin(&expert_id("ada"), &expert_id("bob"), false, now())
        .await;
    assert_eq!(again.unwrap(), done);
    let called = tx
        .merges()
        .now_called(&[expert_id("ada"), expert_id("eve")])
        .await
        .unwrap();
    assert_eq!(
        called.into_iter().collect::<Vec<_>>(),
        [(expert_id("ada"), expert_id("bob"))]
    );
    drop(tx);
    // Somebody changes one of the items before the merge is taken back.
    world.ingest(&acme, vec![answered("q4", &["eve"])]).await;

    let undone = undo(&world, &acme, &done).await;
    assert_eq!(undone.state, MergeState::Undone);
    let tx = world.tx(&acme).await;
    for (id, experts) in [
        ("q0", &["ada"][..]),
        ("q1", &["bob", "ada"]),
        ("q3", &["ada", "eve"]),
        ("q4", &["eve"]),
    ] {
        assert_eq!(experts_of(&tx, id).await, experts, "{id}");
    }
    let ada = tx.experts().get(&expert_id("ada")).await.unwrap().unwrap();
    assert_eq!(ada.profile, "engines");
    let bob = tx.experts().get(&expert_id("bob")).await.unwrap().unwrap();
    assert_eq!(bob.profile, "Knows things.");
    let kept = tx.feedback().of_request("r1").await.unwrap();
    assert_eq!(kept[0].said.expert, Some(expert_id("ada")));
    let answer = tx.answers().get("r1").await.unwrap().unwrap();
    assert_eq!(answer.experts.len(), 2);
    assert!(
        tx.merges()
            .now_called(&[expert_id("ada")])
            .await
            .unwrap()
            .is_empty()
    );
    let again = tx.merges().begin_undo(&done, later(3)).await.unwrap();
    assert_eq!(again.state, MergeState::Undone, "once more is nothing");
}

pub async fn a_renamed_expert_keeps_everything(world: World) {
    let acme = world.tenant("acme").await;
    world
        .ingest(
            &acme,
            vec![answered("q1", &["a.berg"]), answered("q2", &["bob"])],
        )
        .await;
    let tx = world.tx(&acme).await;
    tx.experts()
        .upsert(&[expert("a.berg", "Anna")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let taken = tx
        .merges()
        .begin(&expert_id("a.berg"), &expert_id("bob"), true, now())
        .await;
    assert!(
        matches!(taken, Err(StorageError::AlreadyExists { .. })),
        "items name bob"
    );
    let missing = tx
        .merges()
        .begin(&expert_id("zed"), &expert_id("new"), true, now())
        .await;
    assert!(matches!(missing, Err(StorageError::NotFound { .. })));
    let missing = tx
        .merges()
        .begin(&expert_id("a.berg"), &expert_id("new"), false, now())
        .await;
    assert!(
        matches!(missing, Err(StorageError::NotFound { .. })),
        "nobody to merge into"
    );
    drop(tx);

    let done = merge(&world, &acme, true, ["a.berg", "Anna Kaya"]).await;
    assert!(done.renamed);
    let tx = world.tx(&acme).await;
    assert_eq!(experts_of(&tx, "q1").await, ["Anna Kaya"]);
    let new = tx
        .experts()
        .get(&expert_id("Anna Kaya"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (new.display_name.as_str(), new.profile.as_str()),
        ("Anna", "Knows things.")
    );
    assert_eq!(tx.experts().count().await.unwrap(), 1);
    drop(tx);
    // What came with the new name goes back to the old one, too.
    world
        .ingest(&acme, vec![answered("q3", &["Anna Kaya"])])
        .await;
    undo(&world, &acme, &done).await;
    let tx = world.tx(&acme).await;
    for id in ["q1", "q3"] {
        assert_eq!(experts_of(&tx, id).await, ["a.berg"], "{id}");
    }
    let all: Vec<ExpertId> = tx
        .experts()
        .all()
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(all, [expert_id("a.berg")]);
}

pub async fn an_interrupted_merge_goes_on_and_keeps_others_out(world: World) {
    let acme = world.tenant("acme").await;
    world
        .ingest(
            &acme,
            vec![answered("q1", &["ada"]), answered("q2", &["ada"])],
        )
        .await;
    let tx = world.tx(&acme).await;
    let all = ["ada", "bob", "eve"].map(|id| expert(id, id));
    tx.experts().upsert(&all, now()).await.unwrap();
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(expert_id);
    let begun = tx.merges().begin(&ada, &bob, false, now()).await.unwrap();
    let moved = tx
        .merges()
        .move_items(&begun, None, 1, now())
        .await
        .unwrap();
    assert_eq!((moved.items, moved.next), (1, Some(item_id("q1"))));
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    let other = tx.merges().begin(&bob, &eve, false, now()).await;
    assert!(
        matches!(other, Err(StorageError::Conflict { .. })),
        "{other:?}"
    );
    let same = tx
        .merges()
        .begin(&ada, &bob, false, later(1))
        .await
        .unwrap();
    assert_eq!((same.id, same.items), (begun.id.clone(), 1));
    drop(tx);
    let first = merge(&world, &acme, false, ["ada", "bob"]).await;
    assert_eq!((first.id.as_str(), first.items), (begun.id.as_str(), 2));
    let second = merge(&world, &acme, false, ["bob", "eve"]).await;
    let tx = world.tx(&acme).await;
    let later = tx.merges().later(&first).await.unwrap();
    assert_eq!(later.map(|merge| merge.id), Some(second.id.clone()));
    let called = tx
        .merges()
        .now_called(std::slice::from_ref(&ada))
        .await
        .unwrap();
    assert_eq!(called.get(&ada), Some(&eve), "through both");
    let newest = tx.merges().newest(None, 1).await.unwrap();
    assert_eq!(newest[0].id, second.id);
    let rest = tx.merges().newest(Some(2), 9).await.unwrap();
    assert_eq!(rest[0].id, first.id);
}

pub async fn labels_are_rewritten_some_at_a_time(world: World) {
    let acme = world.tenant("acme").await;
    let items = (0..5).map(|n| item(&format!("q{n}"), "x")).collect();
    let until = world.ingest(&acme, items).await;
    let change = Relabelling::new(&["A".to_owned()], "alpha".to_owned());
    let (mut after, mut changed) = (0, 0);
    loop {
        let tx = world.tx(&acme).await;
        let of = |item: &ItemContent| change.of_labels(item);
        let done = tx
            .items()
            .rewrite_changed((after, until), 2, later(1), of)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        changed += done.0.before.len();
        match done.1 {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(changed, 5);
    let tx = world.tx(&acme).await;
    let found = tx.items().get(&item_id("q4")).await.unwrap().unwrap();
    assert_eq!(
        (found.revision, found.content.labels),
        (2, vec!["alpha".to_owned(), "b \"quoted\"".to_owned()])
    );
    assert_eq!(tx.items().watermark().await.unwrap(), 10);
}

pub async fn tenant_b_cannot_see_merges_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let tx = world.tx(&a).await;
    fill(&tx).await;
    tx.commit().await.unwrap();
    let tx = world.tx(&b).await;
    assert!(tx.merges().newest(None, 9).await.unwrap().is_empty());
    assert!(tx.merges().get("1").await.unwrap().is_none());
    let called = tx.merges().now_called(&[expert_id("Özlem K.")]).await;
    assert!(called.unwrap().is_empty());
    assert!(tx.items().experts_named().await.unwrap().is_empty());
}
