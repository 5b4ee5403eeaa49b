//! The tenants that are resident, kept up to date in the background.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::{ArtifactStore, Resident as _, ResidentCache};
use domain::cost::{Meter, Service};
use domain::{Change, ErrorKind, TenantContext, TenantId};
use embedding::Embedders;
use metering::{Operation, UsageRecorder, UsageScope, usage};
use server::ServiceError;
use storage::Store;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::view::{Reader, SharedView, TenantView};

/// Between two looks at how much memory tenants hold.
const BOOK_EVERY: Duration = Duration::from_secs(60);

/// Resident tenants, bounded in bytes. Clones are the same residents.
#[derive(Clone)]
pub struct Residents {
    reader: Reader,
    views: ResidentCache<TenantView>,
    /// Held while a resident is read again: of two reads at once the older one could stay.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    book: UsageRecorder,
}

impl Residents {
    /// None resident yet; at most about `max_bytes` later.
    #[must_use]
    pub fn new(
        store: Store,
        artifacts: ArtifactStore,
        embedders: Embedders,
        max_bytes: u64,
        book: UsageRecorder,
    ) -> Self {
        Self {
            reader: Reader {
                store,
                artifacts,
                embedders,
            },
            views: ResidentCache::new(max_bytes),
            refreshing: Arc::default(),
            book,
        }
    }

    /// The tenant's view; loaded when it is not resident.
    pub(crate) async fn view(&self, ctx: &TenantContext) -> Result<SharedView, ServiceError> {
        let key = ctx.tenant().as_str();
        if let Some(view) = self.views.get(key).await {
            return Ok(view);
        }
        // In a task of its own: a caller whose deadline passes must not make the next one begin again.
        let (this, ctx) = (self.clone(), ctx.clone());
        let load = async move {
            let read = this.reader.read(&ctx, None);
            this.views.get_or_load(ctx.tenant().as_str(), read).await
        };
        let loaded = tokio::spawn(usage::in_current_scope(load)).await;
        loaded.map_err(ServiceError::internal)?.map_err(|shared| {
            // Several may have waited for the same failure; each gets its own. What an operator can
            // mend keeps its reason.
            let reason = match shared.kind() {
                ErrorKind::FailedPrecondition => shared.reason(),
                _ => "TENANT_NOT_LOADED",
            };
            ServiceError::new(shared.kind(), reason, shared.message().to_owned())
        })
    }

    /// The tenant's view as the store has it now: for work in the background, which may be told of a
    /// change before the residents are. What is not resident is read and not kept: the work of many
    /// tenants must not drive out those that are asked.
    pub(crate) async fn up_to_date(&self, ctx: &TenantContext) -> Result<SharedView, ServiceError> {
        let key = ctx.tenant().as_str();
        let Some(view) = self.views.get(key).await else {
            return Ok(Arc::new(self.reader.read(ctx, None).await?));
        };
        if self.reader.stamp(ctx).await? == view.stamp {
            return Ok(view);
        }
        self.refresh(ctx.tenant()).await;
        self.view(ctx).await
    }

    /// The view that took the place of `view`, if the tenant has switched to another space since, or its kill
    /// switch was thrown.
    pub(crate) async fn moved_on(
        &self,
        ctx: &TenantContext,
        view: &TenantView,
    ) -> Option<SharedView> {
        let now = self.views.get(ctx.tenant().as_str()).await?;
        let moved = now.asked.name() != view.asked.name();
        (moved || now.chain.is_killed() != view.chain.is_killed()).then_some(now)
    }

