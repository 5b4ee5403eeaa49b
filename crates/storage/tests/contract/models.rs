//! Model versions and aliases.

use domain::{Alias, AliasMoveCause, Change, ErrorKind, Lineage, TaskId, Verdict};
use tenantry_storage::{AliasMove, NewModel, TenantTx};

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

/// A move of an alias that an administrator makes.
pub fn by(cause: AliasMoveCause, reason: &str, seconds: i64) -> AliasMove<'_> {
    AliasMove {
        cause,
        reason,
        actor: "ops",
        now: later(seconds),
    }
}

async fn set(tx: &TenantTx, alias: Alias, version: Option<u64>, reason: &str, seconds: i64) {
    let by = by(AliasMoveCause::PromotedByAdmin, reason, seconds);
    let task = TaskId::experts();
    tx.models()
        .set_alias(&task, alias, version, by)
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

    let back = by(AliasMoveCause::RolledBackByAdmin, "worse after all", 5);
    tx.models()
        .set_alias(&task, Alias::Champion, Some(1), back)
        .await
        .unwrap();
    let passed = by(AliasMoveCause::GatePassed, "done", 6);
    tx.models()
        .set_alias(&task, Alias::Challenger, None, passed)
        .await
        .unwrap();
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
    let causes: Vec<_> = events[..3].iter().map(|e| e.cause).collect();
    assert_eq!(
        causes,
        [
            AliasMoveCause::GatePassed,
            AliasMoveCause::RolledBackByAdmin,
            AliasMoveCause::PromotedByAdmin,
        ]
    );
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

/// What the audit trail says is what was meant, whichever of the versions is newer.
pub async fn an_alias_moves_for_its_cause(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    for version in 1..=3 {
        tx.models().insert(model(version), now()).await.unwrap();
    }
    for (version, cause, seconds) in [
        (Some(3), AliasMoveCause::PromotedByAdmin, 1),
        (Some(1), AliasMoveCause::PromotedByAdmin, 2),
        (None, AliasMoveCause::SteppedBack, 3),
        (Some(2), AliasMoveCause::RolledBackByAdmin, 4),
    ] {
        let by = by(cause, "because", seconds);
        tx.models()
            .set_alias(&task, Alias::Champion, version, by)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let trail = world.trail(Some("acme"), 4).await;
    let told = trail.iter().map(|e| (e.action.as_str(), e.detail.as_str()));
    assert_eq!(
        Vec::from_iter(told),
        [
            ("models.rollback", "champion: none -> 2; because"),
            ("models.rollback", "champion: 1 -> none; because"),
            ("models.promote", "champion: 3 -> 1; because"),
            ("models.promote", "champion: none -> 3; because"),
        ]
    );
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
        .set_alias(
            &task,
            champion,
            Some(9),
            by(AliasMoveCause::GatePassed, "", 0),
        )
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
        .set_alias(
            &task,
            Alias::Champion,
            Some(1),
            by(AliasMoveCause::GatePassed, "", 0),
        )
        .await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotFound);
    let own = tx.models().insert(model(1), now()).await.unwrap();
    assert!(own.aliases.is_empty());
}
