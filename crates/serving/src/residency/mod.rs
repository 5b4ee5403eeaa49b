//! What is resident: one frame for the views of tenants' tasks, kept up to date in the background.
//!
//! A view is everything that requests of one task of one tenant look at, read from the store at one
//! moment. A newer one takes its place, which may share with it what only grows. Many tenants are read
//! again side by side, each in its own turn: a slow one delays nobody else.

mod loaded;
mod schedule;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::{Resident, ResidentCache};
use domain::cost::{Meter, Service};
use domain::{Change, ErrorKind, Fault as _, TaskId, TenantContext, TenantId};
use metering::usage::{self, Operation, UsageRecorder, UsageScope};
use storage::Store;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::loaded::Loaded;
use self::schedule::Schedule;
use self::turns::Turns;
use crate::{Result, ServingError};

/// Views that are compared with the store at once: some hundred milliseconds of a processor.
const COMPARED_AT_A_TIME: usize = 1_000;
/// Changes are gathered for so long before views are read again: an item is a change when it is committed and
/// another when it is indexed, and people change many things one after the other.
const GATHERED_FOR: Duration = Duration::from_millis(50);
/// Between two samples of how much memory tenants hold.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);

/// Where the views of one kind come from.
pub(crate) trait Source: Clone + Send + Sync + 'static {
    /// What is resident.
    type View: Resident;
    /// What of the store a view is made from.
    type Looked: Send;

    /// The reason code of a view that cannot be loaded.
    const NOT_LOADED: &'static str;
    /// The gauge of the bytes that all views take.
    const GAUGE: &'static str;

    /// The store that views are read from.
    fn store(&self) -> &Store;

    /// Looks at what the store has of a view.
    fn look(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> impl Future<Output = Result<Self::Looked>> + Send;

    /// How a view stands to what the store has.
    fn compare(view: &Self::View, looked: &Self::Looked) -> Compared;

    /// Makes the view of what the store has, with what has not changed since `before` taken from there.
    fn make(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        looked: Self::Looked,
        before: Option<&Self::View>,
    ) -> impl Future<Output = Result<Self::View>> + Send;

    /// Whether a view is to be put into less memory.
    fn is_settling_due(_view: &Self::View) -> bool {
        false
    }

    /// The same view in less memory, where it can be had: asked in the background, when it is due.
    fn settled(
        &self,
        _ctx: &TenantContext,
        _view: &Self::View,
    ) -> impl Future<Output = Option<Self::View>> + Send {
        std::future::ready(None)
    }

    /// Whose views a change concerns.
    fn concern(change: Change) -> Concern;

    /// Whether a request that began with `view` has to be answered again with `now`.
    fn has_moved_on(view: &Self::View, now: &Self::View) -> bool;
}

/// How a view stands to what the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Same,
    Other,
    /// The tenant is inactive or being erased: nothing of it stays resident.
    Gone,
}

/// What the store has in the place of a view.
enum Newer<V> {
    Same,
    Other(V),
}

/// What a refresh has left.
enum Refreshed<V> {
    NotResident,
    Gone,
    View(Arc<V>),
}

/// Whose views a change concerns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    Nobody,
    Tenant(TenantId),
    Everybody,
}

/// Resident views, bounded in bytes. Clones are the same residents.
pub(crate) struct Residency<S: Source> {
    source: S,
    views: ResidentCache<S::View>,
    loaded: Loaded,
    /// Of a view while it is read again: of two reads at once the older one could stay.
    refreshing: Turns,
    /// One place: for who settles what was loaded.
    settling: Arc<Semaphore>,
    recorder: UsageRecorder,
}

// Derived, this would ask the view to be `Clone`.
impl<S: Source> Clone for Residency<S> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            views: self.views.clone(),
            loaded: self.loaded.clone(),
            refreshing: self.refreshing.clone(),
            settling: Arc::clone(&self.settling),
            recorder: self.recorder.clone(),
        }
    }
}

