//! The contract on PostgreSQL, and what only PostgreSQL has: row-level security, LISTEN and NOTIFY.

mod cluster;

use std::time::{Duration, Instant};

use domain::{Change, JobKind};
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait,
};

use super::world::{World, item, now, open, tenant_id};
use cluster::Cluster;
use tenantry_storage::Purpose;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut failed = Vec::new();
    for (name, case) in super::cases() {
        let world = World::at(cluster.database().await).await;
        let store = world.store.clone();
        let started = Instant::now();
        // In a task, so that one failure does not hide the others.
        if tokio::spawn(case(world)).await.is_err() {
            failed.push(name);
        }
        println!("{:>6} ms  {name}", started.elapsed().as_millis());
        store.close().await;
    }
    assert!(failed.is_empty(), "failed on PostgreSQL: {failed:#?}");
}

async fn count(db: &impl ConnectionTrait, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    db.query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

async fn names(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_is_the_second_wall() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let world = World::at(cluster.database().await).await;
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    world.ingest(&a, vec![item("q", "secret of a")]).await;
    world
        .ingest(&b, vec![item("q", "secret of b"), item("r", "more")])
        .await;
    let db = Database::connect(world.url.as_str()).await.unwrap();
    let superuser =
        "SELECT (rolsuper OR rolbypassrls)::int::bigint FROM pg_roles WHERE rolname = current_user";
    assert_eq!(
        count(&db, superuser).await,
        0,
        "a superuser is not bound: the test proves nothing"
    );

    // Every table with a tenant in it is walled, and its owner is bound too.
    let open_tables = names(
        &db,
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'seaql_migrations'
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
    )
    .await;
    assert!(open_tables.is_empty(), "without a wall: {open_tables:?}");

    // A query that says nothing sees nothing, whatever the table.
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'seaql_migrations'";
    for table in names(&db, tables).await {
        assert_eq!(
            count(&db, &format!("SELECT COUNT(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
    // One that says a tenant sees that tenant, and can neither write nor move rows to another.
    let tx = db.begin().await.unwrap();
    tx.execute_unprepared("SET LOCAL tenantry.tenant = 'a'")
        .await
        .unwrap();
    assert_eq!(count(&tx, "SELECT COUNT(*) FROM item_revisions").await, 1);
    assert_eq!(count(&tx, "SELECT COUNT(*) FROM tenants").await, 1);
    let touched = tx
        .execute_unprepared("DELETE FROM item_revisions WHERE tenant_id = 'b'")
        .await;
    assert_eq!(touched.unwrap().rows_affected(), 0);
    let moved = tx
        .execute_unprepared("UPDATE item_revisions SET tenant_id = 'b', change = 9")
        .await;
    assert!(
        moved
            .unwrap_err()
            .to_string()
            .contains("row-level security")
    );
    tx.rollback().await.unwrap();
    // The setting ends with the transaction: the next on the same connection sees nothing.
    assert_eq!(count(&db, "SELECT COUNT(*) FROM item_revisions").await, 0);
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_hear_what_was_committed() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let world = World::at(cluster.database().await).await;
    let acme = world.tenant("acme").await;
    let elsewhere = open(&world.url).await;
    let mut heard = elsewhere.changes().subscribe();
    let mut own = world.store.changes().subscribe();
    let patience = Duration::from_secs(10);

    // The other one begins to listen soon after it was opened.
    let items = Change::Items(tenant_id("acme"));
    let mut n = 0;
    let first = loop {
        n += 1;
        world.ingest(&acme, vec![item("q", &format!("{n}"))]).await;
        if let Ok(change) = tokio::time::timeout(Duration::from_millis(200), heard.recv()).await {
            break change.unwrap();
        }
        assert!(n < 50, "nothing was heard");
    };
    assert_eq!(first, items);
    // A rolled back transaction tells nobody; told once in the process it comes from.
    let tx = world.tx(&acme).await;
    tx.experts()
        .upsert(&[super::world::expert("e", "E")], now())
        .await
        .unwrap();
    drop(tx);
    let queue = elsewhere.maintenance(Purpose::StartUp).queue();
    world
        .enqueue(&acme, super::world::job(JobKind::Retrain))
        .await;
    let next = loop {
        // Items that were told while we waited for the first.
        let next = tokio::time::timeout(patience, heard.recv())
            .await
            .unwrap()
            .unwrap();
        if next != items {
            break next;
        }
    };
    assert_eq!(next, Change::Jobs(Some(tenant_id("acme"))));
    tokio::time::timeout(patience, queue.wait(&JobKind::ALL))
        .await
        .expect("its workers wake, too");
    for _ in 0..n {
        assert_eq!(own.recv().await.unwrap(), items);
    }
    assert_eq!(
        own.recv().await.unwrap(),
        Change::Jobs(Some(tenant_id("acme")))
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(own.try_recv().is_err(), "told twice");
    elsewhere.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_may_open_an_empty_database_at_once() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let url = cluster.database().await;
    let (one, two, three) = tokio::join!(open(&url), open(&url), open(&url));
    for store in [one, two, three] {
        store.ping().await.unwrap();
        store.close().await;
    }
}
