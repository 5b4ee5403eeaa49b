//! Model versions and aliases.

use domain::{Alias, Change, ErrorKind, Lineage, TaskId, Verdict};
use tenantry_storage::{NewModel, TenantTx};

use super::world::{World, later, now, tenant_id};

pub fn model(version: u64) -> NewModel {
    NewModel {
        task: TaskId::experts(),
        version,
        artifact_path: format!("tenants/acme/{version}.bin"),
        checksum: "ab".repeat(32),
        size: 1 << 40,
        lineage: Lineage {
            dataset: 3,
            dataset_hash: "cd".to_owned(),
            code_version: "0.1.0".to_owned(),
            seed: u64::MAX,
            space: "minilm".to_owned(),
            parameters: vec![("c".to_owned(), "0.1".to_owned())],
            parent: Some("global/models/experts/versions/0".to_owned()),
        },
        verdict: Verdict::Promote,
        report: "{\"mrr\":0.5}".to_owned(),
    }
}

async fn set(tx: &TenantTx, alias: Alias, version: Option<u64>, reason: &str, seconds: i64) {
    let task = TaskId::experts();
    tx.models()
        .set_alias(&task, alias, version, reason, "ops", later(seconds))
        .await
        .unwrap();
}

pub async fn versions_and_aliases(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&acme).await;
    assert_eq!(tx.models().next_version(&task).await.unwrap(), 1);
    let first = tx.models().insert(model(1), now()).await.unwrap();
    assert_eq!(
        first.name.to_string(),
        "tenants/acme/models/experts/versions/1"
    );
    assert_eq!(tx.models().next_version(&task).await.unwrap(), 2);
    tx.models().insert(model(2), now()).await.unwrap();
    set(&tx, Alias::Champion, Some(1), "better", 1).await;
    set(&tx, Alias::Champion, Some(1), "again", 2).await;
    set(&tx, Alias::Challenger, Some(2), "try", 3).await;
    set(&tx, Alias::Champion, Some(2), "better still", 4).await;
    tx.commit().await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Models(tenant_id("acme")));

    let tx = world.tx(&acme).await;
    let kept = tx.models().get(&task, 1).await.unwrap().unwrap();
    assert_eq!(kept, first, "no alias points at it any more");
    let list = tx.models().list(Some(&task), None, 9).await.unwrap();
    assert_eq!(
        list.iter().map(|m| m.name.version).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(list[0].aliases, [Alias::Challenger, Alias::Champion]);
    assert_eq!(tx.models().list(None, Some(2), 9).await.unwrap(), [first]);
    assert_eq!(
        tx.models().alias(&task, Alias::Champion).await.unwrap(),
        Some(2)
    );

    set(&tx, Alias::Champion, Some(1), "worse after all", 5).await;
    set(&tx, Alias::Challenger, None, "done", 6).await;
    assert_eq!(
        tx.models().alias(&task, Alias::Challenger).await.unwrap(),
        None
    );
    let events = tx.models().events(&task, None, 9).await.unwrap();
    let moves: Vec<_> = events.iter().map(|e| (e.alias, e.from, e.to)).collect();
    assert_eq!(
        moves,
        [
            (Alias::Challenger, Some(2), None),
            (Alias::Champion, Some(2), Some(1)),
            (Alias::Champion, Some(1), Some(2)),
            (Alias::Challenger, None, Some(2)),
            (Alias::Champion, None, Some(1)),
        ]
    );
    assert_eq!(
        (events[1].reason.as_str(), events[1].actor.as_str()),
        ("worse after all", "ops")
    );
    assert_eq!(events[1].at, later(5));
    // Moves of the other alias take no places of the wanted one's.
    let champion = tx.models().events(&task, Some(Alias::Champion), 2).await;
    let moves: Vec<_> = champion.unwrap().iter().map(|e| (e.from, e.to)).collect();
    assert_eq!(moves, [(Some(2), Some(1)), (Some(1), Some(2))]);
    tx.commit().await.unwrap();

    let trail = world.trail(Some("acme"), 9).await;
    let actions: Vec<_> = trail.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(
        actions[..3],
        ["models.rollback", "models.rollback", "models.promote"]
    );
    assert_eq!(trail[1].detail, "champion: 2 -> 1; worse after all");
}

pub async fn a_version_is_inserted_once(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    tx.models().insert(model(1), now()).await.unwrap();
    let error = tx.models().insert(model(1), now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let champion = Alias::Champion;
    let missing = tx
        .models()
        .set_alias(&task, champion, Some(9), "", "ops", now())
        .await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(tx.models().get(&task, 9).await.unwrap().is_none());
}

pub async fn tenant_b_cannot_see_models_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let task = TaskId::experts();
    let tx = world.tx(&a).await;
    tx.models().insert(model(1), now()).await.unwrap();
    set(&tx, Alias::Champion, Some(1), "better", 1).await;
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(tx.models().get(&task, 1).await.unwrap().is_none());
    assert!(tx.models().list(None, None, 9).await.unwrap().is_empty());
    assert_eq!(
        tx.models().alias(&task, Alias::Champion).await.unwrap(),
        None
    );
    assert!(tx.models().events(&task, None, 9).await.unwrap().is_empty());
    assert_eq!(tx.models().next_version(&task).await.unwrap(), 1);
    let foreign = tx
        .models()
        .set_alias(&task, Alias::Champion, Some(1), "", "x", now())
        .await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotFound);
    let own = tx.models().insert(model(1), now()).await.unwrap();
    assert!(own.aliases.is_empty());
}
