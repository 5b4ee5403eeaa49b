//! The trainer: pins a dataset, fits, weighs, stores the artifact, and moves the alias when the gate
//! says so.

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{Alias, JobKind, Lineage, ModelName, ModelOwner, TaskId, TenantContext, Verdict};
use embedding::Embedder;
use learning::{Corpus, Document, Ranker, TenantModel, TrainError, TrainSettings, train_tenant};
use ndarray::Array2;
use server::Clock;
use storage::{JobFailure, JobRunner, JobWork, NewModel, Outcome, Signal, Store};

use crate::above::{Above, above};
use crate::arithmetic::on_own_thread;
use crate::commands::RetrainPayload;
use crate::dataset::{self, Pinned};

/// The seed of trainings that name none.
pub(crate) const DEFAULT_SEED: u64 = 17;
/// Texts embedded between two looks at whether to stop.
const CHUNK: usize = 256;

/// Trains tenants' models on the vectors of one space; see [`crate::TenantTrainer`] for which.
#[derive(Clone)]
pub struct Trainer {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The embedding model.
    pub embedder: Embedder,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobRunner for Trainer {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::Retrain]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let payload: RetrainPayload = serde_json::from_value(work.payload.clone())
            .map_err(|_| JobFailure::Fail("the job cannot be read; retrain again".to_owned()))?;
        let ctx = TenantContext::for_background_work(work.tenant()?, "trainer");
        if payload.task != TaskId::experts() {
            return self.run_task(work, &ctx, &payload).await;
        }
        work.progress(0.02, "pinning the dataset");
        let pinned = dataset::open(&self.store, &ctx, payload.dataset, self.clock.now())
            .await
            .map_err(retry)?
            .ok_or_else(|| JobFailure::Fail("the dataset is not there any more".to_owned()))?;
        let (corpus, vectors) = self.load(&ctx, work, &pinned).await?;
        let seed = if payload.seed == 0 {
            DEFAULT_SEED
        } else {
            payload.seed
        };
        let tenant = self.store.platform().get_tenant(ctx.tenant()).await;
        let tenant = tenant
            .map_err(retry)?
            .ok_or_else(|| JobFailure::Fail("the tenant is not there any more".to_owned()))?;
        let vertical = Some(&tenant.vertical);
        let above = above(&self.store, &self.artifacts, vertical)
            .await
            .map_err(retry)?;
        let model = fit(work, corpus, vectors, above.ranker.clone(), seed).await?;
        work.progress(0.95, "storing the model");
        let made = Made {
            lineage: self.lineage(&pinned, seed, &above),
            signal: match tenant.settings.share_for_training {
                true => Some(self.keep_signal(&ctx, &payload, &pinned, &model).await?),
                false => None,
            },
            model,
        };
        self.register(&ctx, &payload, &pinned, made).await
    }
}

/// A model that is ready to be registered.
struct Made {
    model: TenantModel,
    lineage: Lineage,
    signal: Option<Signal>,
}

/// A failure that may pass.
pub(crate) fn retry(error: impl std::fmt::Display) -> JobFailure {
    tracing::warn!(%error, "training will be tried again");
    JobFailure::Retry("a part that training needs did not answer".to_owned())
}

async fn fit(
    work: &JobWork,
    corpus: Corpus,
    vectors: Array2<f32>,
    incumbent: Ranker,
    seed: u64,
) -> Result<TenantModel, JobFailure> {
    let stopped = |error: &TrainError| *error == TrainError::Stopped;
    on_own_thread(work, 0.3..0.9, stopped, move |progress| {
        let settings = TrainSettings {
            seed,
            incumbent: &incumbent,
            rules: None,
        };
        train_tenant(&corpus, vectors.view(), settings, progress)
    })
    .await
}

impl Trainer {
    /// The corpus of a dataset, and one embedding a row: from the cache where the index has put it.
    async fn load(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        pinned: &Pinned,
    ) -> Result<(Corpus, Array2<f32>), JobFailure> {
        let corpus = Corpus::new(pinned.items.iter().map(Document::from), &pinned.experts)
            .map_err(|error| JobFailure::Fail(error.to_string()))?;
        let texts: Vec<&str> = pinned
            .items
            .iter()
            .filter(|item| !item.content.experts.is_empty())
            .map(|item| item.content.text.as_str())
            .collect();
        let dimensions = self.embedder.space().dimensions;
        let mut rows = Vec::with_capacity(texts.len() * dimensions);
        for (done, chunk) in texts.chunks(CHUNK).enumerate() {
            if work.should_stop() {
                return Err(JobFailure::Cancelled);
            }
            let share = (done * CHUNK) as f32 / texts.len().max(1) as f32;
            work.progress(0.05 + 0.25 * share, "reading embeddings");
            for vector in self.embeddings(ctx, chunk).await? {
                rows.extend(vector);
            }
        }
        let vectors = Array2::from_shape_vec((texts.len(), dimensions), rows).map_err(retry)?;
        Ok((corpus, vectors))
    }

