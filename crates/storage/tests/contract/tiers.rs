//! Models of the tiers above the tenants, and the signals they are trained on.

use domain::{
    Alias, AliasMoveCause, Change, ErrorKind, JobKind, JobState, ModelOwner, TaskId,
    TenantSettings, VerticalId,
};
use tenantry_storage::{AliasMove, NewTenant, Purpose, Signal};

use super::models::model;
use super::world::{World, context, later, now, tenant_id};

fn by(reason: &str, seconds: i64) -> AliasMove<'_> {
    super::models::by(AliasMoveCause::PromotedByAdmin, reason, seconds)
}

pub async fn a_tier_has_versions_and_a_champion(world: World) {
    let tiers = world.store.maintenance(Purpose::StartUp).tiers();
    let task = TaskId::experts();
    let global = ModelOwner::Global;
    let vertical = ModelOwner::Vertical(VerticalId::parse("software").unwrap());
    let mut heard = world.store.changes().subscribe();
    let first = tiers
        .register(&global, model(0), true, by("better", 1))
        .await;
    let first = first.unwrap();
    assert_eq!(first.name.to_string(), "global/models/experts/versions/1");
    assert_eq!(first.aliases, [Alias::Champion]);
    assert_eq!(heard.try_recv().unwrap(), Change::Tiers);
    let second = tiers.register(&global, model(0), false, by("", 2)).await;
    let second = second.unwrap();
    assert_eq!((second.name.version, second.aliases.len()), (2, 0));
    let other = tiers.register(&vertical, model(0), false, by("", 3)).await;
    assert_eq!(
        other.unwrap().name.to_string(),
        "verticals/software/models/experts/versions/1"
    );

    assert_eq!(tiers.get(&first.name).await.unwrap(), Some(first));
    assert_eq!(tiers.champion(&vertical, &task).await.unwrap(), None);
    let versions = tiers.list(&global, &task, None, 9).await.unwrap();
    let numbers: Vec<_> = versions.iter().map(|model| model.name.version).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(
        tiers.list(&global, &task, Some(2), 9).await.unwrap().len(),
        1
    );

    let moved = tiers.set_champion(&global, &task, Some(9), by("", 4)).await;
    assert_eq!(
        domain::Fault::kind(&moved.unwrap_err()),
        ErrorKind::NotFound
    );
    for (version, seconds) in [(Some(2), 5), (Some(2), 6), (None, 7)] {
        let by = by("because", seconds);
        tiers
            .set_champion(&global, &task, version, by)
            .await
            .unwrap();
    }
    let events = tiers.events(&global, &task, 9).await.unwrap();
    let moves: Vec<_> = events.iter().map(|e| (e.from, e.to)).collect();
    assert_eq!(
        moves,
        [(Some(2), None), (Some(1), Some(2)), (None, Some(1))]
    );
    // An older version that is promoted is promoted, and a roll-back to a newer one is one.
    for (version, cause) in [
        (Some(1), AliasMoveCause::PromotedByAdmin),
        (Some(2), AliasMoveCause::RolledBackByAdmin),
    ] {
        let by = super::models::by(cause, "because", 8);
        let moved = tiers.set_champion(&global, &task, version, by).await;
        moved.unwrap();
        let events = tiers.events(&global, &task, 1).await.unwrap();
        assert_eq!(events[0].cause, cause);
    }
    let trail = world.trail(None, 3).await;
    let told = trail.iter().map(|e| (e.action.as_str(), e.detail.as_str()));
    assert_eq!(
        Vec::from_iter(told),
        [
            ("models.rollback", "champion: 1 -> 2; because"),
            ("models.promote", "champion: none -> 1; because"),
            ("models.promote", "champion: 2 -> none; because"),
        ]
    );
}

pub async fn the_platform_has_jobs_of_its_own(world: World) {
    let platform = world.store.maintenance(Purpose::StartUp);
    let new = |key: &str| tenantry_storage::NewJob {
        dedup_key: Some(key.to_owned()),
        ..super::world::job(JobKind::TrainTier)
    };
    let job = platform.enqueue(new("global"), now()).await.unwrap();
    assert_eq!(job.tenant, None);
    let again = platform.enqueue(new("global"), later(1)).await.unwrap();
    assert_eq!(again.id, job.id, "one waits");
    let other = platform.enqueue(new("other"), now()).await.unwrap();
    let listed = platform.list_jobs(None, 9, None, None).await.unwrap();
    assert_eq!(listed.len(), 2);

    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    assert_eq!(
        tx.jobs().get(&job.id).await.unwrap(),
        None,
        "not a tenant's"
    );
    drop(tx);

    let queue = platform.queue();
    let lease = std::time::Duration::from_secs(60);
    let taken = queue.acquire(&[JobKind::TrainTier], lease, now()).await;
    let taken = taken.unwrap().unwrap();
    assert_eq!((&taken.job.id, &taken.job.tenant), (&job.id, &None));
    queue
        .complete(&taken.token, vec![], later(2))
        .await
        .unwrap();
    let done = platform.job(&job.id).await.unwrap().unwrap();
    assert_eq!(done.state, JobState::Succeeded);
    let cancelled = platform.request_cancel(&other.id, later(3)).await.unwrap();
    assert_eq!(cancelled.unwrap().state, JobState::Cancelled);
}

pub async fn only_what_tenants_agree_to_is_shared(world: World) {
    let task = TaskId::experts();
    for (id, vertical, share) in [
        ("a", "software", true),
        ("b", "software", false),
        ("c", "health", true),
        ("d", "software", true),
    ] {
        let new = NewTenant {
            id: tenant_id(id),
            display_name: String::new(),
            vertical: VerticalId::parse(vertical).unwrap(),
            settings: TenantSettings {
                share_for_training: share,
                ..TenantSettings::default()
            },
        };
        let platform = world.store.maintenance(Purpose::StartUp);
        platform.create_tenant(new, "ops", now()).await.unwrap();
        let tx = world.tx(&context(id)).await;
        for queries in [1, 7] {
            let signal = Signal {
                artifact_path: format!("tenants/{id}/signals/{queries}"),
                checksum: "ab".to_owned(),
                size: 10,
                queries,
                dataset: 3,
            };
            tx.signals().put(&task, signal, now()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let tiers = world.store.maintenance(Purpose::StartUp).tiers();
    let software = VerticalId::parse("software").unwrap();
    for (vertical, expected) in [
        (None, vec!["a", "c", "d"]),
        (Some(&software), vec!["a", "d"]),
    ] {
        let shared = tiers.shared_signals(&task, vertical).await.unwrap();
        let tenants: Vec<_> = shared.iter().map(|one| one.tenant.as_str()).collect();
        assert_eq!(tenants, expected);
        assert!(
            shared.iter().all(|one| one.signal.queries == 7),
            "the newest"
        );
    }
}
