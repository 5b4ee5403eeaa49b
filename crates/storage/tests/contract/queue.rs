//! The workers' side of the queue.

use std::collections::HashSet;
use std::time::Duration;

use domain::{ErrorKind, JobKind, JobProgress, JobState, TenantState};
use tenantry_storage::{LeaseStatus, LeasedJob, NewJob, Purpose, Queue, StorageError};

use super::world::{World, item, job, later, now, space_jobs, tenant_id};

const LEASE: Duration = Duration::from_secs(60);

async fn take(queue: &Queue, seconds: i64) -> Option<LeasedJob> {
    queue
        .acquire(&JobKind::ALL, LEASE, later(seconds))
        .await
        .unwrap()
}

async fn take_one(queue: &Queue, seconds: i64) -> LeasedJob {
    take(queue, seconds).await.expect("a job is due")
}

async fn state(world: &World, leased: &LeasedJob) -> domain::Job {
    let ctx = super::world::context(leased.job.tenant.as_ref().unwrap().as_str());
    world
        .tx(&ctx)
        .await
        .jobs()
        .get(&leased.job.id)
        .await
        .unwrap()
        .unwrap()
}

pub async fn a_job_lives_its_life(world: World) {
    let acme = world.tenant("acme").await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let job = world.enqueue(&acme, job(JobKind::Retrain)).await;
    assert!(
        queue
            .acquire(&[JobKind::IndexItems], LEASE, now())
            .await
            .unwrap()
            .is_none()
    );
    assert!(queue.acquire(&[], LEASE, now()).await.unwrap().is_none());
    let leased = take_one(&queue, 1).await;
    assert_eq!(leased.job.id, job.id);
    assert_eq!(leased.payload, serde_json::json!({ "from": 3 }));
    assert!(!leased.cancel_requested);
    assert_eq!(
        (leased.job.state, leased.job.attempts),
        (JobState::Running, 1)
    );
    assert_eq!(leased.job.started_at, Some(later(1)));
    assert_eq!(queue.next_due(now()).await.unwrap(), Some(later(61)));
    assert!(take(&queue, 1).await.is_none(), "nobody else gets it");

    let progress = JobProgress {
        fraction: 0.5,
        step: "fitting".to_owned(),
    };
    let status = queue
        .renew(&leased.token, Some(progress.clone()), LEASE, later(30))
        .await;
    assert_eq!(status.unwrap(), LeaseStatus::Held);
    assert_eq!(state(&world, &leased).await.progress, progress);
    assert!(take(&queue, 80).await.is_none(), "the lease was renewed");

    let outcome = vec![
        ("model".to_owned(), "3".to_owned()),
        ("a".to_owned(), "b".to_owned()),
    ];
    queue
        .complete(&leased.token, outcome.clone(), later(40))
        .await
        .unwrap();
    let done = state(&world, &leased).await;
    assert_eq!(
        (done.state, done.finished_at),
        (JobState::Succeeded, Some(later(40)))
    );
    assert_eq!((done.outcome, done.progress.fraction), (outcome, 1.0));
    assert_eq!(queue.next_due(now()).await.unwrap(), None);
}

pub async fn a_job_ends_with_what_it_did_or_not_at_all(world: World) {
    let acme = world.tenant("acme").await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let lost = take_one(&queue, 1).await;
    let held = take_one(&queue, 70).await;
    let outcome = || vec![("model".to_owned(), "3".to_owned())];

    let tx = world.tx(&acme).await;
    tx.index().set_watermark("minilm", 7).await.unwrap();
    let refused = tx.jobs().complete(&lost.token, outcome(), later(71)).await;
    assert!(matches!(refused, Err(StorageError::LeaseLost)));
    drop(tx);
    let tx = world.tx(&acme).await;
    tx.jobs()
        .complete(&held.token, outcome(), later(72))
        .await
        .unwrap();
    drop(tx);
    assert_eq!(state(&world, &held).await.state, JobState::Running);

    let tx = world.tx(&acme).await;
    assert_eq!(tx.index().watermark("minilm").await.unwrap(), 0);
    tx.index().set_watermark("minilm", 8).await.unwrap();
    tx.jobs()
        .complete(&held.token, outcome(), later(73))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let done = state(&world, &held).await;
    assert_eq!((done.state, done.outcome), (JobState::Succeeded, outcome()));
    let again = world.tx(&acme).await;
    assert_eq!(again.index().watermark("minilm").await.unwrap(), 8);
    let again = again
        .jobs()
        .complete(&held.token, outcome(), later(74))
        .await;
    assert!(matches!(again, Err(StorageError::LeaseLost)));
}

