//! The migrations, up and down.

use chrono::TimeDelta;
use domain::{KeyId, Role};
use migrations::Migrator;
use sea_orm::Database;
use sea_orm_migration::MigratorTrait;
use tenantry_storage::{NewKey, Purpose};

use super::world::{World, item, now, open};

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
    let migrations = Migrator::migrations();
    let mut newest_first = migrations.iter().rev().map(|one| one.name().to_owned());
    let newer = newest_first.position(|name| name == "m20261127_000020_first_start");
    let steps = u32::try_from(newer.unwrap()).unwrap() + 1;
    Migrator::down(&db, Some(steps)).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db.close().await.unwrap();
    let again = open(&world.url).await;
    let usage = again.maintenance(Purpose::StartUp).usage();
    // Starting it anew does not change it.
    usage.keep_first_start(now()).await.unwrap();
    assert_eq!(usage.first_start().await.unwrap(), Some(made));
}