impl<S: Source> Residency<S> {
    /// None resident yet; at most about `max_bytes` later.
    pub(crate) fn new(source: S, max_bytes: u64, recorder: UsageRecorder) -> Self {
        Self {
            source,
            views: ResidentCache::new(max_bytes),
            loaded: Loaded::default(),
            refreshing: Turns::default(),
            settling: Arc::new(Semaphore::new(1)),
            recorder,
        }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// The view; loaded, once for all who ask meanwhile, when it is not resident.
    pub(crate) async fn view(&self, ctx: &TenantContext, task: &TaskId) -> Result<Arc<S::View>> {
        let key = key(ctx.tenant(), task);
        if let Some(view) = self.views.get(&key).await {
            return Ok(view);
        }
        // In a task of its own: a caller whose deadline passes must not make the next one begin again.
        let (this, ctx, task) = (self.clone(), ctx.clone(), task.clone());
        let load = async move {
            let read = this.load(&ctx, &task);
            let loaded = this.views.get_or_load(&key, read).await;
            if loaded.is_ok() {
                this.loaded.add(ctx.tenant(), &task);
                tokio::spawn(this.clone().settle_loaded(ctx, key));
            }
            loaded
        };
        let loaded = tokio::spawn(usage::in_current_scope(load)).await?;
        loaded.map_err(|source| ServingError::NotLoaded {
            reason: S::NOT_LOADED,
            source,
        })
    }

    /// The view as the store has it now: for work in the background, which may hear of a change before
    /// the residents do. What is not resident is read and not made resident: the work of many tenants
    /// must not drive out those that are asked.
    pub(crate) async fn up_to_date(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> Result<Arc<S::View>> {
        match self.refreshed(ctx.tenant(), task).await? {
            Refreshed::View(view) => Ok(view),
            _ => Ok(Arc::new(self.load(ctx, task).await?)),
        }
    }

    /// The view that took the place of `view`, where what was found with `view` may be wrong by now.
    pub(crate) async fn moved_on(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        view: &S::View,
    ) -> Option<Arc<S::View>> {
        let now = self.views.get(&key(ctx.tenant(), task)).await?;
        S::has_moved_on(view, &now).then_some(now)
    }

    /// Makes sure that requests which begin from now on see what the store has.
    pub(crate) async fn renew(&self, ctx: &TenantContext, task: &TaskId) {
        // A first load that is under way may have begun before the change, so it is waited for.
        if self.view(ctx, task).await.is_ok() && !self.refresh(ctx.tenant(), task).await {
            self.views.invalidate(&key(ctx.tenant(), task)).await;
        }
    }

    /// Whether a resident view is up to date with the store after this; one that cannot be read stays
    /// as it was.
    pub(crate) async fn refresh(&self, tenant: &TenantId, task: &TaskId) -> bool {
        match self.refreshed(tenant, task).await {
            Ok(refreshed) => !matches!(refreshed, Refreshed::NotResident),
            Err(error) => {
                tracing::warn!(%tenant, %task, %error, "a resident view could not be refreshed");
                false
            }
        }
    }

    async fn refreshed(&self, tenant: &TenantId, task: &TaskId) -> Result<Refreshed<S::View>> {
        let key = &key(tenant, task);
        let _turn = self.refreshing.take(key).await;
        let Some(before) = self.views.get(key).await else {
            self.loaded.remove(tenant, task);
            // It may have been loaded meanwhile.
            if self.views.get(key).await.is_some() {
                self.loaded.add(tenant, task);
            }
            return Ok(Refreshed::NotResident);
        };
        let ctx = TenantContext::for_background_work(tenant, "router");
        let view = match self.newer(&ctx, task, &before).await {
            Ok(Some(Newer::Same)) => before,
            Ok(Some(Newer::Other(view))) => {
                let view = Arc::new(view);
                self.views.insert(key, Arc::clone(&view)).await;
                view
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // The tenant or the task is not served any more.
            Ok(None) | Err(_) => {
                self.views.invalidate(key).await;
                self.loaded.remove(tenant, task);
                return Ok(Refreshed::Gone);
            }
        };
        self.settle(&ctx, key, &view).await;
        Ok(Refreshed::View(view))
    }

    async fn load(&self, ctx: &TenantContext, task: &TaskId) -> Result<S::View> {
        let looked = self.source.look(ctx, task).await?;
        self.source.make(ctx, task, looked, None).await
    }

    /// What the store has in the place of a view; none where the tenant is not served any more. That a view
    /// is compared is no work of its tenant's and not recorded.
    async fn newer(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        before: &S::View,
    ) -> Result<Option<Newer<S::View>>> {
        let looked = self.source.look(ctx, task).await?;
        match S::compare(before, &looked) {
            Compared::Same => return Ok(Some(Newer::Same)),
            Compared::Gone => return Ok(None),
            Compared::Other => {}
        }
        let scope = self.begin("Refresh", ctx.tenant());
        let making = self.source.make(ctx, task, looked, Some(before));
        let made = scope.run(making).await;
        scope.flush();
        Ok(Some(Newer::Other(made?)))
    }

    /// [`Residency::settle`] of a view that was loaded to answer: one after the other, so that answers of
    /// other tenants are not held up.
    async fn settle_loaded(self, ctx: TenantContext, key: String) {
        let Ok(_one) = self.settling.acquire().await else {
            return;
        };
        let _turn = self.refreshing.take(&key).await;
        if let Some(view) = self.views.get(&key).await {
            self.settle(&ctx, &key, &view).await;
        }
    }

    /// Drops a view: the next request loads it again.
    pub(crate) async fn forget(&self, ctx: &TenantContext, task: &TaskId) {
        self.views.invalidate(&key(ctx.tenant(), task)).await;
    }

    /// Puts a view into less memory, where it can be had. The caller has the view's turn.
    async fn settle(&self, ctx: &TenantContext, key: &str, view: &S::View) {
        if !S::is_settling_due(view) {
            return;
        }
        let scope = self.begin("Snapshot", ctx.tenant());
        let settled = scope.run(self.source.settled(ctx, view)).await;
        scope.flush();
        if let Some(settled) = settled {
            self.views.insert(key, Arc::new(settled)).await;
        }
    }

    /// Refreshes resident views after each change, until `stop`; and compares them with the store every
    /// `every`, in case a change was not heard: [`COMPARED_AT_A_TIME`] each time, in turns where there are more.
    /// As many tenants at a time as there are processors.
    pub(crate) async fn refresh_loop(self, every: Duration, stop: CancellationToken) {
        // Two at the least: one slow tenant must not delay the others on a machine with one processor.
        let at_once = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let mut changes = self.source.store().changes().subscribe();
        let mut timer = tokio::time::interval(every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut schedule = Schedule::<(TenantId, TaskId)>::default();
        let mut compared = Vec::new();
        let (mut running, mut at_work) = (JoinSet::new(), HashMap::new());
        let (mut outdated, mut gathered_at) = (Outdated::default(), None);
        loop {
            while schedule.running() < at_once
                && let Some((tenant, task)) = schedule.next()
            {
                let (this, key) = (self.clone(), (tenant.clone(), task.clone()));
                let refresh = async move { this.refresh(&tenant, &task).await };
                at_work.insert(running.spawn(refresh).id(), key);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                    let id = ended.map_or_else(|error| ended_badly(&error), |(id, _)| id);
                    if let Some(key) = at_work.remove(&id) {
                        schedule.done(&key);
                    }
                    metrics::gauge!(S::GAUGE).set(self.views.bytes() as f64);
                    continue;
                }
                _ = timer.tick() => {
                    if compared.is_empty() {
                        compared = self.resident();
                    }
                    let rest = compared.len().saturating_sub(COMPARED_AT_A_TIME);
                    compared.drain(rest..).for_each(|key| schedule.add(key));
                }
                () = until(gathered_at) => {
                    gathered_at = None;
                    let keys = self.keys_of(std::mem::take(&mut outdated));
                    keys.into_iter().for_each(|key| schedule.add(key));
                    metrics::gauge!(S::GAUGE).set(self.views.bytes() as f64);
                }
                heard = changes.recv() => {
                    match heard {
                        Ok(change) => outdated.add(S::concern(change)),
                        Err(RecvError::Lagged(_)) => outdated.all = true,
                        Err(RecvError::Closed) => return,
                    }
                    if gathered_at.is_none() && !outdated.is_empty() {
                        gathered_at = Some(tokio::time::Instant::now() + GATHERED_FOR);
                    }
                }
            }
        }
    }

    fn keys_of(&self, outdated: Outdated) -> Vec<(TenantId, TaskId)> {
        if outdated.all {
            return self.resident();
        }
        let of = |tenant: TenantId| {
            let tasks = self.loaded.of(&tenant).into_iter();
            tasks.map(move |task| (tenant.clone(), task))
        };
        outdated.tenants.into_iter().flat_map(of).collect()
    }

    /// Records, every minute until `stop`, how many bytes each tenant held for how long.
    pub(crate) async fn sample_memory_loop(self, stop: CancellationToken) {
        let mut since = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SAMPLE_EVERY) => {}
            }
            let seconds = since.elapsed().as_secs();
            since += Duration::from_secs(seconds);
            for (tenant, task) in self.resident() {
                let Some(view) = self.views.get(&key(&tenant, &task)).await else {
                    continue;
                };
                // Of no model: the history is held whichever of them reads it.
                let scope = self.begin("Resident", &tenant);
                let bytes = view.resident_bytes() as u64;
                scope.add(Meter::ModelMemory, bytes.saturating_mul(seconds));
                scope.flush();
            }
        }
    }

