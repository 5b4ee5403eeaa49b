//! Tenants and the changes that are told.

use domain::{Change, ErrorKind, TenantSettings, TenantState, VerticalId};
use tenantry_storage::{NewTenant, Purpose, StorageError};

use super::world::{World, item, later, now, space_jobs, tenant_id};

pub async fn a_tenant_is_made_found_listed_and_changed(world: World) {
    let platform = world.store.maintenance(Purpose::StartUp);
    for id in ["acme", "beta", "gamma"] {
        world.tenant(id).await;
    }
    let mut acme = platform
        .get_tenant(&tenant_id("acme"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(acme.state, TenantState::Active);
    assert_eq!(acme.created_at, now());

    acme.vertical = VerticalId::parse("health").unwrap();
    acme.settings = TenantSettings {
        share_for_training: true,
        ..TenantSettings::default()
    };
    acme.state = TenantState::Inactive;
    let changed = platform
        .update_tenant(&acme, space_jobs(), "ops", later(5))
        .await
        .unwrap();
    assert_eq!((changed.updated_at, changed.created_at), (later(5), now()));
    assert_eq!(platform.get_tenant(&acme.id).await.unwrap(), Some(changed));

    let all = platform.list_tenants(None, 2, None).await.unwrap();
    assert_eq!(
        all.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(),
        ["acme", "beta"]
    );
    let rest = platform
        .list_tenants(Some(tenant_id("beta")), 9, None)
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    let software = VerticalId::parse("software").unwrap();
    assert_eq!(
        platform
            .list_tenants(None, 9, Some(software))
            .await
            .unwrap()
            .len(),
        2
    );

    assert!(
        platform
            .get_tenant(&tenant_id("nobody"))
            .await
            .unwrap()
            .is_none()
    );
    acme.id = tenant_id("nobody");
    let error = platform
        .update_tenant(&acme, space_jobs(), "ops", now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    world.store.ping().await.unwrap();
}

pub async fn an_id_is_taken_once(world: World) {
    world.tenant("acme").await;
    let again = NewTenant {
        id: tenant_id("acme"),
        display_name: String::new(),
        vertical: VerticalId::parse("v").unwrap(),
        settings: TenantSettings::default(),
    };
    let error = world
        .store
        .maintenance(Purpose::StartUp)
        .create_tenant(again, "ops", now())
        .await
        .unwrap_err();
    assert!(matches!(&error, StorageError::AlreadyExists { what } if what == "tenants/acme"));
}

pub async fn changes_are_told_after_the_commit_only(world: World) {
    let acme = world.tenant("acme").await;
    let mut heard = world.store.changes().subscribe();

    let tx = world.tx(&acme).await;
    tx.items()
        .upsert(vec![item("q", "one")], now())
        .await
        .unwrap();
    assert!(heard.try_recv().is_err(), "told before the commit");
    drop(tx);
    assert!(
        heard.try_recv().is_err(),
        "told though nothing was committed"
    );

    world.ingest(&acme, vec![item("q", "one")]).await;
    assert_eq!(heard.try_recv().unwrap(), Change::Items(tenant_id("acme")));
    // Nothing new, nothing told.
    world.ingest(&acme, vec![item("q", "one")]).await;
    assert!(heard.try_recv().is_err());
}
