//! Workers on a real store: what becomes of a job by what its handler answers, and its lease beside it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    Clock, ErrorKind, Fault, ItemContent, ItemId, Job, JobId, JobState, TaskId, TenantContext,
    TenantId, TenantSettings, VerticalId,
};
use metering::UsageRecorder;
use storage::{NewTenant, Purpose, StorageConfig, Store};
use tempfile::TempDir;
use tenantry_jobs::specs::{Indexed, Trained};
use tenantry_jobs::{
    Handlers, IndexItems, JobFailure, JobHandler, JobSpec, JobWork, Retrain, Worker, WorkerSettings,
};
use tokio_util::sync::CancellationToken;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

struct World {
    store: Store,
    ctx: TenantContext,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            url: format!("sqlite://{}", folder.path().join("store.db").display()),
            max_connections: 4,
        };
        let store = Store::open(&config).await.unwrap();
        let id = TenantId::parse("acme").unwrap();
        let tenant = NewTenant {
            id: id.clone(),
            display_name: String::new(),
            vertical: VerticalId::parse("software").unwrap(),
            settings: TenantSettings::default(),
        };
        let platform = store.maintenance(Purpose::StartUp);
        platform.create_tenant(tenant, "ops", now()).await.unwrap();
        Self {
            store,
            ctx: TenantContext::for_background_work(&id, "test"),
            _folder: folder,
        }
    }

    async fn enqueue(&self, job: storage::NewJob) -> JobId {
        let tx = self.store.begin(&self.ctx).await.unwrap();
        let job = tx.jobs().enqueue(job, now()).await.unwrap();
        tx.commit().await.unwrap();
        job.id
    }

    async fn job(&self, id: &JobId) -> Job {
        let tx = self.store.begin(&self.ctx).await.unwrap();
        tx.jobs().get(id).await.unwrap().unwrap()
    }

    /// Runs a worker until the job is as `done` says.
    async fn work_until(&self, handlers: Handlers, id: &JobId, done: fn(&Job) -> bool) -> Job {
        let stop = CancellationToken::new();
        let worker = Worker {
            store: self.store.clone(),
            handlers: Arc::new(handlers),
            recorder: UsageRecorder::disabled(Clock::new(now)),
            settings: WorkerSettings {
                concurrency: 1,
                lease: Duration::from_secs(60),
                clock: Clock::new(now),
            },
        };
        let worker = tokio::spawn(worker.run(stop.clone()));
        let ended = async {
            loop {
                let job = self.job(id).await;
                if done(&job) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Half a minute is what a connection is waited for: no test may need it.
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        stop.cancel();
        worker.await.unwrap();
        ended.expect("the job does not come to where it should")
    }
}

#[derive(Debug, thiserror::Error)]
#[error("tables/7 has no legs")]
struct Broken(ErrorKind);

impl Fault for Broken {
    fn kind(&self) -> ErrorKind {
        self.0
    }

    fn reason(&self) -> &'static str {
        "NO_LEGS"
    }
}

/// Fails in one way, and counts how often it is asked.
struct Failing {
    kind: ErrorKind,
    asked: AtomicU32,
}

#[async_trait]
impl JobHandler<IndexItems> for Failing {
    async fn run(&self, _: &JobWork, _: IndexItems) -> Result<Indexed, JobFailure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Err(Broken(self.kind))?
    }
}