    /// Bytes held now, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.views.bytes()
    }

    /// Writes down, every minute until `stop`, how many bytes each tenant held for how long.
    pub async fn keep_book(self, stop: CancellationToken) {
        let mut since = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BOOK_EVERY) => {}
            }
            let seconds = since.elapsed().as_secs();
            since += Duration::from_secs(seconds);
            for key in self.views.keys() {
                let (Ok(tenant), Some(view)) =
                    (TenantId::parse(key.as_str()), self.views.get(&key).await)
                else {
                    continue;
                };
                // Of no model: the history is held whichever of them reads it.
                let work = self.begin("Resident", &tenant);
                let bytes = view.resident_bytes() as u64;
                work.add(Meter::ModelMemory, bytes.saturating_mul(seconds));
                work.flush();
            }
        }
    }

    fn begin(&self, name: &str, tenant: &TenantId) -> UsageScope {
        let work = self.book.begin(Operation {
            service: Service::Router,
            name: name.to_owned(),
            cpu: Meter::RequestCpu,
        });
        work.set_tenant(tenant);
        work
    }

    /// Refreshes resident tenants after each change, and compares all with the store every `every`
    /// in case a change was not heard, until `stop`.
    pub async fn keep_fresh(self, every: Duration, stop: CancellationToken) {
        let mut changes = self.reader.store.changes().subscribe();
        let mut timer = tokio::time::interval(every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut dirty = HashSet::new();
            tokio::select! {
                () = stop.cancelled() => return,
                _ = timer.tick() => dirty.extend(self.outdated().await),
                heard = changes.recv() => match heard {
                    Ok(Change::Tiers) => dirty.extend(self.outdated().await),
                    Ok(change) => dirty.extend(tenant_of(change)),
                    Err(RecvError::Lagged(_)) => dirty.extend(self.outdated().await),
                    Err(RecvError::Closed) => return,
                },
            }
            // What else has come in the meantime is done in the same go.
            while let Ok(change) = changes.try_recv() {
                match change {
                    Change::Tiers => dirty.extend(self.outdated().await),
                    change => dirty.extend(tenant_of(change)),
                }
            }
            for tenant in dirty {
                self.refresh(&tenant).await;
            }
            metrics::gauge!("tenantry_resident_bytes").set(self.bytes() as f64);
        }
    }

    /// Resident tenants whose store has moved on.
    async fn outdated(&self) -> Vec<TenantId> {
        let mut found = Vec::new();
        for key in self.views.keys() {
            let (Ok(tenant), Some(view)) =
                (TenantId::parse(key.clone()), self.views.get(&key).await)
            else {
                continue;
            };
            let ctx = TenantContext::for_background_work(&tenant, "router");
            match self.reader.stamp(&ctx).await {
                Ok(stamp) if stamp == view.stamp => {}
                _ => found.push(tenant),
            }
        }
        found
    }

    /// Makes sure that requests which begin from now on see what the store has: a first load that is under
    /// way may have begun before, so it is waited for.
    pub(crate) async fn renew(&self, ctx: &TenantContext) {
        if self.view(ctx).await.is_ok() {
            self.refresh(ctx.tenant()).await;
        }
    }

    /// Reads a resident tenant again.
    pub(crate) async fn refresh(&self, tenant: &TenantId) {
        let _turn = self.refreshing.lock().await;
        let Some(before) = self.views.get(tenant.as_str()).await else {
            return;
        };
        let ctx = TenantContext::for_background_work(tenant, "router");
        let active = matches!(
            self.reader.store.shared_with(&ctx).await,
            Ok(shared) if shared.tenant().state == domain::TenantState::Active
        );
        if !active {
            // Inactive or erased: nothing of it stays resident.
            self.views.invalidate(tenant.as_str()).await;
            return;
        }
        let work = self.begin("Refresh", tenant);
        let read = work.run(self.reader.read(&ctx, Some(&before))).await;
        work.flush();
        match read {
            Ok(view) => self.views.insert(tenant.as_str(), Arc::new(view)).await,
            Err(error) => {
                tracing::warn!(%tenant, error = error.message(), "a resident tenant could not be refreshed");
            }
        }
    }
}

/// The tenant whose view a change concerns.
fn tenant_of(change: Change) -> Option<TenantId> {
    match change {
        Change::Tenant(tenant)
        | Change::Experts(tenant)
        | Change::Items(tenant)
        | Change::Index(tenant)
        | Change::Models(tenant) => Some(tenant),
        Change::Tasks(_) | Change::Tiers | Change::Jobs(_) | Change::Key(_) => None,
    }
}
