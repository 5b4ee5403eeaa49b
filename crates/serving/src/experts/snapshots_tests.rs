//! A tenant that leaves memory comes back from its snapshot.

use std::fs;
use std::path::PathBuf;

use domain::{ErrorKind, Fault as _, JobKind, TenantState};
use learning::Baseline;
use learning::layout::Part;
use storage::{NewJob, Purpose, SpaceJobs};

use super::super::tests::{ABOUT_SECURITY, query};
use super::super::{ExpertAnswer, ExpertQuery, Experts, ExpertsView, RankerChoice};
use super::*;
use crate::test_world::{World, day, item};

/// The tenant's snapshot, once it is there.
async fn file(world: &World) -> PathBuf {
    let file = world.folder().join("models/tenants/acme/snapshots/experts");
    for _ in 0..500 {
        if file.exists() {
            return file;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no snapshot was made");
}

/// The view, once its history lies in a snapshot.
async fn settled(world: &World, experts: &Experts) -> std::sync::Arc<ExpertsView> {
    for _ in 0..500 {
        let view = experts.view(&world.ctx).await.unwrap();
        if view.history().unsaved() == Some(0) {
            return view;
        }
        drop(view);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the history did not settle");
}

async fn ask(world: &World, experts: &Experts) -> ExpertAnswer {
    let asked = query(ABOUT_SECURITY);
    experts.recommend(&world.ctx, &asked).await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_loaded_from_its_snapshot_and_answers_the_same() {
    let world = World::new().await;
    world.history().await;
    let first = world.experts();
    let before = ask(&world, &first).await;
    settled(&world, &first).await;
    assert_eq!(ask(&world, &first).await.recommended, before.recommended);

    let restarted = world.experts();
    let view = restarted.view(&world.ctx).await.unwrap();
    assert_eq!(view.history().unsaved(), Some(0), "nothing was read again");
    assert_eq!(
        ask(&world, &restarted).await.recommended,
        before.recommended
    );
}

#[tokio::test]
async fn a_warmed_tenant_is_resident_and_its_bytes_are_told() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let bytes = experts.warm(&world.ctx).await.unwrap();
    assert!(bytes > 1_000, "{bytes}");
    settled(&world, &experts).await;
    let settled = experts.warm(&world.ctx).await.unwrap();
    let answers = fs::metadata(file(&world).await).unwrap().len() as usize;
    assert!(settled > 1_000 && settled < answers + 100_000, "{settled}");
}

#[tokio::test]
async fn what_came_since_a_snapshot_is_in_the_first_answer() {
    let world = World::new().await;
    world.history().await;
    let first = world.experts();
    settled(&world, &first).await;
    drop(first);
    let text = "Is customer data encrypted in backups?";
    world.write(vec![item("s4", text, &["sofia"], 7)]).await;

    let restarted = world.experts();
    let view = restarted.view(&world.ctx).await.unwrap();
    assert_eq!(view.history().corpus.len(), 7);
    let answer = ask(&world, &restarted).await;
    let evidence = &answer.recommended.experts[0].evidence;
    assert!(evidence.iter().any(|one| one.item.as_str() == "s4"));
    // Read from the store: a short history keeps nothing that learning needs.
    let view = settled(&world, &restarted).await;
    assert_eq!(view.history().corpus.len(), 7);
}

#[tokio::test]
async fn experts_who_change_and_a_damaged_file_have_it_made_again() {
    let world = World::new().await;
    world.history().await;
    let first = world.experts();
    let before = ask(&world, &first).await;
    settled(&world, &first).await;
    drop(first);
    let file = file(&world).await;

    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    // Another file takes its place, as it would where a disk is restored.
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    let second = world.experts();
    assert_eq!(ask(&world, &second).await.recommended, before.recommended);
    settled(&world, &second).await;
    assert_ne!(fs::read(&file).unwrap(), bytes, "it was replaced");
    drop(second);

    world.list_expert("sofia", false, day(8)).await;
    let third = world.experts();
    let answer = ask(&world, &third).await;
    assert_eq!(answer.recommended.experts.len(), 1, "sofia takes no work");
}

#[tokio::test]
async fn keyword_rules_of_a_damaged_snapshot_are_refused_and_then_made_again() {
    let world = World::new().await;
    world.history().await;
    let first = world.experts();
    settled(&world, &first).await;
    drop(first);
    let file = file(&world).await;
    let in_store = world.artifacts.open_file("tenants/acme/snapshots/experts");
    let snapshot = Snapshot::open(&InStore(in_store.unwrap().unwrap()), HISTORY_FORM).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[snapshot.bytes(Part::Answers).next_multiple_of(4_096)] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();

    let experts = world.experts();
    let asked = ExpertQuery {
        choice: RankerChoice::Baseline(Baseline::KeywordRules),
        ..query(ABOUT_SECURITY)
    };
    let refused = experts.recommend(&world.ctx, &asked).await.unwrap_err();
    assert_eq!(refused.reason(), "SNAPSHOT_DAMAGED");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let answer = experts.recommend(&world.ctx, &asked).await.unwrap();
    assert!(!answer.recommended.experts.is_empty());
}

#[tokio::test]
async fn nothing_is_left_of_a_tenant_that_is_not_served() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let view = settled(&world, &experts).await;
    let file = file(&world).await;
    let platform = world.store.maintenance(Purpose::StartUp);
    let mut tenant = platform
        .get_tenant(world.ctx.tenant())
        .await
        .unwrap()
        .unwrap();
    tenant.state = TenantState::Inactive;
    let job = NewJob {
        kind: JobKind::SwitchSpace,
        payload: serde_json::json!({}),
        dedup_key: None,
        max_attempts: 1,
    };
    let jobs = SpaceJobs {
        switch: job.clone(),
        compare: job,
    };
    let updated = platform.update_tenant(&tenant, jobs, "ops", day(9)).await;
    updated.unwrap();
    let snapshots = Snapshots {
        artifacts: world.artifacts.clone(),
        store: world.store.clone(),
    };
    let (stamp, history) = (view.corpus_stamp(), view.shared_history());
    let saved = snapshots.save(&world.ctx, stamp, history).await.unwrap();
    assert!(saved.is_none() && !file.exists());
}

#[tokio::test]
async fn what_cannot_be_saved_stays_in_memory_and_is_not_tried_at_once() {
    let world = World::new().await;
    world.history().await;
    // Nothing can be written where a file is in the place of the folder.
    let tenants = world.folder().join("models/tenants");
    fs::write(&tenants, b"in the way").unwrap();
    let experts = world.experts();
    let view = experts.view(&world.ctx).await.unwrap();
    for _ in 0..500 {
        if view.history().save_failed_at().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(view.history().save_failed_at().is_some());
    assert!(view.history().unsaved().is_none());
    assert!(!is_due(&view.history(), Instant::now()));
    assert_eq!(ask(&world, &experts).await.recommended.experts.len(), 2);
}
