//! Embedding spaces: which one is active, and the switch under the writers' lock.

use std::time::Duration;

use domain::{
    AUTO_EMBEDDING_MODEL, Change, DEFAULT_EMBEDDING_MODEL, ErrorKind, JobKind, SpaceChoice,
    SpaceComparison, SpaceState, TenantContext, TenantSettings,
};
use tenantry_storage::{NewJob, NewTenant, Purpose, SpaceSwitch};

use super::world::{World, context, item, job, later, now, space_jobs, tenant_id};

/// A comparison that chose `space`.
pub fn comparison(space: &str) -> SpaceComparison {
    SpaceComparison {
        choice: SpaceChoice {
            questions: 300,
            trials: Vec::new(),
            chosen: space.to_owned(),
            reason: "the best".to_owned(),
        },
        items: 900,
        compared_at: now(),
    }
}

async fn keep(world: &World, ctx: &TenantContext, made: &SpaceComparison) {
    let tx = world.tx(ctx).await;
    tx.spaces().keep_comparison(made).await.unwrap();
    tx.commit().await.unwrap();
}

async fn wanted(world: &World, ctx: &TenantContext) -> String {
    world.tx(ctx).await.spaces().wanted().await.unwrap()
}

/// The kinds of jobs that wait, the newest first.
async fn jobs(world: &World, ctx: &TenantContext) -> Vec<JobKind> {
    let tx = world.tx(ctx).await;
    let all = tx.jobs().list(None, 10, None, None).await.unwrap();
    all.into_iter().map(|job| job.kind).collect()
}

pub async fn a_tenant_that_leaves_its_space_to_the_platform_is_where_the_evidence_says(
    world: World,
) {
    let acme = world.tenant("acme").await;
    want(&world, &acme, Some(AUTO_EMBEDDING_MODEL)).await;
    assert_eq!(jobs(&world, &acme).await, [JobKind::CompareSpaces]);
    // It stays where it is until there is evidence.
    assert_eq!(wanted(&world, &acme).await, DEFAULT_EMBEDDING_MODEL);
    let made = comparison("none");
    keep(&world, &acme, &made).await;
    assert_eq!(wanted(&world, &acme).await, "none");
    let tx = world.tx(&acme).await;
    assert_eq!(tx.spaces().comparison().await.unwrap(), Some(made));
    drop(tx);
    // Asked again while it is elsewhere, it is switched.
    want(&world, &acme, Some(AUTO_EMBEDDING_MODEL)).await;
    assert_eq!(
        jobs(&world, &acme).await,
        [JobKind::SwitchSpace, JobKind::CompareSpaces]
    );
    // A named space is meant as it is named; the comparison stays to be read.
    want(&world, &acme, Some("other")).await;
    assert_eq!(wanted(&world, &acme).await, "other");
    let tx = world.tx(&acme).await;
    assert!(tx.spaces().comparison().await.unwrap().is_some());
    drop(tx);
    // Back at AUTO, the older comparison moves nobody.
    want(&world, &acme, Some(AUTO_EMBEDDING_MODEL)).await;
    assert_eq!(wanted(&world, &acme).await, DEFAULT_EMBEDDING_MODEL);
}

async fn want(world: &World, ctx: &TenantContext, model: Option<&str>) {
    let platform = world.store.maintenance(Purpose::StartUp);
    let mut tenant = platform.get_tenant(ctx.tenant()).await.unwrap().unwrap();
    tenant.settings.embedding_model = model.map(str::to_owned);
    platform
        .update_tenant(&tenant, space_jobs(), "ops", now())
        .await
        .unwrap();
}

