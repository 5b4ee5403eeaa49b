//! The migrations, up and down.

use chrono::TimeDelta;
use domain::{AliasMoveCause, KeyId, ModelOwner, Role, TaskId};
use migrations::Migrator;
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DbBackend, TransactionTrait as _,
};
use sea_orm_migration::MigratorTrait;
use tenantry_storage::{NewKey, PruneNote, Purpose};

use super::models::{by, model};
use super::world::{World, item, item_id, now, open};

pub async fn migrations_go_down_and_up_again(world: World) {
    let ctx = world.tenant("acme").await;
    world.ingest(&ctx, vec![item("q", "x")]).await;
    world.store.close().await;
    let db = Database::connect(world.url.as_str()).await.unwrap();
    let files = Migrator::migrations().len();
    for _ in 0..files {
        Migrator::down(&db, Some(1)).await.unwrap();
    }
    assert_eq!(
        Migrator::get_pending_migrations(&db).await.unwrap().len(),
        files
    );
    db.close().await.unwrap();

    let again = World {
        store: open(&world.url).await,
        ..world
    };
    let ctx = again.tenant("acme").await;
    assert_eq!(again.ingest(&ctx, vec![item("q", "x")]).await, 1);
}

/// Takes the schema back to what it was before a migration.
async fn before(db: &DatabaseConnection, migration: &str) {
    let migrations = Migrator::migrations();
    let mut newest_first = migrations.iter().rev().map(|one| one.name().to_owned());
    let newer = newest_first.position(|name| name == migration);
    let steps = u32::try_from(newer.unwrap()).unwrap() + 1;
    Migrator::down(db, Some(steps)).await.unwrap();
}

/// A store that was used when the causes of moves stood in their texts alone.
pub async fn an_older_store_knows_why_aliases_moved(world: World) {
    use AliasMoveCause::{
        GatePassed, GateRejected, PromotedByAdmin, RolledBackByAdmin, SteppedBack, TaskDeleted,
    };
    use domain::Alias::{Challenger, Champion};
    let ctx = world.tenant("acme").await;
    let (task, global) = (TaskId::experts(), ModelOwner::Global);
    let of_tenant = [
        (Champion, Some(1), GatePassed, "MRR +0.100, proven"),
        (Challenger, Some(2), GateRejected, "MRR -0.010"),
        (Champion, Some(3), PromotedByAdmin, "promoted: pilot"),
        (Champion, Some(1), RolledBackByAdmin, "rolled back: worse"),
        (Challenger, None, GatePassed, "MRR +0.200, proven"),
        (Champion, None, SteppedBack, "stepped back: MRR -0.100"),
        (Champion, Some(3), GatePassed, "MRR +0.200, proven"),
        (Champion, None, GateRejected, "MRR -0.010"),
        (Champion, Some(2), PromotedByAdmin, "promoted: again"),
        (Champion, None, TaskDeleted, "the task was deleted"),
    ];
    let of_tier = [
        (Some(1), PromotedByAdmin, "promoted: pilot"),
        (Some(2), GatePassed, "MRR +0.100, proven"),
        (Some(1), RolledBackByAdmin, "rolled back: worse"),
    ];
    let tx = world.tx(&ctx).await;
    let tiers = world.store.maintenance(Purpose::StartUp).tiers();
    for version in 1..=3 {
        tx.models().insert(model(version), now()).await.unwrap();
    }
    for (alias, version, cause, reason) in of_tenant {
        tx.models()
            .set_alias(&task, alias, version, by(cause, reason, 0))
            .await
            .unwrap();
    }
    let note = PruneNote {
        reason: "old",
        actor: "ops",
        now: now(),
    };
    assert_eq!(tx.models().prune(&task, &[3], note).await.unwrap(), [3]);
    tx.commit().await.unwrap();
    for version in 1..=2 {
        let by = by(GatePassed, "", version);
        tiers.register(&global, model(0), false, by).await.unwrap();
    }
    for (version, cause, reason) in of_tier {
        let by = by(cause, reason, 3);
        tiers
            .set_champion(&global, &task, version, by)
            .await
            .unwrap();
    }

    world.store.close().await;
    let db = Database::connect(world.url.as_str()).await.unwrap();
    before(&db, "m20261127_000023_alias_causes").await;
    Migrator::up(&db, None).await.unwrap();
    db.close().await.unwrap();
    let again = World {
        store: open(&world.url).await,
        ..world
    };
    let tx = again.tx(&ctx).await;
    let events = tx.models().events(&task, None, 20).await.unwrap();
    let causes: Vec<_> = events.iter().rev().map(|event| event.cause).collect();
    assert_eq!(causes, of_tenant.map(|(_, _, cause, _)| cause));
    let pruned = tx.models().pruned(&task, 3).await.unwrap();
    assert_eq!(pruned.unwrap().1, "old");
    let tiers = again.store.maintenance(Purpose::StartUp).tiers();
    let events = tiers.events(&global, &task, 9).await.unwrap();
    let causes: Vec<_> = events.iter().rev().map(|event| event.cause).collect();
    assert_eq!(causes, of_tier.map(|(_, cause, _)| cause));
}

