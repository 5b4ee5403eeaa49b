//! The trainer: pins a dataset, fits, weighs, stores the artifact, and moves the alias when the gate
//! says so.

use artifacts::ArtifactStore;
use async_trait::async_trait;
use domain::{
    Alias, Clock, ErrorKind, Expert, Fault as _, INPUTS, Item, JobKind, Lineage, ModelName,
    ModelOwner, ModelVersion, TaskId, TenantContext,
};
use embedding::Embedder;
use learning::{
    Champion, Corpus, Document, Ranker, RankerRecipe, Search, TenantModel, TrainError,
    TrainSettings, train_tenant,
};
use metering::usage;
use ndarray::Array2;
use storage::{JobFailure, JobRunner, JobWork, NewModel, Outcome, Purpose, Signal, Store};

use crate::above::{Above, above, parse};
use crate::aliases::{Weighed, move_aliases};
use crate::arithmetic::on_own_thread;
use crate::check::{labelled, trained_until};
use crate::commands::RetrainPayload;
use crate::dataset::{self, Pinned};
use crate::inputs::{Inputs, PARENT_CHECKSUM};
use crate::prune;
use crate::yielding::yielding;

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
    /// The build that trains, for the lineage.
    pub code_version: &'static str,
}

#[async_trait]
impl JobRunner for Trainer {
    fn kinds(&self) -> &'static [JobKind] {
        &[
            JobKind::Retrain,
            JobKind::CheckChampion,
            JobKind::ReproduceModel,
        ]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        match work.job.kind {
            JobKind::CheckChampion => self.check_champion(work).await,
            JobKind::ReproduceModel => self.reproduce(work).await,
            _ => self.retrain(work).await,
        }
    }
}

impl Trainer {
    async fn retrain(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
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
        let tenant = self
            .store
            .maintenance(Purpose::Training)
            .get_tenant(ctx.tenant())
            .await;
        let tenant = tenant
            .map_err(retry)?
            .ok_or_else(|| JobFailure::Fail("the tenant is not there any more".to_owned()))?;
        let vertical = Some(&tenant.vertical);
        let above = above(&self.store, &self.artifacts, vertical)
            .await
            .map_err(retry)?;
        let inputs = Inputs::of_ranker(&pinned.experts, &above);
        let plan = Plan {
            seed: seed_of(payload.seed),
            recipe: RankerRecipe::default(),
            search: search_of(&payload),
        };
        let (experts, incumbent) = inputs
            .clone()
            .ranker()
            .ok_or_else(|| retry("the ranker above cannot be read"))?;
        let standing = self.standing(&ctx, &payload.task).await?;
        let rankers = (incumbent, standing.as_ref());
        let model = self
            .train(&ctx, work, &pinned.items, &experts, rankers, plan)
            .await?;
        work.progress(0.95, "storing the model");
        let made = Made {
            lineage: self.lineage(&pinned, plan.seed, &above, &model, &inputs),
            inputs,
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
    inputs: Inputs,
    signal: Option<Signal>,
}

/// The version that keeps its place from a new one, where it does.
fn held_by(model: &TenantModel) -> Option<u64> {
    let champion = model.report.champion.as_ref()?;
    let name: Option<ModelName> = champion.model.parse().ok();
    name.filter(|_| champion.holds).map(|name| name.version)
}

/// How a ranker is to be trained.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub seed: u64,
    /// Where nothing is searched.
    pub recipe: RankerRecipe,
    pub search: Option<Search>,
}

/// The version that serves.
#[derive(Clone)]
pub(crate) struct Standing {
    name: String,
    ranker: Ranker,
    /// What was ingested later was not known to it.
    known_until: chrono::DateTime<chrono::Utc>,
}

/// The seed that is meant by one in a request.
pub(crate) fn seed_of(asked: u64) -> u64 {
    match asked {
        0 => DEFAULT_SEED,
        seed => seed,
    }
}

/// The search that a retrain asks for.
pub(crate) fn search_of(payload: &RetrainPayload) -> Option<Search> {
    (payload.search > 0).then_some(Search {
        trials: payload.search,
        now: std::time::Instant::now,
    })
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
    standing: Option<(Standing, Vec<bool>)>,
    plan: Plan,
) -> Result<TenantModel, JobFailure> {
    let stopped = |error: &TrainError| *error == TrainError::Stopped;
    on_own_thread(work, 0.3..0.9, stopped, move |progress| {
        let settings = TrainSettings {
            seed: plan.seed,
            incumbent: &incumbent,
            rules: None,
            recipe: plan.recipe,
            search: plan.search,
            champion: standing.as_ref().map(|(one, knew)| Champion {
                name: &one.name,
                ranker: &one.ranker,
                knew,
            }),
        };
        train_tenant(&corpus, vectors.view(), settings, progress)
    })
    .await
}

impl Trainer {
    /// Trains a ranker on items, with the experts and the ranker above as its inputs say. Stores
    /// nothing.
    pub(crate) async fn train(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        items: &[Item],
        experts: &[Expert],
        (incumbent, standing): (Ranker, Option<&Standing>),
        plan: Plan,
    ) -> Result<TenantModel, JobFailure> {
        let (corpus, vectors) = self.load(ctx, work, items, experts).await?;
        let standing = standing.map(|one| {
            let knew = labelled(items).map(|item| item.ingested_at <= one.known_until);
            (one.clone(), knew.collect())
        });
        fit(work, corpus, vectors, incumbent, standing, plan).await
    }

