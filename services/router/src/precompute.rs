//! Answers for items that nobody has answered yet, computed before anybody asks.
//!
//! Whoever opens a list of open questions should see its experts at once. Changes of a tenant's
//! index, experts, models or policy gather for a moment, and then one job computes what does not hold
//! any more. A change that is missed does no harm: an answer is given only while its stamp is that of
//! the router's view, and is computed when it is asked for otherwise.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::{Change, Item, ItemId, JobKind, TenantContext, TenantId};
use embedding::{Embedded, Embedder};
use metering::usage;
use prost::Message as _;
use server::ServiceError;
use storage::{JobFailure, JobRunner, JobWork, NewJob, Outcome, PrecomputedAnswer, Purpose};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::Router;
use crate::commands::{Recommend, With};
use crate::items::PRECOMPUTED_EXPERTS;
use crate::recommend::Vector;
use crate::view::SharedView;

/// Answers computed and kept at a time.
const CHUNK: usize = 32;
/// A router that dies this often with the same job has a problem with the job.
const MAX_ATTEMPTS: u32 = 5;

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
    router: Router,
    settings: PrecomputeSettings,
}

#[async_trait]
impl JobRunner for Precomputer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::Precompute]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let ctx = TenantContext::for_background_work(work.tenant()?, "precompute");
        let residents = &self.router.parts.residents;
        let view = residents
            .up_to_date(&ctx)
            .await
            .map_err(|error| retry(&error))?;
        let stamp = view.stamp.fingerprint();
        let (open, kept) = self.read(&ctx).await.map_err(|error| retry(&error))?;
        let gone: Vec<ItemId> = kept
            .keys()
            .filter(|id| !open.iter().any(|item| item.content.id == **id))
            .cloned()
            .collect();
        self.forget(&ctx, &gone)
            .await
            .map_err(|error| retry(&error))?;
        let holds = |item: &Item| {
            let kept = kept.get(&item.content.id);
            kept.is_some_and(|(revision, made)| *revision == item.revision && *made == stamp)
        };
        let outdated: Vec<&Item> = open.iter().filter(|item| !holds(item)).collect();
        for (done, chunk) in outdated.chunks(CHUNK).enumerate() {
            if work.should_stop() {
                return Err(JobFailure::Cancelled);
            }
            let share = (done * CHUNK) as f32 / outdated.len() as f32;
            work.progress(share, "computing answers of open items");
            self.compute(&ctx, &view, &stamp, chunk)
                .await
                .map_err(|error| retry(&error))?;
        }
        Ok(vec![
            ("computed".to_owned(), outdated.len().to_string()),
            ("held".to_owned(), (open.len() - outdated.len()).to_string()),
            ("removed".to_owned(), gone.len().to_string()),
        ])
    }
}

/// A failure that may pass.
fn retry(error: &ServiceError) -> JobFailure {
    tracing::warn!(
        error = error.message(),
        reason = error.reason(),
        "precomputing will be tried again"
    );
    JobFailure::Retry("a part that precomputing needs did not answer".to_owned())
}

impl Precomputer {
    /// Computes with the parts of `router`.
    #[must_use]
    pub fn new(router: Router, settings: PrecomputeSettings) -> Self {
        Self { router, settings }
    }

    /// Enqueues a job for each tenant whose answers may have changed, until `stop`.
    pub async fn follow_changes(self, stop: CancellationToken) {
        let mut changes = self.router.parts.store.changes().subscribe();
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
            let platform = self.router.parts.store.maintenance(Purpose::Precompute);
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
        let parts = &self.router.parts;
        let ctx = TenantContext::for_background_work(tenant, "precompute");
        let tx = parts.store.begin(&ctx).await?;
        let wanted = self.settings.items > 0 && tx.items().any_open().await?;
        if !wanted && tx.precomputed().stamps().await?.is_empty() {
            return Ok(());
        }
        let job = NewJob {
            kind: JobKind::Precompute,
            payload: serde_json::json!({}),
            dedup_key: Some(JobKind::Precompute.as_str().to_owned()),
            max_attempts: MAX_ATTEMPTS,
        };
        tx.jobs().enqueue(job, parts.clock.now()).await?;
        tx.commit().await
    }

