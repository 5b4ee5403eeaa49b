//! The migrations, up and down.

use migrations::Migrator;
use sea_orm::Database;
use sea_orm_migration::MigratorTrait;

use super::world::{World, item, open};

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
