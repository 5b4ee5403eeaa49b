//! Erasing a tenant.

use std::time::Duration;

use domain::{
    AccessScope, AliasMoveCause, ErrorKind, FeedbackEvent, FeedbackVerdict, JobKind, JobState,
    KeyId, RequestId, Role, TaskId, TenantContext,
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tenantry_storage::{NewFeedback, NewKey, NewRejection, Purpose};

use super::models::by;
use super::spaces::comparison;
use super::world::{World, expert, item, item_id, job, later, now, space_jobs, tenant_id};

/// Something in every table.
async fn fill(world: &World, ctx: &TenantContext) {
    let tx = world.tx(ctx).await;
    tx.experts()
        .upsert(&[expert("e", "E")], now())
        .await
        .unwrap();
    tx.items()
        .upsert(
            (0..4_500).map(|n| item(&format!("q{n}"), "x")).collect(),
            now(),
        )
        .await
        .unwrap();
    let rejection = NewRejection {
        batch: "b".to_owned(),
        line: 1,
        item_id: String::new(),
        issue: domain::RowIssue::missing("text"),
        excerpt: String::new(),
    };
    tx.rejections().add(vec![rejection], now()).await.unwrap();
    let dataset = tenantry_storage::NewDataset {
        watermark: 1,
        content_hash: "h".to_owned(),
        items: 1,
        experts: 1,
        first_at: None,
        last_at: None,
        report: domain::ValidationReport::default(),
    };
    tx.datasets().create(dataset, now()).await.unwrap();
    tx.embeddings()
        .put("s", vec![([1; 32], vec![1.0])])
        .await
        .unwrap();
    tx.index().set_watermark("s", 1).await.unwrap();
    tx.spaces().prepare(Some("s"), now()).await.unwrap();
    tx.spaces().keep_comparison(&comparison("s")).await.unwrap();
    tx.jobs()
        .enqueue(job(JobKind::Retrain), now())
        .await
        .unwrap();
    let model = tenantry_storage::NewModel {
        task: TaskId::experts(),
        version: 1,
        artifact_path: String::new(),
        checksum: String::new(),
        size: 1,
        lineage: domain::Lineage {
            dataset: 1,
            dataset_hash: String::new(),
            code_version: String::new(),
            seed: 1,
            space: String::new(),
            parameters: vec![],
            parent: None,
        },
        verdict: domain::Verdict::Promote,
        report: String::new(),
    };
    tx.models().insert(model, now()).await.unwrap();
    let champion = domain::Alias::Champion;
    tx.models()
        .set_alias(
            &TaskId::experts(),
            champion,
            Some(1),
            by(AliasMoveCause::GatePassed, "r", 0),
        )
        .await
        .unwrap();
    let feedback = NewFeedback {
        request_id: "r".to_owned(),
        said: FeedbackEvent {
            verdict: FeedbackVerdict::Accepted,
            expert: None,
            reassigned_to: None,
        },
    };
    tx.feedback().add(feedback, now()).await.unwrap();
    let answer = tenantry_storage::Answer {
        request_id: "r".to_owned(),
        text: "t".to_owned(),
        model: String::new(),
        tier: domain::Tier::Global,
        reason: String::new(),
        experts: vec![],
        answered_at: now(),
        shadow: None,
        item: None,
    };
    tx.answers().add(vec![answer]).await.unwrap();
    let policy = domain::RoutingPolicy::default();
    tx.routing()
        .set(&TaskId::experts(), &policy, now())
        .await
        .unwrap();
    let signal = tenantry_storage::Signal {
        artifact_path: "tenants/acme/signals/x".to_owned(),
        checksum: "ab".to_owned(),
        size: 1,
        queries: 1,
        dataset: 1,
    };
    tx.signals()
        .put(&TaskId::experts(), signal, now())
        .await
        .unwrap();
    super::people::fill(&tx).await;
    super::precomputed::fill(&tx).await;
    super::scores::fill(&tx).await;
    super::tasks::fill(&tx).await;
    tx.inputs().put("hash", "{}", now()).await.unwrap();
    let trials = [super::registry::trial(0)];
    tx.trials()
        .add(&TaskId::experts(), 1, &trials, now())
        .await
        .unwrap();
    let id = RequestId::parse("r").unwrap();
    tx.requests()
        .save("M", &id, b"f", vec![], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let key = NewKey {
        id: KeyId::parse(format!("key-{}", ctx.tenant())).unwrap(),
        role: Role::Backend,
        display_name: String::new(),
        secret_hash: [0; 32],
    };
    world
        .store
        .keys(&AccessScope::Tenant(ctx.clone()))
        .create(key, now())
        .await
        .unwrap();
    super::costs::fill(world, ctx).await;
    // Somebody had a turn.
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let leased = queue
        .acquire(&[JobKind::Retrain], Duration::from_secs(60), now())
        .await
        .unwrap();
    assert!(leased.is_some());
}

/// Rows of the tenant in each table that has a column `tenant_id`, read past the store.
async fn rows_of(world: &World, tenant: &str) -> Vec<(String, i64)> {
    let db = Database::connect(world.url.as_str()).await.unwrap();
    let backend = db.get_database_backend();
    let tables = match backend {
        DbBackend::Postgres => {
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'"
        }
        _ => {
            "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name = 'tenant_id'"
        }
    };
    let mut counts = Vec::new();
    for row in db
        .query_all_raw(Statement::from_string(backend, tables))
        .await
        .unwrap()
    {
        let table: String = row.try_get_by_index(0).unwrap();
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = $1");
        let statement = Statement::from_sql_and_values(backend, sql, [tenant.into()]);
        let count = if backend == DbBackend::Postgres {
            use sea_orm::TransactionTrait;
            let tx = db.begin().await.unwrap();
            tx.execute_unprepared("SET LOCAL tenantry.platform = 'on'")
                .await
                .unwrap();
            tx.query_one_raw(statement)
                .await
                .unwrap()
                .unwrap()
                .try_get_by_index(0)
                .unwrap()
        } else {
            db.query_one_raw(statement)
                .await
                .unwrap()
                .unwrap()
                .try_get_by_index(0)
                .unwrap()
        };
        counts.push((table, count));
    }
    db.close().await.unwrap();
    counts
}

pub async fn erasure_leaves_nothing_but_a_certificate(world: World) {
    let (acme, other) = (world.tenant("acme").await, world.tenant("other").await);
    fill(&world, &acme).await;
    fill(&world, &other).await;
    let before = rows_of(&world, "other").await;
    assert!(before.len() >= 26, "{before:?}");
    for (table, rows) in rows_of(&world, "acme").await {
        assert!(
            rows > 0 || table == "erasures",
            "{table} has no row: the test proves nothing"
        );
    }
    let erasure = world.enqueue(&acme, job(JobKind::EraseTenant)).await;
    let platform = world.store.maintenance(Purpose::StartUp);
    let id = tenant_id("acme");
    assert!(platform.certificate(&id).await.unwrap().is_none());
    let counts = platform.erase_tenant(&id, later(5)).await.unwrap();
    let count = |table: &str| {
        counts
            .iter()
            .find(|(name, _)| name == table)
            .map(|(_, n)| *n)
    };
    assert_eq!(count("item_revisions"), Some(4_502));
    assert_eq!((count("tenants"), count("api_keys")), (Some(1), Some(1)));

    for (table, rows) in rows_of(&world, "acme").await {
        // What was used by day stays, as totals.
        let stays = ["erasures", "jobs", "usage_days"];
        let left = i64::from(stays.contains(&table.as_str()));
        assert_eq!(rows, left, "{table}");
    }
    assert_eq!(rows_of(&world, "other").await, before, "only that tenant");

    // Again: the same counts, and the id stays taken.
    assert_eq!(platform.erase_tenant(&id, later(9)).await.unwrap(), counts);
    let certificate = platform.certificate(&id).await.unwrap().unwrap();
    assert_eq!(
        (certificate.counts, certificate.finished_at),
        (counts, later(5))
    );
    let again = tenantry_storage::NewTenant {
        id: id.clone(),
        display_name: String::new(),
        vertical: domain::VerticalId::parse("v").unwrap(),
        settings: domain::TenantSettings::default(),
    };
    let taken = platform
        .create_tenant(again, "ops", now())
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let never = platform
        .erase_tenant(&tenant_id("never"), now())
        .await
        .unwrap_err();
    assert_eq!(never.kind(), ErrorKind::NotFound);

    // The job that did it can be finished and asked.
    let queue = platform.queue();
    let kinds = [JobKind::EraseTenant];
    let leased = queue
        .acquire(&kinds, Duration::from_secs(60), later(6))
        .await
        .unwrap()
        .unwrap();
    queue
        .complete(&leased.token, vec![], later(7))
        .await
        .unwrap();
    let done = world
        .tx(&acme)
        .await
        .jobs()
        .get(&erasure.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.state, JobState::Succeeded);
}

pub async fn erasure_can_be_interrupted(world: World) {
    let acme = world.tenant("acme").await;
    fill(&world, &acme).await;
    let id = tenant_id("acme");
    // Dropped after ever more time, as a crash would; then once to its end.
    for millis in [1, 3, 6, 10, 15] {
        let platform = world.store.maintenance(Purpose::StartUp);
        let erasing = platform.erase_tenant(&id, now());
        let _ = tokio::time::timeout(Duration::from_millis(millis), erasing).await;
    }
    let counts = world
        .store
        .maintenance(Purpose::StartUp)
        .erase_tenant(&id, now())
        .await
        .unwrap();
    let items = counts
        .iter()
        .find(|(name, _)| name == "item_revisions")
        .unwrap();
    assert_eq!(items.1, 4_502, "the counts of all calls together");
    let left: i64 = rows_of(&world, "acme")
        .await
        .iter()
        .map(|(_, rows)| rows)
        .sum();
    assert_eq!(left, 2, "the certificate, and what was used on a day");
}

pub async fn nothing_is_written_while_erasing(world: World) {
    let acme = world.tenant("acme").await;
    let platform = world.store.maintenance(Purpose::StartUp);
    // Under way before the tenant is closed: it may finish, and closing waits for it.
    let writing = world.tx(&acme).await;
    writing
        .items()
        .upsert(vec![item("q", "x")], now())
        .await
        .unwrap();
    let closing = tokio::spawn({
        let platform = platform.clone();
        async move {
            let mut tenant = platform
                .get_tenant(&tenant_id("acme"))
                .await
                .unwrap()
                .unwrap();
            tenant.state = domain::TenantState::Erasing;
            platform
                .update_tenant(&tenant, space_jobs(), "ops", now())
                .await
                .unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!closing.is_finished(), "closed under the hands of a writer");
    writing.commit().await.unwrap();
    closing.await.unwrap();

    let tx = world.tx(&acme).await;
    for error in [
        tx.items()
            .upsert(vec![item("r", "x")], now())
            .await
            .unwrap_err(),
        tx.items().delete(&[item_id("q")], now()).await.unwrap_err(),
        tx.experts()
            .upsert(&[expert("e", "E")], now())
            .await
            .unwrap_err(),
        tx.jobs()
            .enqueue(job(JobKind::Retrain), now())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition, "{error}");
    }
    assert_eq!(tx.items().count().await.unwrap(), 1, "reading still works");
    tx.jobs()
        .enqueue(job(JobKind::EraseTenant), now())
        .await
        .unwrap();
    tx.audit()
        .record("tenants.delete", "tenants/acme", "", now())
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut back = platform
        .get_tenant(&tenant_id("acme"))
        .await
        .unwrap()
        .unwrap();
    back.state = domain::TenantState::Active;
    let error = platform
        .update_tenant(&back, space_jobs(), "ops", now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
}