pub async fn turns_are_fair(world: World) {
    let (big, small, tiny) = (
        world.tenant("big").await,
        world.tenant("small").await,
        world.tenant("tiny").await,
    );
    for kind in JobKind::ALL {
        world.enqueue(&big, job(kind)).await;
    }
    for kind in [JobKind::IndexItems, JobKind::Retrain] {
        world.enqueue(&small, job(kind)).await;
    }
    world.enqueue(&tiny, job(JobKind::Retrain)).await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let mut order = Vec::new();
    for second in 0..7 {
        order.push(
            take_one(&queue, second)
                .await
                .job
                .tenant
                .unwrap()
                .to_string(),
        );
    }
    // Each has its turn while all have as few running; then those with the fewest.
    assert_eq!(
        order,
        ["big", "small", "tiny", "big", "small", "big", "big"]
    );
}

pub async fn one_who_asks_for_much_does_not_keep_the_others_waiting(world: World) {
    let greedy = world.tenant("greedy").await;
    for _ in 0..50 {
        world.enqueue(&greedy, job(JobKind::Retrain)).await;
    }
    for id in ["late-a", "late-b", "late-c"] {
        let late = world.tenant(id).await;
        world.enqueue(&late, job(JobKind::Retrain)).await;
    }
    // One worker, which ends each job before it takes the next: nobody has more running than others.
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let mut order = Vec::new();
    for second in 0..6 {
        let taken = take_one(&queue, second).await;
        queue
            .complete(&taken.token, vec![], later(second))
            .await
            .unwrap();
        order.push(taken.job.tenant.unwrap().to_string());
    }
    assert_eq!(
        order,
        ["greedy", "late-a", "late-b", "late-c", "greedy", "greedy"]
    );
}

pub async fn one_job_of_a_kind_runs_in_a_tenant(world: World) {
    let acme = world.tenant("acme").await;
    let first = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let second = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let index = world.enqueue(&acme, job(JobKind::IndexItems)).await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let one = take_one(&queue, 0).await;
    assert_eq!(one.job.id, first.id);
    assert_eq!(take_one(&queue, 0).await.job.id, index.id);
    assert!(take(&queue, 0).await.is_none());
    queue.complete(&one.token, vec![], now()).await.unwrap();
    assert_eq!(take_one(&queue, 1).await.job.id, second.id);
}

pub async fn a_lost_lease_finishes_nothing(world: World) {
    let acme = world.tenant("acme").await;
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let slow = take_one(&queue, 0).await;
    let quick = take_one(&queue, 61).await;
    assert_eq!(quick.job.id, slow.job.id);
    let status = queue
        .renew(&slow.token, None, LEASE, later(62))
        .await
        .unwrap();
    assert_eq!(status, LeaseStatus::Lost);
    for result in [
        queue.complete(&slow.token, vec![], later(62)).await,
        queue
            .fail(&slow.token, "no", None, later(62))
            .await
            .map(|_| ()),
        queue.cancelled(&slow.token, later(62)).await,
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Aborted);
    }
    assert_eq!(state(&world, &quick).await.state, JobState::Running);
    queue
        .complete(&quick.token, vec![], later(63))
        .await
        .unwrap();
    let twice = queue
        .complete(&quick.token, vec![], later(64))
        .await
        .unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Aborted);
}