    fn begin(&self, name: &str, tenant: &TenantId) -> UsageScope {
        let scope = self.recorder.begin(Operation {
            service: Service::Router,
            name: name.to_owned(),
            cpu: Meter::RequestCpu,
        });
        scope.set_tenant(tenant);
        scope
    }

    fn resident(&self) -> Vec<(TenantId, TaskId)> {
        let keys = self.views.keys();
        keys.iter().filter_map(|key| parse_key(key)).collect()
    }
}

/// The time at which what was gathered is looked at; never, where nothing was.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn ended_badly(error: &JoinError) -> tokio::task::Id {
    tracing::error!(%error, "a refresh ended badly");
    error.id()
}

/// Whose views are to be compared with the store.
#[derive(Default)]
struct Outdated {
    tenants: HashSet<TenantId>,
    all: bool,
}

impl Outdated {
    fn is_empty(&self) -> bool {
        !self.all && self.tenants.is_empty()
    }

    fn add(&mut self, concern: Concern) {
        match concern {
            Concern::Nobody => {}
            Concern::Tenant(tenant) => {
                self.tenants.insert(tenant);
            }
            Concern::Everybody => self.all = true,
        }
    }
}

fn key(tenant: &TenantId, task: &TaskId) -> String {
    format!("{tenant}/{task}")
}

fn parse_key(key: &str) -> Option<(TenantId, TaskId)> {
    let (tenant, task) = key.split_once('/')?;
    Some((tenant.parse().ok()?, task.parse().ok()?))
}

#[cfg(test)]
mod tests;