async fn prepare(world: &World, ctx: &TenantContext, space: Option<&str>) {
    let tx = world.tx(ctx).await;
    tx.spaces().prepare(space, now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn indexed(world: &World, ctx: &TenantContext, space: &str, watermark: u64) {
    let tx = world.tx(ctx).await;
    tx.index().set_watermark(space, watermark).await.unwrap();
    tx.commit().await.unwrap();
}

async fn switch(world: &World, ctx: &TenantContext, space: &str) -> SpaceSwitch {
    let tx = world.tx(ctx).await;
    let outcome = tx.spaces().switch(space, later(60)).await.unwrap();
    tx.commit().await.unwrap();
    outcome
}

async fn active(world: &World, ctx: &TenantContext) -> String {
    world.tx(ctx).await.spaces().active().await.unwrap()
}

async fn states(world: &World, ctx: &TenantContext) -> Vec<(String, SpaceState)> {
    let spaces = world.tx(ctx).await.spaces().list().await.unwrap();
    spaces
        .into_iter()
        .map(|one| (one.name, one.state))
        .collect()
}

fn known(name: &str, state: SpaceState) -> (String, SpaceState) {
    (name.to_owned(), state)
}

pub async fn a_tenant_is_in_the_default_space_until_it_switches(world: World) {
    let acme = world.tenant("acme").await;
    assert_eq!(active(&world, &acme).await, DEFAULT_EMBEDDING_MODEL);
    let tx = world.tx(&acme).await;
    assert_eq!(tx.spaces().wanted().await.unwrap(), DEFAULT_EMBEDDING_MODEL);
    drop(tx);
    assert_eq!(
        states(&world, &acme).await,
        [known(DEFAULT_EMBEDDING_MODEL, SpaceState::Active)]
    );

    // One that is made with another model begins in its space: there is nothing to switch.
    let settings = TenantSettings {
        embedding_model: Some("other".to_owned()),
        ..TenantSettings::default()
    };
    let new = NewTenant {
        id: tenant_id("young"),
        display_name: String::new(),
        vertical: domain::VerticalId::parse("v").unwrap(),
        settings,
    };
    let platform = world.store.maintenance(Purpose::StartUp);
    platform.create_tenant(new, "ops", now()).await.unwrap();
    assert_eq!(active(&world, &context("young")).await, "other");
    assert_eq!(platform.spaces().await.unwrap(), ["other"]);
}

pub async fn a_space_has_one_maker_while_it_is_used(world: World) {
    let platform = world.store.maintenance(Purpose::StartUp);
    let claim = async |space: &str, maker: &str| platform.claim_space(space, maker).await.unwrap();
    let default = DEFAULT_EMBEDDING_MODEL;
    for space in [default, "other"] {
        assert_eq!(claim(space, "a").await, None);
        assert_eq!(claim(space, "b").await, None, "nobody is in it");
    }
    let acme = world.tenant("acme").await;
    let b = Some("b".to_owned());
    assert_eq!(
        claim(default, "a").await,
        b,
        "who has no row is in this one"
    );
    assert_eq!(claim(default, "b").await, None);
    assert_eq!(claim("other", "c").await, None, "nobody is in that one");
    want(&world, &acme, Some("other")).await;
    prepare(&world, &acme, Some("other")).await;
    assert_eq!(claim("other", "b").await, Some("c".to_owned()));
    assert_eq!(claim("other", "c").await, None, "a refusal changes nothing");
}

pub async fn a_switch_waits_until_every_item_is_indexed(world: World) {
    let acme = world.tenant("acme").await;
    let watermark = world.ingest(&acme, vec![item("q", "x")]).await;
    assert_eq!(
        switch(&world, &acme, "other").await,
        SpaceSwitch::Unwanted,
        "nobody asked for it"
    );
    want(&world, &acme, Some("other")).await;
    prepare(&world, &acme, Some("other")).await;
    assert_eq!(switch(&world, &acme, "other").await, SpaceSwitch::Behind);
    indexed(&world, &acme, "other", watermark).await;
    let newer = world.ingest(&acme, vec![item("r", "y")]).await;
    assert_eq!(
        switch(&world, &acme, "other").await,
        SpaceSwitch::Behind,
        "an item came meanwhile"
    );
    assert_eq!(active(&world, &acme).await, DEFAULT_EMBEDDING_MODEL);

    indexed(&world, &acme, "other", newer).await;
    let mut heard = world.store.changes().subscribe();
    assert_eq!(switch(&world, &acme, "other").await, SpaceSwitch::Done);
    assert_eq!(heard.try_recv().unwrap(), Change::Tenant(tenant_id("acme")));
    assert_eq!(heard.try_recv().unwrap(), Change::Index(tenant_id("acme")));
    assert_eq!(active(&world, &acme).await, "other");
    assert_eq!(
        states(&world, &acme).await,
        [
            known(DEFAULT_EMBEDDING_MODEL, SpaceState::Retired),
            known("other", SpaceState::Active),
        ]
    );
    // Done twice is done once.
    assert_eq!(switch(&world, &acme, "other").await, SpaceSwitch::Done);
    let tx = world.tx(&acme).await;
    let refused = tx.spaces().prepare(Some("other"), now()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Aborted, "it is active");
}

pub async fn a_space_is_dropped_when_its_time_has_come_and_not_while_it_is_wanted(world: World) {
    let acme = world.tenant("acme").await;
    let watermark = world.ingest(&acme, vec![item("q", "x")]).await;
    let old = DEFAULT_EMBEDDING_MODEL;
    indexed(&world, &acme, old, watermark).await;
    let tx = world.tx(&acme).await;
    let vectors = (0..5_u8).map(|n| ([n; 32], vec![0.5; 4])).collect();
    tx.embeddings().put(old, vectors).await.unwrap();
    tx.embeddings()
        .put("other", vec![([9; 32], vec![1.0])])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    want(&world, &acme, Some("other")).await;
    prepare(&world, &acme, Some("other")).await;
    indexed(&world, &acme, "other", watermark).await;
    assert_eq!(switch(&world, &acme, "other").await, SpaceSwitch::Done);

    let begin = async |at| {
        let tx = world.tx(&acme).await;
        let begun = tx.spaces().begin_drop(old, at).await.unwrap();
        tx.commit().await.unwrap();
        begun
    };
    assert!(!begin(later(59)).await, "requests that began in it may end");
    want(&world, &acme, None).await;
    assert!(!begin(later(61)).await, "it is wanted back");
    want(&world, &acme, Some("other")).await;
    assert!(begin(later(61)).await);
    let tx = world.tx(&acme).await;
    assert_eq!(tx.index().watermark(old).await.unwrap(), 0);
    assert_eq!(tx.embeddings().forget(old, 3).await.unwrap(), 3);
    assert_eq!(tx.embeddings().forget(old, 3).await.unwrap(), 2);
    tx.spaces().finish_drop(old).await.unwrap();
    // The active one is not forgotten, whoever asks.
    tx.spaces().finish_drop("other").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        states(&world, &acme).await,
        [known("other", SpaceState::Active)]
    );
    let tx = world.tx(&acme).await;
    assert_eq!(tx.index().watermark("other").await.unwrap(), watermark);
    let kept = tx.embeddings().get("other", &[[9; 32]]).await.unwrap();
    assert_eq!(kept.len(), 1);
}

pub async fn who_changes_their_mind_leaves_the_space_in_preparation(world: World) {
    let acme = world.tenant("acme").await;
    want(&world, &acme, Some("one")).await;
    prepare(&world, &acme, Some("one")).await;
    want(&world, &acme, Some("two")).await;
    prepare(&world, &acme, Some("two")).await;
    let one = known("one", SpaceState::Retired);
    let default = known(DEFAULT_EMBEDDING_MODEL, SpaceState::Active);
    assert_eq!(
        states(&world, &acme).await,
        [
            one.clone(),
            known("two", SpaceState::Preparing),
            default.clone()
        ]
    );
    assert_eq!(switch(&world, &acme, "one").await, SpaceSwitch::Unwanted);
    // Nobody ever asked anything of it: it may go at once.
    let tx = world.tx(&acme).await;
    assert!(tx.spaces().begin_drop("one", now()).await.unwrap());
    drop(tx);
    prepare(&world, &acme, None).await;
    assert_eq!(
        states(&world, &acme).await,
        [one, known("two", SpaceState::Retired), default]
    );
}

pub async fn a_wanted_space_enqueues_one_switch(world: World) {
    let acme = world.tenant("acme").await;
    let switches = async || {
        let tx = world.tx(&acme).await;
        let kind = Some(JobKind::SwitchSpace);
        tx.jobs().list(None, 10, kind, None).await.unwrap().len()
    };
    want(&world, &acme, None).await;
    assert_eq!(switches().await, 0, "nothing to do");
    want(&world, &acme, Some("other")).await;
    want(&world, &acme, Some("other")).await;
    assert_eq!(switches().await, 1);
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let kinds = [JobKind::SwitchSpace];
    let minute = Duration::from_secs(60);
    let leased = queue.acquire(&kinds, minute, now()).await.unwrap().unwrap();
    want(&world, &acme, None).await;
    assert_eq!(switches().await, 2, "one that runs may have looked already");
    let second = queue.acquire(&kinds, minute, now()).await.unwrap();
    assert!(second.is_none(), "one at a time for a tenant");
    queue.complete(&leased.token, vec![], now()).await.unwrap();
    assert!(
        queue
            .acquire(&kinds, minute, now())
            .await
            .unwrap()
            .is_some()
    );
}

pub async fn a_job_that_is_due_later_waits(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let new = NewJob {
        dedup_key: Some("drop".to_owned()),
        ..job(JobKind::SwitchSpace)
    };
    let made = tx.jobs().enqueue_due(new, later(30), now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(made.created_at, now());
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let kinds = [JobKind::SwitchSpace];
    let minute = Duration::from_secs(60);
    let early = queue.acquire(&kinds, minute, later(29)).await.unwrap();
    assert!(early.is_none());
    let taken = queue.acquire(&kinds, minute, later(30)).await.unwrap();
    assert_eq!(taken.unwrap().job.id, made.id);
}

pub async fn tenant_b_cannot_see_spaces_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    want(&world, &a, Some("other")).await;
    prepare(&world, &a, Some("other")).await;
    assert_eq!(states(&world, &a).await.len(), 2);
    assert_eq!(
        states(&world, &b).await,
        [known(DEFAULT_EMBEDDING_MODEL, SpaceState::Active)]
    );
    keep(&world, &a, &comparison("other")).await;
    let tx = world.tx(&b).await;
    assert_eq!(tx.spaces().comparison().await.unwrap(), None);
    assert_eq!(tx.spaces().wanted().await.unwrap(), DEFAULT_EMBEDDING_MODEL);
    let gone = world.tx(&context("gone")).await;
    let missing = gone.spaces().wanted().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
