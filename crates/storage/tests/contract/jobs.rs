//! The tenant's side of the queue.

use std::time::Duration;

use domain::{ErrorKind, JobId, JobKind, JobState};
use tenantry_storage::{NewJob, Purpose};

use super::world::{World, job, later, now};

const MINUTE: Duration = Duration::from_secs(60);

fn keyed(kind: JobKind, key: &str) -> NewJob {
    NewJob {
        dedup_key: Some(key.to_owned()),
        ..job(kind)
    }
}

pub async fn a_job_is_enqueued_found_and_listed(world: World) {
    let acme = world.tenant("acme").await;
    let first = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let second = world.enqueue(&acme, job(JobKind::IndexItems)).await;
    let third = world
        .enqueue_at(&acme, job(JobKind::Retrain), later(9))
        .await;
    assert_eq!((first.state, first.attempts), (JobState::Queued, 0));
    assert_eq!(first.created_at, now());

    let tx = world.tx(&acme).await;
    assert_eq!(tx.jobs().get(&first.id).await.unwrap(), Some(first.clone()));
    assert!(
        tx.jobs()
            .get(&JobId::parse("nothing").unwrap())
            .await
            .unwrap()
            .is_none()
    );
    let all = tx.jobs().list(None, 9, None, None).await.unwrap();
    assert_eq!(
        all,
        [third.clone(), second.clone(), first.clone()],
        "newest first"
    );
    assert_eq!(
        tx.jobs().list(Some(third.id), 1, None, None).await.unwrap(),
        [second]
    );
    let retrains = tx
        .jobs()
        .list(None, 9, Some(JobKind::Retrain), None)
        .await
        .unwrap();
    assert_eq!(retrains.len(), 2);
    let running = tx
        .jobs()
        .list(None, 9, None, Some(JobState::Running))
        .await
        .unwrap();
    assert!(running.is_empty());
}

pub async fn one_job_waits_under_a_key(world: World) {
    let acme = world.tenant("acme").await;
    let beta = world.tenant("beta").await;
    let first = world
        .enqueue(&acme, keyed(JobKind::IndexItems, "index"))
        .await;
    let again = world
        .enqueue(&acme, keyed(JobKind::IndexItems, "index"))
        .await;
    assert_eq!(again.id, first.id);
    let theirs = world
        .enqueue(&beta, keyed(JobKind::IndexItems, "index"))
        .await;
    assert_ne!(theirs.id, first.id);
    let other = world
        .enqueue(&acme, keyed(JobKind::IndexItems, "rebuild"))
        .await;
    assert_ne!(other.id, first.id);

    // Once it runs, it may have read what came before: the next one waits for it.
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    let taken = queue
        .acquire(&[JobKind::IndexItems], MINUTE, now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.job.id, first.id);
    let next = world
        .enqueue(&acme, keyed(JobKind::IndexItems, "index"))
        .await;
    assert_ne!(next.id, first.id);
}

pub async fn a_job_is_cancelled(world: World) {
    let acme = world.tenant("acme").await;
    let waiting = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let tx = world.tx(&acme).await;
    let stopped = tx
        .jobs()
        .request_cancel(&waiting.id, later(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stopped.state, stopped.finished_at),
        (JobState::Cancelled, Some(later(3)))
    );
    let again = tx
        .jobs()
        .request_cancel(&waiting.id, later(4))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, stopped);
    let nothing = JobId::parse("nothing").unwrap();
    assert!(
        tx.jobs()
            .request_cancel(&nothing, now())
            .await
            .unwrap()
            .is_none()
    );
    tx.commit().await.unwrap();
    let queue = world.store.maintenance(Purpose::StartUp).queue();
    assert!(
        queue
            .acquire(&JobKind::ALL, MINUTE, later(5))
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn tenant_b_cannot_see_jobs_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let theirs = world.enqueue(&a, keyed(JobKind::Retrain, "k")).await;
    let tx = world.tx(&b).await;
    assert!(tx.jobs().get(&theirs.id).await.unwrap().is_none());
    assert!(
        tx.jobs()
            .list(None, 9, None, None)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        tx.jobs()
            .request_cancel(&theirs.id, now())
            .await
            .unwrap()
            .is_none()
    );
    tx.commit().await.unwrap();
    let untouched = world
        .tx(&a)
        .await
        .jobs()
        .get(&theirs.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(untouched, theirs);
    let error = world.tx(&super::world::context("c")).await;
    let error = error
        .jobs()
        .enqueue(job(JobKind::Retrain), now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
