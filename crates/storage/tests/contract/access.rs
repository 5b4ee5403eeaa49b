//! Keys, the audit trail, and the door for tenants that are not there.

use domain::{Change, ErrorKind, KeyId, Role, TenantState};
use tenantry_storage::NewKey;

use super::world::{World, context, expert, item, job, later, now, tenant_id};

fn key(id: &str, tenant: Option<&str>, role: Role) -> NewKey {
    NewKey {
        id: KeyId::parse(id).unwrap(),
        tenant: tenant.map(tenant_id),
        role,
        display_name: "a key".to_owned(),
        secret_hash: [7; 32],
    }
}

pub async fn a_key_is_made_found_and_revoked(world: World) {
    world.tenant("acme").await;
    world.tenant("beta").await;
    let platform = world.store.platform();
    let mut heard = world.store.changes().subscribe();
    let acme = tenant_id("acme");
    let made = platform
        .create_key(key("k1", Some("acme"), Role::Backend), "ops", now())
        .await
        .unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Key(made.id.clone()));
    let found = platform.find_key(&made.id).await.unwrap().unwrap();
    assert_eq!(found, (made.clone(), [7; 32], Some(TenantState::Active)));

    let taken = platform
        .create_key(key("k1", Some("beta"), Role::Backend), "ops", now())
        .await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let nowhere = platform
        .create_key(key("k2", Some("nobody"), Role::Backend), "ops", now())
        .await;
    assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);

    // Neither another tenant nor the operators' scope reaches it.
    let beta = tenant_id("beta");
    assert!(
        platform
            .revoke_key(Some(&beta), &made.id, "x", now())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        platform
            .revoke_key(None, &made.id, "x", now())
            .await
            .unwrap()
            .is_none()
    );
    let revoked = platform
        .revoke_key(Some(&acme), &made.id, "x", later(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(revoked.revoked_at, Some(later(1)));
    let again = platform
        .revoke_key(Some(&acme), &made.id, "x", later(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.revoked_at, Some(later(1)));
    assert!(
        platform
            .find_key(&KeyId::parse("k9").unwrap())
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn keys_are_listed_in_their_scope(world: World) {
    world.tenant("acme").await;
    let platform = world.store.platform();
    assert_eq!(platform.count_operator_keys().await.unwrap(), 0);
    for new in [
        key("a1", Some("acme"), Role::Backend),
        key("a2", Some("acme"), Role::TenantAdmin),
        key("op", None, Role::Operator),
    ] {
        platform.create_key(new, "ops", now()).await.unwrap();
    }
    let acme = tenant_id("acme");
    let ids = |keys: Vec<domain::ApiKey>| keys.into_iter().map(|k| k.id).collect::<Vec<_>>();
    let first = ids(platform.list_keys(Some(&acme), None, 1).await.unwrap());
    assert_eq!(first[0].as_str(), "a1");
    let rest = ids(platform
        .list_keys(Some(&acme), Some(first[0].clone()), 9)
        .await
        .unwrap());
    assert_eq!(rest[0].as_str(), "a2");
    assert_eq!(
        ids(platform.list_keys(None, None, 9).await.unwrap())[0].as_str(),
        "op"
    );
    assert_eq!(platform.count_operator_keys().await.unwrap(), 1);
    let op = KeyId::parse("op").unwrap();
    assert_eq!(platform.find_key(&op).await.unwrap().unwrap().2, None);
    platform
        .revoke_key(None, &op, "ops", now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(platform.count_operator_keys().await.unwrap(), 0);
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
    let platform = world.store.platform();
    let tenant = tenant_id("acme");
    let events = platform.audit_events(Some(&tenant), None, 2).await.unwrap();
    assert_eq!(events[0].detail, "number 2");
    assert_eq!(
        (events[0].actor.as_str(), events[0].at),
        ("system:test", later(2))
    );
    let before = Some(events[1].sequence);
    let older = platform
        .audit_events(Some(&tenant), before, 9)
        .await
        .unwrap();
    let actions: Vec<&str> = older.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["jobs.retrain", "tenants.create"]);
    // Beta's creation is in the trail of all, and not in acme's.
    assert_eq!(
        platform.audit_events(None, None, 99).await.unwrap().len(),
        5
    );
    assert_eq!(
        platform
            .audit_events(Some(&tenant), None, 99)
            .await
            .unwrap()
            .len(),
        4
    );
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
