//! The tasks that are resident, kept up to date in the background.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use artifacts::ResidentCache;
use domain::{Change, ErrorKind, TaskId, TenantContext, TenantId};
use metering::usage;
use server::ServiceError;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::space::AskedSpace;
use crate::task_view::{TaskSources, TaskStamp, TaskView};

/// So many texts of a task are embedded ahead of everybody's content: names of labels are that few.
const FEW: usize = 256;

/// Resident tasks, bounded in bytes. Clones are the same residents.
#[derive(Clone)]
pub struct ResidentTasks {
    sources: TaskSources,
    views: ResidentCache<TaskView>,
}

impl ResidentTasks {
    /// None resident yet; at most about `max_bytes` later.
    #[must_use]
    pub fn new(sources: TaskSources, max_bytes: u64) -> Self {
        Self {
            sources,
            views: ResidentCache::new(max_bytes),
        }
    }

    /// The task's view; loaded when it is not resident.
    pub(crate) async fn view(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> Result<Arc<TaskView>, ServiceError> {
        let key = key(ctx.tenant(), task);
        if let Some(view) = self.views.get(&key).await {
            return Ok(view);
        }
        // In a task of its own: a caller whose deadline passes must not make the next one begin again.
        let (this, ctx, task) = (self.clone(), ctx.clone(), task.clone());
        let load = async move {
            let load = TaskView::load(&this.sources, &ctx, &task, None);
            this.views.get_or_load(&key, load).await
        };
        let loaded = tokio::spawn(usage::in_current_scope(load)).await;
        loaded.map_err(ServiceError::internal)?.map_err(|shared| {
            // Several may have waited for the same failure; each gets its own.
            let reason = match shared.kind() {
                ErrorKind::NotFound => "NOT_FOUND",
                ErrorKind::FailedPrecondition => shared.reason(),
                _ => "TASK_NOT_LOADED",
            };
            ServiceError::new(shared.kind(), reason, shared.message().to_owned())
        })
    }

    /// The view that took the place of `view`, if the tenant has switched to another space since.
    pub(crate) async fn moved_on(
        &self,
        ctx: &TenantContext,
        view: &TaskView,
    ) -> Option<Arc<TaskView>> {
        let task = &view.base.task.definition.id;
        let now = self.views.get(&key(ctx.tenant(), task)).await?;
        (now.asked.name() != view.asked.name()).then_some(now)
    }

    /// Refreshes resident tasks after each change, and compares all with the store every `every` in
    /// case a change was not heard, until `stop`.
    pub async fn keep_fresh(self, every: Duration, stop: CancellationToken) {
        let mut changes = self.sources.store.changes().subscribe();
        let mut timer = tokio::time::interval(every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut tenants = HashSet::new();
            let mut all = false;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = timer.tick() => all = true,
                heard = changes.recv() => match heard {
                    Ok(change) => tenants.extend(tenant_of(change)),
                    Err(RecvError::Lagged(_)) => all = true,
                    Err(RecvError::Closed) => return,
                },
            }
            // What else has come in the meantime is done in the same go.
            while let Ok(change) = changes.try_recv() {
                tenants.extend(tenant_of(change));
            }
            for key in self.views.keys() {
                if let Some((tenant, task)) = parse_key(&key)
                    && (all || tenants.contains(&tenant))
                {
                    self.refresh(&tenant, &task).await;
                }
            }
            metrics::gauge!("tenantry_resident_task_bytes").set(self.views.bytes() as f64);
        }
    }

    /// Brings a resident task up to date with the store, or makes it be read anew by whoever asks next.
    pub(crate) async fn renew(&self, tenant: &TenantId, task: &TaskId) {
        if !self.refresh(tenant, task).await {
            self.views.invalidate(&key(tenant, task)).await;
        }
    }

    /// Whether a resident task is up to date with the store after this; one that cannot be read stays
    /// as it was.
    async fn refresh(&self, tenant: &TenantId, task: &TaskId) -> bool {
        let key = &key(tenant, task);
        let Some(before) = self.views.get(key).await else {
            return false;
        };
        let store = &self.sources.store;
        let ctx = TenantContext::for_background_work(tenant, "router");
        let active = matches!(
            store.shared_with(&ctx).await,
            Ok(shared) if shared.tenant().state == domain::TenantState::Active
        );
        if !active {
            // Inactive or erased: nothing of it stays resident.
            self.views.invalidate(key).await;
            return true;
        }
        let stamp = match store.begin(&ctx).await {
            Ok(tx) => TaskStamp::read(&tx, task).await,
            Err(error) => Err(error.into()),
        };
        if matches!(&stamp, Ok(Some(stamp)) if *stamp == before.stamp) {
            return true;
        }
        match TaskView::load(&self.sources, &ctx, task, Some(&before)).await {
            Ok(view) => self.views.insert(key, Arc::new(view)).await,
            Err(error) if error.kind() == ErrorKind::NotFound => self.views.invalidate(key).await,
            Err(error) => {
                tracing::warn!(
                    key,
                    error = error.message(),
                    "a resident task could not be refreshed"
                );
                return false;
            }
        }
        true
    }
}

fn key(tenant: &TenantId, task: &TaskId) -> String {
    format!("{tenant}/{task}")
}

fn parse_key(key: &str) -> Option<(TenantId, TaskId)> {
    let (tenant, task) = key.split_once('/')?;
    Some((tenant.parse().ok()?, task.parse().ok()?))
}

/// The tenant whose tasks a change concerns.
fn tenant_of(change: Change) -> Option<TenantId> {
    match change {
        Change::Tenant(tenant)
        | Change::Items(tenant)
        | Change::Models(tenant)
        | Change::Tasks(tenant) => Some(tenant),
        Change::Experts(_)
        | Change::Index(_)
        | Change::Tiers
        | Change::Jobs(_)
        | Change::Key(_) => None,
    }
}

/// The embeddings of texts: from the tenant's cache, or computed and put there.
pub(crate) async fn embed_cached(
    sources: &TaskSources,
    asked: &AskedSpace,
    ctx: &TenantContext,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, ServiceError> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let embedder = &asked.embedder;
    let space = asked.name();
    let hashes: Vec<[u8; 32]> = texts
        .iter()
        .map(|text| embedder.content_hash(text))
        .collect();
    let tx = sources.store.begin(ctx).await?;
    let mut known = tx.embeddings().get(space, &hashes).await?;
    drop(tx);
    let missing: HashMap<[u8; 32], String> = hashes
        .iter()
        .zip(texts)
        .filter(|(hash, _)| !known.contains_key(*hash))
        .map(|(hash, text)| (*hash, text.clone()))
        .collect();
    if !missing.is_empty() {
        let (new, texts): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        let embedded = match texts.len() {
            // Somebody waits for the task, and under load passages would wait for long.
            ..=FEW => {
                let embedded = embedder.embed_queries(texts).await;
                embedded.into_iter().collect::<Result<Vec<_>, _>>()?
            }
            _ => embedder.embed_passages(texts).await?,
        };
        for one in &embedded {
            usage::embedded(one.tokens, one.cpu);
        }
        let computed: Vec<_> = new
            .into_iter()
            .zip(embedded.into_iter().map(|e| e.vector))
            .collect();
        let tx = sources.store.begin(ctx).await?;
        tx.embeddings().put(space, computed.clone()).await?;
        tx.commit().await?;
        known.extend(computed);
    }
    let found = hashes.iter().map(|hash| known.get(hash).cloned());
    let found: Option<Vec<Vec<f32>>> = found.collect();
    found.ok_or_else(|| ServiceError::internal("an embedding is missing"))
}
