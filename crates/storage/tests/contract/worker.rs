//! Workers: jobs run beside the renewal of their lease.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Clock, JobKind, JobState, TenantContext};
use tenantry_storage::{JobFailure, JobRunner, JobWork, Outcome, Store, WorkerSettings, run_jobs};
use tokio_util::sync::CancellationToken;

use super::world::{World, item, job, now};

/// Tells how far it is, and stays in a transaction that writes for longer than it takes until that
/// is written down.
struct Writer(Store);

#[async_trait]
impl JobRunner for Writer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::Retrain]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let failed = |error: tenantry_storage::StorageError| JobFailure::Fail(error.to_string());
        let ctx = TenantContext::for_background_work(work.tenant()?, "writer");
        let tx = self.0.begin(&ctx).await.map_err(failed)?;
        let items = vec![item("q", "in the middle")];
        tx.items().upsert(items, now()).await.map_err(failed)?;
        work.progress(0.5, "in the middle of a transaction");
        tokio::time::sleep(Duration::from_millis(600)).await;
        tx.commit().await.map_err(failed)?;
        Ok(vec![("done".to_owned(), "yes".to_owned())])
    }
}

pub async fn a_job_may_write_while_its_lease_is_renewed(world: World) {
    let acme = world.tenant("acme").await;
    let enqueued = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let settings = WorkerSettings {
        concurrency: 1,
        lease: Duration::from_secs(60),
        clock: Clock::new(now),
    };
    let stop = CancellationToken::new();
    let runner = Arc::new(Writer(world.store.clone()));
    let worker = tokio::spawn(run_jobs(
        world.store.clone(),
        runner,
        settings,
        stop.clone(),
    ));
    let ended = async {
        loop {
            let tx = world.tx(&acme).await;
            let found = tx.jobs().get(&enqueued.id).await.unwrap().unwrap();
            if found.state.is_final() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // A renewal that stood in the way of its own job would hold it for as long as a connection is
    // waited for, which is half a minute.
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    let ended = ended.expect("the job and its lease wait for each other");
    assert_eq!(ended.state, JobState::Succeeded, "{:?}", ended.error);
    assert_eq!(ended.attempts, 1);
    stop.cancel();
    worker.await.unwrap();
}