pub async fn an_expired_job_is_taken_again_and_then_fails(world: World) {
    let acme = world.tenant("acme").await;
    world
        .enqueue(
            &acme,
            NewJob {
                max_attempts: 2,
                ..job(JobKind::Retrain)
            },
        )
        .await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    take_one(&queue, 0).await;
    assert!(take(&queue, 59).await.is_none());
    let second = take_one(&queue, 60).await;
    assert_eq!(
        (second.job.attempts, second.job.started_at),
        (2, Some(now()))
    );
    assert!(take(&queue, 120).await.is_none());
    let failed = state(&world, &second).await;
    assert_eq!(
        (failed.state, failed.finished_at),
        (JobState::Failed, Some(later(120)))
    );
    let why = failed.error.unwrap();
    assert!(
        why.contains("stopped answering") && why.contains("2 of 2"),
        "{why}"
    );
}

pub async fn a_failed_job_is_tried_again_when_it_may(world: World) {
    let acme = world.tenant("acme").await;
    world
        .enqueue(
            &acme,
            NewJob {
                max_attempts: 2,
                ..job(JobKind::Retrain)
            },
        )
        .await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let first = take_one(&queue, 0).await;
    let retry = Some(Duration::from_secs(10));
    let state_now = queue
        .fail(&first.token, "no disk\0", retry, later(1))
        .await
        .unwrap();
    assert_eq!(state_now, JobState::Queued);
    assert_eq!(
        state(&world, &first).await.error.as_deref(),
        Some("no disk\u{FFFD}")
    );
    assert!(take(&queue, 10).await.is_none(), "not due yet");
    assert_eq!(queue.next_due(later(2)).await.unwrap(), Some(later(11)));
    let second = take_one(&queue, 11).await;
    let state_now = queue
        .fail(&second.token, "still none", retry, later(12))
        .await
        .unwrap();
    assert_eq!(state_now, JobState::Failed);

    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let hopeless = take_one(&queue, 20).await;
    queue
        .fail(&hopeless.token, "never", None, later(21))
        .await
        .unwrap();
    let failed = state(&world, &hopeless).await;
    assert_eq!((failed.state, failed.attempts), (JobState::Failed, 1));
    assert_eq!(failed.error.as_deref(), Some("never"));
}

pub async fn a_retry_does_not_collide_with_a_new_job_of_its_key(world: World) {
    let acme = world.tenant("acme").await;
    let keyed = || NewJob {
        dedup_key: Some("k".to_owned()),
        ..job(JobKind::IndexItems)
    };
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    world.enqueue(&acme, keyed()).await;
    let first = take_one(&queue, 0).await;
    let newer = world.enqueue(&acme, keyed()).await;
    queue
        .fail(&first.token, "once more", Some(Duration::ZERO), later(1))
        .await
        .unwrap();
    assert_eq!(state(&world, &first).await.state, JobState::Queued);
    assert_eq!(world.enqueue(&acme, keyed()).await.id, newer.id);
    // The same when a worker dies.
    let again = take_one(&queue, 2).await;
    assert_eq!(again.job.id, first.job.id);
    let after_death = take_one(&queue, 100).await;
    assert_eq!(after_death.job.id, first.job.id);
}