    /// The open items that are to have answers, and the revision and stamp of those there are.
    async fn read(
        &self,
        ctx: &TenantContext,
    ) -> Result<(Vec<Item>, HashMap<ItemId, (u32, String)>), ServiceError> {
        let tx = self.router.parts.store.begin(ctx).await?;
        let open = match self.settings.items {
            0 => Vec::new(),
            most => tx.items().open(None, most).await?,
        };
        Ok((open, tx.precomputed().stamps().await?))
    }

    async fn forget(&self, ctx: &TenantContext, items: &[ItemId]) -> Result<(), ServiceError> {
        if items.is_empty() {
            return Ok(());
        }
        let tx = self.router.parts.store.begin(ctx).await?;
        tx.precomputed().delete(items).await?;
        Ok(tx.commit().await?)
    }

    /// Computes the answers of some items, and keeps them.
    async fn compute(
        &self,
        ctx: &TenantContext,
        view: &SharedView,
        stamp: &str,
        items: &[&Item],
    ) -> Result<(), ServiceError> {
        let parts = &self.router.parts;
        let vectors = self.vectors(ctx, &view.asked.embedder, items).await?;
        let mut answers = Vec::with_capacity(items.len());
        for (item, vector) in items.iter().zip(vectors) {
            let command = Recommend {
                text: item.content.text.clone(),
                area: item.content.area.clone(),
                top_k: PRECOMPUTED_EXPERTS,
                with: With::Route,
                routing_key: None,
                deadline: None,
            };
            let known = Vector::Known(vector);
            let computed = self
                .router
                .compute(ctx, view, &command, known, Instant::now())
                .await?;
            answers.push(PrecomputedAnswer {
                item: item.content.id.clone(),
                revision: item.revision,
                stamp: stamp.to_owned(),
                answer: computed.response.encode_to_vec(),
                shadow: computed.shadow,
                computed_at: parts.clock.now(),
            });
        }
        let tx = parts.store.begin(ctx).await?;
        tx.precomputed().put(answers).await?;
        Ok(tx.commit().await?)
    }

    /// The items' embeddings: from the cache, where the index has put them, or computed behind all
    /// that somebody waits for.
    async fn vectors(
        &self,
        ctx: &TenantContext,
        embedder: &Embedder,
        items: &[&Item],
    ) -> Result<Vec<Embedded>, ServiceError> {
        let parts = &self.router.parts;
        let hash = |item: &&Item| embedder.content_hash(&item.content.text);
        let hashes: Vec<_> = items.iter().map(hash).collect();
        let tx = parts.store.begin(ctx).await?;
        let space = embedder.space().name;
        let mut known = tx.embeddings().get(space, &hashes).await?;
        drop(tx);
        let (missing, texts): (Vec<_>, Vec<String>) = items
            .iter()
            .zip(&hashes)
            .filter(|(_, hash)| !known.contains_key(*hash))
            .map(|(item, hash)| (*hash, item.content.text.clone()))
            .unzip();
        let computed = embedder.embed_passages(texts).await?;
        for one in &computed {
            usage::embedded(one.tokens, one.cpu);
        }
        known.extend(
            missing
                .into_iter()
                .zip(computed.into_iter().map(|one| one.vector)),
        );
        hashes
            .iter()
            .map(|hash| {
                let vector = known.get(hash).cloned();
                let vector =
                    vector.ok_or_else(|| ServiceError::internal("an embedding is missing"))?;
                Ok(Embedded {
                    vector,
                    tokens: 0,
                    queued: Duration::ZERO,
                    computed: Duration::ZERO,
                    cpu: Duration::ZERO,
                })
            })
            .collect()
    }
}
