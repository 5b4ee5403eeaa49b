//! Tasks, the answers to them, and corrections.

use domain::{
    Change, Correction, Target, TaskDefinition, TaskId, TaskKind, TaskLabel, TaskSource, Tier,
};
use tenantry_storage::{Classification, ClassificationOutcome, StorageError, TenantTx};

use super::world::{World, later, now, tenant_id};

fn task(id: &str) -> TaskDefinition {
    TaskDefinition {
        id: TaskId::parse(id).unwrap(),
        display_name: "Intent \"of\" a text".to_owned(),
        kind: TaskKind::SingleLabel,
        source: TaskSource::Labels {
            prefix: "intent:".to_owned(),
        },
        labels: vec![TaskLabel {
            name: "Rückgabe".to_owned(),
            description: "wants its money back".to_owned(),
            keywords: vec!["refund".to_owned()],
        }],
        target_precision: 0.9,
        out_of_scope_label: Some("other".to_owned()),
    }
}

fn answer(request: &str, id: &str) -> Classification {
    Classification {
        request_id: request.to_owned(),
        task: TaskId::parse(id).unwrap(),
        text: "nul\0 is kept out".to_owned(),
        model: "global/models/intent/versions/0".to_owned(),
        tier: Tier::Global,
        reason: "NOT_ENOUGH_DATA".to_owned(),
        outcome: ClassificationOutcome {
            labels: vec![("Rückgabe".to_owned(), 0.75), ("b".to_owned(), f64::NAN)],
            value: Some(2.5),
            abstained: true,
        },
        answered_at: now(),
    }
}

fn correction(request: &str, label: &str, seconds: i64) -> Correction {
    Correction {
        request_id: request.to_owned(),
        text: "where is my money?".to_owned(),
        target: Target::Labels(vec![label.to_owned()]),
        given_at: later(seconds),
    }
}

/// A row in each table of tasks.
pub async fn fill(tx: &TenantTx) {
    let id = TaskId::parse("intent").unwrap();
    tx.tasks().insert(&task("intent"), now()).await.unwrap();
    tx.classifications()
        .add(vec![answer("r-1", "intent")])
        .await
        .unwrap();
    tx.corrections()
        .put(&id, &correction("r-1", "a", 0))
        .await
        .unwrap();
}

pub async fn a_task_is_made_changed_listed_and_deleted(world: World) {
    let acme = world.tenant("acme").await;
    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&acme).await;
    let made = tx.tasks().insert(&task("intent"), now()).await.unwrap();
    assert_eq!((made.definition, made.created_at), (task("intent"), now()));
    tx.tasks().insert(&task("urgency"), now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Tasks(tenant_id("acme")));

    let tx = world.tx(&acme).await;
    let again = tx.tasks().insert(&task("intent"), now()).await;
    assert!(
        matches!(again, Err(StorageError::AlreadyExists { .. })),
        "{again:?}"
    );
    drop(tx);

    let tx = world.tx(&acme).await;
    let same = tx.tasks().update(&task("intent"), later(5)).await.unwrap();
    assert_eq!(
        same.unwrap().updated_at,
        now(),
        "what says the same changes nothing"
    );
    let mut other = task("intent");
    other.target_precision = 0.5;
    let changed = tx.tasks().update(&other, later(5)).await.unwrap().unwrap();
    assert_eq!((changed.definition, changed.updated_at), (other, later(5)));
    assert!(
        tx.tasks()
            .update(&task("nowhere"), now())
            .await
            .unwrap()
            .is_none()
    );
    let page = tx.tasks().list(None, 1).await.unwrap();
    let rest = tx
        .tasks()
        .list(Some(&page[0].definition.id), 9)
        .await
        .unwrap();
    assert_eq!(rest[0].definition, task("urgency"));
    assert_eq!(tx.tasks().count().await.unwrap(), 2);

    let id = TaskId::parse("intent").unwrap();
    tx.classifications()
        .add(vec![answer("r-1", "intent")])
        .await
        .unwrap();
    tx.corrections()
        .put(&id, &correction("r-1", "a", 0))
        .await
        .unwrap();
    assert!(tx.tasks().delete(&id).await.unwrap());
    assert!(!tx.tasks().delete(&id).await.unwrap());
    assert!(tx.tasks().get(&id).await.unwrap().is_none());
    assert!(tx.classifications().get("r-1").await.unwrap().is_none());
    assert_eq!(tx.corrections().stamp(&id).await.unwrap().count, 0);
    tx.commit().await.unwrap();
}