pub async fn a_running_job_is_asked_to_stop(world: World) {
    let acme = world.tenant("acme").await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let leased = take_one(&queue, 0).await;
    let tx = world.tx(&acme).await;
    let asked = tx
        .jobs()
        .request_cancel(&leased.job.id, later(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asked.state, JobState::Running);
    tx.commit().await.unwrap();
    let status = queue
        .renew(&leased.token, None, LEASE, later(2))
        .await
        .unwrap();
    assert_eq!(status, LeaseStatus::CancelRequested);
    queue.cancelled(&leased.token, later(3)).await.unwrap();
    assert_eq!(state(&world, &leased).await.state, JobState::Cancelled);

    // One whose worker dies meanwhile is not taken again.
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let leased = take_one(&queue, 10).await;
    let tx = world.tx(&acme).await;
    tx.jobs()
        .request_cancel(&leased.job.id, later(11))
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    assert!(take(&queue, 100).await.is_none());
    assert_eq!(state(&world, &leased).await.state, JobState::Cancelled);
}

pub async fn workers_wake_when_something_is_enqueued(world: World) {
    let acme = world.tenant("acme").await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    assert!(take(&queue, 0).await.is_none());
    // Between looking and waiting: not missed.
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let patience = Duration::from_secs(5);
    tokio::time::timeout(patience, queue.wait(&JobKind::ALL))
        .await
        .expect("woken by what came before");
    let leased = take_one(&queue, 0).await;
    assert!(take(&queue, 0).await.is_none());

    let waiting = queue.clone();
    let waiter = tokio::spawn(async move { waiting.wait(&JobKind::ALL).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiter.is_finished());
    queue.complete(&leased.token, vec![], now()).await.unwrap();
    tokio::time::timeout(patience, waiter)
        .await
        .expect("woken by the end of a job")
        .unwrap();
}

pub async fn two_workers_never_take_the_same_job(world: World) {
    let mut expected = HashSet::new();
    for n in 0..10 {
        let ctx = world.tenant(&format!("t{n}")).await;
        for kind in JobKind::ALL {
            expected.insert(world.enqueue(&ctx, job(kind)).await.id);
        }
    }
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let queue = world.store.maintenance(Purpose::StartUp).queue();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(leased) = take(&queue, 0).await {
                    mine.push(leased.job.id);
                }
                mine
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), expected.len());
    assert_eq!(taken.into_iter().collect::<HashSet<_>>(), expected);
}

pub async fn tenants_at_rest_are_passed_over(world: World) {
    let acme = world.tenant("acme").await;
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    world.enqueue(&acme, job(JobKind::Retrain)).await;
    let platform = world.store.maintenance(Purpose::StartUp);
    let mut tenant = platform
        .get_tenant(&tenant_id("acme"))
        .await
        .unwrap()
        .unwrap();
    tenant.state = TenantState::Inactive;
    platform
        .update_tenant(&tenant, space_jobs(), "ops", now())
        .await
        .unwrap();
    assert!(take(&queue, 0).await.is_none());
    tenant.state = TenantState::Erasing;
    platform
        .update_tenant(&tenant, space_jobs(), "ops", now())
        .await
        .unwrap();
    let erasure = world.enqueue(&acme, job(JobKind::EraseTenant)).await;
    assert_eq!(take_one(&queue, 0).await.job.id, erasure.id);
    assert!(take(&queue, 0).await.is_none());
}

pub async fn a_waiting_job_is_not_taken_before_the_one_who_counts_on_it_commits(world: World) {
    let acme = world.tenant("acme").await;
    let keyed = || NewJob {
        dedup_key: Some("k".to_owned()),
        ..job(JobKind::IndexItems)
    };
    let waiting = world.enqueue(&acme, keyed()).await;
    let tx = world.tx(&acme).await;
    tx.items()
        .upsert(vec![item("q", "to be indexed")], now())
        .await
        .unwrap();
    assert_eq!(
        tx.jobs().enqueue(keyed(), now()).await.unwrap().id,
        waiting.id
    );

    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let racing = queue.clone();
    let racer = tokio::spawn(async move { take(&racing, 1).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    tx.commit().await.unwrap();
    // Either it waited for the commit, or it came back with nothing; it never got it before.
    if racer.await.unwrap().is_none() {
        take_one(&queue, 2).await;
    }
    let seen = world.tx(&acme).await.items().count().await.unwrap();
    assert_eq!(seen, 1);
}