/// A store that was used before first starts were kept: its first key tells when.
pub async fn an_older_store_knows_its_first_start(world: World) {
    let made = now() - TimeDelta::days(40);
    let key = NewKey {
        id: KeyId::parse("first").unwrap(),
        role: Role::Operator,
        display_name: String::new(),
        secret_hash: [7; 32],
    };
    let platform = world.store.maintenance(Purpose::StartUp);
    platform
        .create_operator_key(key, "system:test", made)
        .await
        .unwrap();
    world.store.close().await;
    let db = Database::connect(world.url.as_str()).await.unwrap();
    before(&db, "m20261127_000020_first_start").await;
    Migrator::up(&db, None).await.unwrap();
    db.close().await.unwrap();
    let again = open(&world.url).await;
    let usage = again.maintenance(Purpose::StartUp).usage();
    // Starting it anew does not change it.
    usage.keep_first_start(now()).await.unwrap();
    assert_eq!(usage.first_start().await.unwrap(), Some(made));
}

/// Writes a wrong count of items, as a process of a version before would leave one.
async fn miscount(db: &DatabaseConnection) {
    let tx = db.begin().await.unwrap();
    if tx.get_database_backend() == DbBackend::Postgres {
        let all = "SELECT set_config('tenantry.platform', 'on', true)";
        tx.execute_unprepared(all).await.unwrap();
    }
    let wrong = "UPDATE tenant_counters SET items = 77";
    tx.execute_unprepared(wrong).await.unwrap();
    tx.commit().await.unwrap();
}

/// A store that was used when items were counted each time.
pub async fn an_older_store_counts_its_items_once(world: World) {
    let ctx = world.tenant("acme").await;
    let none = world.tenant("none").await;
    let items = ["a", "b", "c"].map(|id| item(id, "x"));
    world.ingest(&ctx, items.to_vec()).await;
    let tx = world.tx(&ctx).await;
    tx.items().delete(&[item_id("b")], now()).await.unwrap();
    tx.commit().await.unwrap();
    world.ingest(&ctx, vec![item("a", "y")]).await;

    world.store.close().await;
    let db = Database::connect(world.url.as_str()).await.unwrap();
    before(&db, "m20261128_000025_item_count").await;
    Migrator::up(&db, None).await.unwrap();
    db.close().await.unwrap();
    let again = World {
        store: open(&world.url).await,
        ..world
    };
    for (ctx, items) in [(&ctx, 2), (&none, 0)] {
        assert_eq!(again.tx(ctx).await.items().count().await.unwrap(), items);
    }
    again.ingest(&ctx, vec![item("b", "x")]).await;
    assert_eq!(again.tx(&ctx).await.items().count().await.unwrap(), 3);

    // A count that went wrong is put right by counting.
    let db = Database::connect(again.url.as_str()).await.unwrap();
    miscount(&db).await;
    db.close().await.unwrap();
    assert_eq!(again.tx(&ctx).await.items().count().await.unwrap(), 77);
    let tx = again.tx(&ctx).await;
    assert_eq!(tx.items().recount().await.unwrap(), 3);
    tx.commit().await.unwrap();
    assert_eq!(again.tx(&ctx).await.items().count().await.unwrap(), 3);
}
