//! Keys, the audit trail, what a tenant is shared, and tenants that are not there.

use domain::{Change, ErrorKind, KeyId, ModelOwner, Role};
use tenantry_storage::{Keys, NewKey, Purpose, TierMove};

use super::world::{World, context, expert, item, job, later, now, scope, tenant_id};

fn key(id: &str, role: Role) -> NewKey {
    NewKey {
        id: KeyId::parse(id).unwrap(),
        role,
        display_name: "a key".to_owned(),
        secret_hash: [7; 32],
    }
}

fn keys(world: &World, tenant: Option<&str>) -> Keys {
    world.store.keys(&scope(tenant))
}

pub async fn a_key_is_made_found_and_revoked(world: World) {
    world.tenant("acme").await;
    world.tenant("beta").await;
    let mut heard = world.store.changes().subscribe();
    let (acme, beta) = (keys(&world, Some("acme")), keys(&world, Some("beta")));
    let made = acme.create(key("k1", Role::Backend), now()).await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Key(made.id.clone()));
    let directory = world.store.maintenance(Purpose::Authentication);
    let found = directory.find_key(&made.id).await.unwrap().unwrap();
    assert_eq!(found, (made.clone(), [7; 32]));

    let taken = beta.create(key("k1", Role::Backend), now()).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let nowhere = keys(&world, Some("nobody"));
    let refused = nowhere.create(key("k2", Role::Backend), now()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);

    // Neither another tenant nor the operators' scope reaches it.
    for other in [beta, keys(&world, None)] {
        assert!(other.revoke(&made.id, now()).await.unwrap().is_none());
        assert!(other.list(None, 9).await.unwrap().is_empty());
    }
    let revoked = acme.revoke(&made.id, later(1)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(later(1)));
    let again = acme.revoke(&made.id, later(2)).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(later(1)));
    let unknown = KeyId::parse("k9").unwrap();
    assert!(directory.find_key(&unknown).await.unwrap().is_none());
}

pub async fn keys_are_listed_in_their_scope(world: World) {
    world.tenant("acme").await;
    let platform = world.store.maintenance(Purpose::StartUp);
    assert_eq!(platform.count_operator_keys().await.unwrap(), 0);
    let (acme, operators) = (keys(&world, Some("acme")), keys(&world, None));
    acme.create(key("a1", Role::Backend), now()).await.unwrap();
    acme.create(key("a2", Role::TenantAdmin), now())
        .await
        .unwrap();
    let first = key("op", Role::Operator);
    platform
        .create_operator_key(first, "system:bootstrap", now())
        .await
        .unwrap();
    let ids = |keys: Vec<domain::ApiKey>| keys.into_iter().map(|k| k.id).collect::<Vec<_>>();
    let first = ids(acme.list(None, 1).await.unwrap());
    assert_eq!(first[0].as_str(), "a1");
    let rest = ids(acme.list(Some(first[0].clone()), 9).await.unwrap());
    assert_eq!(rest[0].as_str(), "a2");
    assert_eq!(
        ids(operators.list(None, 9).await.unwrap())[0].as_str(),
        "op"
    );
    assert_eq!(platform.count_operator_keys().await.unwrap(), 1);
    let op = KeyId::parse("op").unwrap();
    operators.revoke(&op, now()).await.unwrap().unwrap();
    assert_eq!(platform.count_operator_keys().await.unwrap(), 0);
}

pub async fn a_tenant_is_shared_its_own_record_and_its_own_tiers(world: World) {
    let acme = world.tenant("acme").await;
    let shared = world.store.shared_with(&acme).await.unwrap();
    assert_eq!(shared.tenant().id, tenant_id("acme"));
    let nobody = world.store.shared_with(&context("nobody")).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
    let tiers = world.store.maintenance(Purpose::Training).tiers();
    for (owner, readable) in [
        (ModelOwner::Global, true),
        (ModelOwner::Vertical("software".parse().unwrap()), true),
        (ModelOwner::Vertical("banking".parse().unwrap()), false),
    ] {
        let by = TierMove {
            reason: "a test",
            actor: "test",
            now: now(),
        };
        let made = tiers
            .register(&owner, super::models::model(1), true, by)
            .await;
        let name = made.unwrap().name;
        let found = shared.tiers().get(&name).await.unwrap();
        assert_eq!(found.is_some(), readable, "{owner}");
        let champion = shared.tiers().champion(&owner, &name.task).await.unwrap();
        assert_eq!(champion.is_some(), readable, "{owner}");
    }
}

pub async fn the_audit_trail_is_read_newest_first(world: World) {
    let acme = world.tenant("acme").await;
    world.tenant("beta").await;
    for n in 0..3 {
        let tx = world.tx(&acme).await;
        let detail = format!("number {n}");
        tx.audit()
            .record("jobs.retrain", "tenants/acme", &detail, later(n))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let trail = async |tenant, before, limit| {
        let scope = scope(tenant);
        let events = world.store.audit_events(&scope, before, limit).await;
        events.unwrap()
    };
    let events = trail(Some("acme"), None, 2).await;
    assert_eq!(events[0].detail, "number 2");
    assert_eq!(
        (events[0].actor.as_str(), events[0].at),
        ("system:test", later(2))
    );
    let older = trail(Some("acme"), Some(events[1].sequence), 9).await;
    let actions: Vec<&str> = older.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["jobs.retrain", "tenants.create"]);
    // Beta's creation is in the trail of all, and not in acme's.
    assert_eq!(trail(None, None, 99).await.len(), 5);
    assert_eq!(trail(Some("acme"), None, 99).await.len(), 4);
}

pub async fn nothing_is_written_without_a_tenant(world: World) {
    let tx = world.tx(&context("nobody")).await;
    let error = tx
        .items()
        .upsert(vec![item("q", "x")], now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = tx
        .experts()
        .upsert(&[expert("e", "E")], now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = tx
        .jobs()
        .enqueue(job(domain::JobKind::Retrain), now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(tx.items().watermark().await.unwrap(), 0);
    assert!(
        tx.items()
            .get(&super::world::item_id("q"))
            .await
            .unwrap()
            .is_none()
    );
}