    pub(crate) async fn embeddings(
        &self,
        ctx: &TenantContext,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, JobFailure> {
        let space = self.embedder.space().name;
        let hashes: Vec<_> = texts
            .iter()
            .map(|text| self.embedder.content_hash(text))
            .collect();
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let mut known = tx.embeddings().get(space, &hashes).await.map_err(retry)?;
        drop(tx);
        let missing: Vec<usize> = (0..texts.len())
            .filter(|&at| !known.contains_key(&hashes[at]))
            .collect();
        if !missing.is_empty() {
            let wanted = missing.iter().map(|&at| texts[at].to_owned()).collect();
            let computed = self.embedder.embed_passages(wanted).await.map_err(retry)?;
            known.extend(
                missing
                    .iter()
                    .map(|&at| hashes[at])
                    .zip(computed.into_iter().map(|e| e.vector)),
            );
        }
        hashes
            .iter()
            .map(|hash| {
                known
                    .get(hash)
                    .cloned()
                    .ok_or_else(|| retry("an embedding is missing"))
            })
            .collect()
    }

    /// Stores the artifact, registers the version, and promotes it when it has earned its place.
    async fn register(
        &self,
        ctx: &TenantContext,
        payload: &RetrainPayload,
        pinned: &Pinned,
        made: Made,
    ) -> Result<Outcome, JobFailure> {
        let model = &made.model;
        let task = &payload.task;
        let bytes = serde_json::to_vec(&model.ranker).map_err(retry)?;
        let now = self.clock.now();
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let version = tx.models().next_version(task).await.map_err(retry)?;
        let owner = ModelOwner::Tenant(ctx.tenant().clone());
        let name = ModelName {
            owner,
            task: task.clone(),
            version,
        };
        // The path has the content in it: a worker that died after storing finds its own file.
        let digest = blake3::hash(&bytes).to_hex();
        let path = format!("{name}-{}.json", &digest[..16]);
        let stored = self
            .artifacts
            .put(&path, bytes.into())
            .await
            .map_err(retry)?;
        let verdict = model.report.verdict;
        let new = NewModel {
            task: task.clone(),
            version,
            artifact_path: path,
            checksum: stored.checksum,
            size: stored.size,
            lineage: made.lineage,
            verdict,
            report: model.report.to_json(),
        };
        tx.models().insert(new, now).await.map_err(retry)?;
        let served = self
            .move_aliases(ctx, &tx, task, version, model, now)
            .await?;
        if let Some(signal) = made.signal {
            tx.signals().put(task, signal, now).await.map_err(retry)?;
        }
        tx.commit().await.map_err(retry)?;
        tracing::info!(verdict = verdict.as_str(), "trained a model");
        Ok(vec![
            ("model".to_owned(), name.to_string()),
            ("verdict".to_owned(), verdict.as_str().to_owned()),
            ("reason".to_owned(), model.report.reason.clone()),
            ("serves".to_owned(), served.to_string()),
            ("dataset".to_owned(), pinned.dataset.number.to_string()),
        ])
    }

    /// Stores what the tenant gives for training the tiers above.
    async fn keep_signal(
        &self,
        ctx: &TenantContext,
        payload: &RetrainPayload,
        pinned: &Pinned,
        model: &TenantModel,
    ) -> Result<Signal, JobFailure> {
        let bytes = model.signal.to_bytes();
        let folder = format!("tenants/{}/signals/{}", ctx.tenant(), payload.task);
        let path = format!("{folder}/{}.bin", &blake3::hash(&bytes).to_hex()[..16]);
        // The older one goes first: a tier that is trained in this moment does without the tenant.
        self.artifacts.delete_all(&folder).await.map_err(retry)?;
        let stored = self
            .artifacts
            .put(&path, bytes.into())
            .await
            .map_err(retry)?;
        Ok(Signal {
            artifact_path: path,
            checksum: stored.checksum,
            size: stored.size,
            queries: model.signal.queries().len() as u64,
            dataset: pinned.dataset.number,
        })
    }

    fn lineage(&self, pinned: &Pinned, seed: u64, above: &Above) -> Lineage {
        Lineage {
            dataset: pinned.dataset.number,
            dataset_hash: pinned.dataset.content_hash.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            space: self.embedder.space().name.to_owned(),
            parameters: Vec::new(),
            parent: Some(above.name.to_string()),
        }
    }

    /// A version that is proven better becomes the champion. One that is not becomes the challenger,
    /// for a canary or a shadow to try, and takes the champion's place from an older one by giving
    /// it back to the tier above: the older one was fitted on less of the same history, and the new
    /// evidence speaks about it too.
    async fn move_aliases(
        &self,
        ctx: &TenantContext,
        tx: &storage::TenantTx,
        task: &TaskId,
        version: u64,
        model: &TenantModel,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<bool, JobFailure> {
        let reason = &model.report.reason;
        let (champion, challenger) = match model.report.verdict {
            Verdict::Promote => (Some(version), None),
            Verdict::Keep => (None, Some(version)),
            Verdict::InsufficientData => return Ok(false),
        };
        for (alias, version) in [(Alias::Champion, champion), (Alias::Challenger, challenger)] {
            tx.models()
                .set_alias(task, alias, version, reason, ctx.actor(), now)
                .await
                .map_err(retry)?;
        }
        Ok(champion.is_some())
    }
}
