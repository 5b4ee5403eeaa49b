//! When answers are computed ahead: after changes, in a job.
//!
//! Changes of a tenant's index, experts, models or policy gather for a moment, and then one job computes
//! what does not hold any more. A change that is missed does no harm: an answer is given only while its
//! stamp is that of the router's view, and is computed when it is asked for otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Change, Clock, TenantContext, TenantId};
use jobs::specs::Precomputed;
use jobs::{JobFailure, JobHandler, JobSpec, JobWork, Precompute};
use serving::experts::Experts;
use storage::{Purpose, Store};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// How much is computed ahead, and when.
#[derive(Debug, Clone, Copy)]
pub struct PrecomputeSettings {
    /// Open items of one tenant, the newest first; 0 for none.
    pub items: u32,
    /// Changes gather for this long before they are acted upon.
    pub gather: Duration,
}

/// Computes answers ahead. Clones are the same.
#[derive(Clone)]
pub struct Precomputer {
    experts: Experts,
    store: Store,
    clock: Clock,
    settings: PrecomputeSettings,
}

#[async_trait]
impl JobHandler<Precompute> for Precomputer {
    async fn run(&self, work: &JobWork, _: Precompute) -> Result<Precomputed, JobFailure> {
        let ctx = work.context("precompute")?;
        let proceed = |share| {
            work.progress(share, "computing answers of open items");
            !work.should_stop()
        };
        let made = self.experts.precompute(&ctx, self.settings.items, proceed);
        let counts = made.await?.ok_or(JobFailure::Cancelled)?;
        Ok(Precomputed {
            computed: counts.computed,
            held: counts.held,
            removed: counts.removed,
        })
    }
}

impl Precomputer {
    /// Computes with `experts`, and finds what there is to do in `store`.
    #[must_use]
    pub fn new(experts: Experts, store: Store, clock: Clock, settings: PrecomputeSettings) -> Self {
        Self {
            experts,
            store,
            clock,
            settings,
        }
    }

    /// Enqueues a job for each tenant whose answers may have changed, until `stop`.
    pub async fn follow_changes(self, stop: CancellationToken) {
        let mut changes = self.store.changes().subscribe();
        // What changed while nobody listened, this program included, is found at the start.
        let (mut all, mut dirty) = (true, BTreeSet::new());
        let mut due = Some(tokio::time::Instant::now() + self.settings.gather);
        loop {
            let gathered = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = gathered => {
                    self.enqueue(std::mem::take(&mut dirty), std::mem::take(&mut all)).await;
                    due = None;
                    continue;
                }
                heard = changes.recv() => match heard {
                    Ok(Change::Index(tenant) | Change::Experts(tenant) | Change::Models(tenant)) => {
                        dirty.insert(tenant);
                    }
                    Ok(Change::Tiers) | Err(RecvError::Lagged(_)) => all = true,
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                },
            }
            due.get_or_insert_with(|| tokio::time::Instant::now() + self.settings.gather);
        }
    }

    /// Enqueues a job for these tenants, and for `all` that have answers.
    async fn enqueue(&self, mut tenants: BTreeSet<TenantId>, all: bool) {
        if all {
            let platform = self.store.maintenance(Purpose::Precompute);
            match platform.tenants_with_precomputed().await {
                Ok(found) => tenants.extend(found),
                Err(error) => {
                    tracing::warn!(%error, "tenants with precomputed answers are unknown");
                }
            }
        }
        for tenant in tenants {
            if let Err(error) = self.enqueue_one(&tenant).await {
                // One that is being erased, or a database that is away: answers are computed when
                // they are asked for, and the next change tries again.
                tracing::info!(%error, %tenant, "no answers are computed ahead");
            }
        }
    }

    async fn enqueue_one(&self, tenant: &TenantId) -> storage::Result<()> {
        let ctx = TenantContext::for_background_work(tenant, "precompute");
        let tx = self.store.begin(&ctx).await?;
        let wanted = self.settings.items > 0 && tx.items().any_open().await?;
        if !wanted && tx.precomputed().stamps().await?.is_empty() {
            return Ok(());
        }
        let job = Precompute {}.new_job();
        tx.jobs().enqueue(job, self.clock.now()).await?;
        tx.commit().await
    }
}