    /// The version that serves, for the candidate to be held against. None where none does, or its file
    /// cannot be read, or it is of a space that the tenant has left.
    async fn standing(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> Result<Option<Standing>, JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let serving = tx.models().alias(task, Alias::Champion).await;
        let Some(version) = serving.map_err(retry)? else {
            return Ok(None);
        };
        let model = tx.models().get(task, version).await.map_err(retry)?;
        let here = |model: &ModelVersion| model.lineage.space == self.embedder.space().name;
        let Some(model) = model.filter(here) else {
            return Ok(None);
        };
        let known_until = trained_until(&tx, &model).await.map_err(retry)?;
        drop(tx);
        let found = self
            .artifacts
            .get(&model.artifact_path, &model.checksum)
            .await;
        let bytes = match found {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(retry(error)),
            Err(_) => return Ok(None),
        };
        let ranker = std::str::from_utf8(&bytes).ok().and_then(parse);
        Ok(ranker.map(|ranker| Standing {
            name: model.name.to_string(),
            ranker,
            known_until,
        }))
    }

    /// The corpus of items, and one embedding a row: from the cache where the index has put it.
    pub(crate) async fn load(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        items: &[Item],
        experts: &[Expert],
    ) -> Result<(Corpus, Array2<f32>), JobFailure> {
        // Copied, which takes little beside reading all their words.
        let (read, people) = (items.to_vec(), experts.to_vec());
        let corpus = yielding(move || Corpus::new(read.iter().map(Document::from), &people))
            .await
            .map_err(retry)?
            .map_err(|error| JobFailure::Fail(error.to_string()))?;
        let texts: Vec<&str> = items
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
            for one in &computed {
                usage::embedded(one.tokens, one.cpu);
            }
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
        let bytes = model.to_bytes();
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
        let (text, hash) = made.inputs.to_text();
        tx.inputs().put(&hash, &text, now).await.map_err(retry)?;
        tx.models().insert(new, now).await.map_err(retry)?;
        tx.trials()
            .add(task, version, &model.trials, now)
            .await
            .map_err(retry)?;
        let weighed = Weighed {
            verdict,
            reason: &model.report.reason,
            held_by: held_by(model),
        };
        let dataset = pinned.dataset.number;
        let serves = move_aliases(ctx, &tx, (task, version, dataset), weighed, now).await?;
        if let Some(signal) = made.signal {
            tx.signals().put(task, signal, now).await.map_err(retry)?;
        }
        prune::enqueue(&tx, now).await.map_err(retry)?;
        tx.commit().await.map_err(retry)?;
        tracing::info!(verdict = verdict.as_str(), "trained a model");
        let mut outcome = vec![
            ("model".to_owned(), name.to_string()),
            ("verdict".to_owned(), verdict.as_str().to_owned()),
            ("reason".to_owned(), model.report.reason.clone()),
            ("dataset".to_owned(), pinned.dataset.number.to_string()),
        ];
        outcome.extend(serves);
        outcome.extend(search_outcome(payload, model.trials.len()));
        Ok(outcome)
    }

    /// Stores what the tenant gives for training the tiers above.
    async fn keep_signal(
        &self,
        ctx: &TenantContext,
        payload: &RetrainPayload,
        pinned: &Pinned,
        model: &TenantModel,
    ) -> Result<Signal, JobFailure> {
        let bytes = model.shared_sample.to_bytes();
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
            queries: model.shared_sample.queries().len() as u64,
            dataset: pinned.dataset.number,
        })
    }

    fn lineage(
        &self,
        pinned: &Pinned,
        seed: u64,
        above: &Above,
        model: &TenantModel,
        inputs: &Inputs,
    ) -> Lineage {
        let mut parameters = model.recipe.parameters();
        let parent = artifacts::checksum(above.artifact.as_bytes());
        parameters.push((INPUTS.to_owned(), inputs.to_text().1));
        parameters.push((PARENT_CHECKSUM.to_owned(), parent));
        Lineage {
            dataset: pinned.dataset.number,
            dataset_hash: pinned.dataset.content_hash.clone(),
            code_version: self.code_version.to_owned(),
            seed,
            space: self.embedder.space().name.to_owned(),
            parameters,
            parent: Some(above.name.to_string()),
        }
    }
}

/// What a retrain says of its search: how many settings were tried, none where the history is too
/// short to try any.
pub(crate) fn search_outcome(payload: &RetrainPayload, tried: usize) -> Outcome {
    match (payload.search, tried) {
        (0, _) => Vec::new(),
        (_, 0) => vec![(
            "search".to_owned(),
            "nothing was tried: the history is too short to choose settings on windows that the \
             gate does not judge on"
                .to_owned(),
        )],
        _ => vec![("trials".to_owned(), tried.to_string())],
    }
}