fn failing(kind: ErrorKind) -> Arc<Failing> {
    Arc::new(Failing {
        kind,
        asked: AtomicU32::new(0),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_wrong_is_not_tried_again() {
    let world = World::new().await;
    let id = world.enqueue(IndexItems {}.new_job()).await;
    let failing = failing(ErrorKind::NotFound);
    let handlers = Handlers::default().with::<IndexItems>(&failing);
    let job = world
        .work_until(handlers, &id, |job| job.state.is_final())
        .await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    assert_eq!(job.error.as_deref(), Some("tables/7 has no legs"));
    assert_eq!(failing.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_pass_waits_for_its_next_turn() {
    let world = World::new().await;
    let id = world.enqueue(IndexItems {}.new_job()).await;
    let failing = failing(ErrorKind::Unavailable);
    let handlers = Handlers::default().with::<IndexItems>(&failing);
    let tried = |job: &Job| job.state == JobState::Queued && job.attempts > 0;
    let job = world.work_until(handlers, &id, tried).await;
    assert_eq!(job.attempts, 1);
    // The clock of this test stands still, so the time of its next turn does not come.
    assert_eq!(failing.asked.load(Ordering::Relaxed), 1);
}

/// Writes an item for longer than it takes until its progress is written down.
struct Writer(Store);

#[async_trait]
impl JobHandler<Retrain> for Writer {
    async fn run(&self, work: &JobWork, job: Retrain) -> Result<Trained, JobFailure> {
        let tx = self.0.begin(&work.context("writer")?).await?;
        let item = ItemContent {
            id: ItemId::parse("q").unwrap(),
            text: "in the middle".to_owned(),
            answer: None,
            area: None,
            labels: Vec::new(),
            attributes: std::collections::BTreeMap::new(),
            experts: Vec::new(),
            occurred_at: now(),
        };
        tx.items().upsert(vec![item], now()).await?;
        work.progress(0.5, "in the middle of a transaction");
        tokio::time::sleep(Duration::from_millis(600)).await;
        tx.commit().await?;
        Ok(Trained {
            model: format!("tenants/acme/models/{}/versions/1", job.task),
            verdict: "KEEP".to_owned(),
            reason: String::new(),
            serves: false,
            champion_stays: None,
            dataset: Some(4),
            trials: None,
            search: None,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_may_write_while_its_lease_is_renewed() {
    let world = World::new().await;
    let id = world
        .enqueue(Retrain::of(TaskId::experts()).new_job())
        .await;
    let handlers = Handlers::default().with::<Retrain>(&Arc::new(Writer(world.store.clone())));
    let job = world
        .work_until(handlers, &id, |job| job.state.is_final())
        .await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
    assert_eq!(job.attempts, 1);
    let mut outcome = job.outcome;
    outcome.sort();
    let expected = [
        ("dataset", "4"),
        ("model", "tenants/acme/models/experts/versions/1"),
        ("reason", ""),
        ("serves", "false"),
        ("verdict", "KEEP"),
    ];
    assert_eq!(
        outcome,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

/// Ends its job with what it writes, if it is told to commit that.
struct Completing {
    store: Store,
    commits: bool,
}

#[async_trait]
impl JobHandler<IndexItems> for Completing {
    async fn run(&self, work: &JobWork, _: IndexItems) -> Result<Indexed, JobFailure> {
        let ctx = work.context("test").unwrap();
        let tx = self.store.begin(&ctx).await.unwrap();
        tx.index().set_watermark("minilm", 5).await.unwrap();
        let done = Indexed { indexed_items: 5 };
        work.complete_in(&tx, &done).await.unwrap();
        if !self.commits {
            return Err(JobFailure::fail("the commit failed"));
        }
        tx.commit().await.unwrap();
        Ok(done)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_may_end_in_the_transaction_of_what_it_did() {
    for (commits, state, watermark) in
        [(true, JobState::Succeeded, 5), (false, JobState::Failed, 0)]
    {
        let world = World::new().await;
        let id = world.enqueue(IndexItems {}.new_job()).await;
        let store = world.store.clone();
        let handler = Arc::new(Completing { store, commits });
        let handlers = Handlers::default().with::<IndexItems>(&handler);
        let job = world
            .work_until(handlers, &id, |job| job.state.is_final())
            .await;
        assert_eq!((job.state, job.attempts), (state, 1), "{:?}", job.error);
        let tx = world.store.begin(&world.ctx).await.unwrap();
        assert_eq!(tx.index().watermark("minilm").await.unwrap(), watermark);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_cannot_be_read_fails_its_job() {
    let world = World::new().await;
    let id = world
        .enqueue(storage::NewJob {
            payload: serde_json::json!({ "task": 7 }),
            ..Retrain::of(TaskId::experts()).new_job()
        })
        .await;
    let handlers = Handlers::default().with::<Retrain>(&Arc::new(Writer(world.store.clone())));
    let job = world
        .work_until(handlers, &id, |job| job.state.is_final())
        .await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    assert!(job.error.unwrap().contains("start it again"));
}