pub async fn corrections_join_what_was_answered(world: World) {
    let acme = world.tenant("acme").await;
    let id = TaskId::parse("intent").unwrap();
    let tx = world.tx(&acme).await;
    let answers = vec![answer("r-2", "intent"), answer("r-1", "intent")];
    tx.classifications().add(answers).await.unwrap();
    let mut other = answer("r-1", "urgency");
    other.text = "another".to_owned();
    tx.classifications().add(vec![other]).await.unwrap();
    tx.classifications().add(vec![]).await.unwrap();
    let first = tx.classifications().get("r-1").await.unwrap().unwrap();
    assert_eq!(
        (first.task.as_str(), first.text.as_str()),
        ("intent", "nul\u{FFFD} is kept out")
    );
    assert_eq!(
        first.outcome.labels[1],
        ("b".to_owned(), 0.0),
        "no number is kept as 0"
    );
    assert_eq!(first.outcome.value, Some(2.5));

    assert_eq!(
        tx.corrections().stamp(&id).await.unwrap(),
        Default::default()
    );
    for (request, label, at) in [("r-1", "a", 1), ("r-2", "b", 2), ("r-1", "c", 3)] {
        tx.corrections()
            .put(&id, &correction(request, label, at))
            .await
            .unwrap();
    }
    let urgency = TaskId::parse("urgency").unwrap();
    tx.corrections()
        .put(&urgency, &correction("r-1", "high", 9))
        .await
        .unwrap();
    let found = tx.corrections().newest(&id, 9).await.unwrap();
    let expected = [correction("r-1", "c", 3), correction("r-2", "b", 2)];
    assert_eq!(found, expected, "the later one of an answer counts");
    assert_eq!(tx.corrections().newest(&id, 1).await.unwrap().len(), 1);
    let stamp = tx.corrections().stamp(&id).await.unwrap();
    assert_eq!((stamp.count, stamp.newest), (2, Some(later(3))));
    tx.commit().await.unwrap();
}

pub async fn a_withdrawn_correction_counts_no_more(world: World) {
    let acme = world.tenant("acme").await;
    let id = TaskId::parse("intent").unwrap();
    let tx = world.tx(&acme).await;
    for (request, label, at) in [("r-1", "refund", 0), ("r-2", "Refund", 1), ("r-3", "b", 2)] {
        let given = correction(request, label, at);
        tx.corrections().put(&id, &given).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&acme).await;
    let corrections = tx.corrections();
    assert!(corrections.withdraw(&id, "r-3", later(9)).await.unwrap());
    assert!(!corrections.withdraw(&id, "r-3", later(9)).await.unwrap());
    assert!(!corrections.withdraw(&id, "r-9", later(9)).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Tasks(tenant_id("acme")));
    let tx = world.tx(&acme).await;
    let corrections = tx.corrections();
    let newest = corrections.newest(&id, 9).await.unwrap();
    assert_eq!(newest.len(), 2);
    let stamp = corrections.stamp(&id).await.unwrap();
    assert_eq!((stamp.count, stamp.newest), (2, Some(later(1))));
    // What a training saw before it was withdrawn is there to train the same again.
    let then = corrections.newest_until(&id, later(5), 9).await.unwrap();
    assert_eq!(then.len(), 3);
    // Given again, it counts again.
    let again = correction("r-3", "c", 20);
    corrections.put(&id, &again).await.unwrap();
    assert_eq!(corrections.stamp(&id).await.unwrap().count, 3);

    // Labels of corrections get another name, some at a time.
    let change = domain::Relabelling::new(&["refund".to_owned()], "money back".to_owned());
    let (mut after, mut changed) = (None, 0);
    loop {
        let of = |target: &Target| change.of_target(target);
        let (some, next) = corrections
            .rewrite(&id, after.as_deref(), 2, of)
            .await
            .unwrap();
        changed += some;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(changed, 2);
    let newest = corrections.newest(&id, 9).await.unwrap();
    let renamed = Target::Labels(vec!["money back".to_owned()]);
    assert_eq!(newest.iter().filter(|one| one.target == renamed).count(), 2);
}

pub async fn tenant_b_cannot_see_tasks_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let id = TaskId::parse("intent").unwrap();
    let tx = world.tx(&a).await;
    tx.tasks().insert(&task("intent"), now()).await.unwrap();
    tx.classifications()
        .add(vec![answer("r-1", "intent")])
        .await
        .unwrap();
    tx.corrections()
        .put(&id, &correction("r-1", "a", 0))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(tx.tasks().get(&id).await.unwrap().is_none());
    assert!(tx.tasks().list(None, 9).await.unwrap().is_empty());
    assert_eq!(tx.tasks().count().await.unwrap(), 0);
    assert!(
        tx.tasks()
            .update(&task("intent"), now())
            .await
            .unwrap()
            .is_none()
    );
    assert!(tx.classifications().get("r-1").await.unwrap().is_none());
    assert!(tx.corrections().newest(&id, 9).await.unwrap().is_empty());
    assert_eq!(tx.corrections().stamp(&id).await.unwrap().count, 0);
    // The same ids are other rows; deleting B's leaves A's.
    tx.tasks().insert(&task("intent"), now()).await.unwrap();
    tx.corrections()
        .put(&id, &correction("r-1", "b", 0))
        .await
        .unwrap();
    assert!(tx.tasks().delete(&id).await.unwrap());
    tx.commit().await.unwrap();
    let tx = world.tx(&a).await;
    assert!(tx.tasks().get(&id).await.unwrap().is_some());
    assert_eq!(tx.corrections().newest(&id, 9).await.unwrap().len(), 1);
}
