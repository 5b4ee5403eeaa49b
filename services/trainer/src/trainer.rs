//! The trainer of rankers of experts: pins a dataset, fits, weighs, and publishes the version.

use artifacts::{ArtifactError, ArtifactStore};
use domain::{Clock, Expert, Item, Lineage, ModelName, TaskId, TenantContext};
use encoding::{Encoder, Lane};
use jobs::specs::Trained;
use jobs::{JobFailure, JobWork, Retrain};
use learning::{
    Champion, Corpus, Document, Ranker, RankerRecipe, Search, TenantModel, TrainError,
    TrainSettings, train_tenant,
};
use ndarray::Array2;
use registry::Owner;
use registry::dataset::{self, Pinned};
use registry::inputs::{Inputs, PARENT_CHECKSUM};
use registry::publish::{Candidate, Published, publish};
use registry::resolve::{ChampionRanker, ParentRanker};
use storage::{Purpose, Signal, Store};

use crate::compute::run_for_job;
use crate::low_priority::run_low_priority;
use crate::monitoring::labelled;

/// The seed of trainings that name none.
pub(crate) const DEFAULT_SEED: u64 = 17;

/// What a retrain says of a search that could not begin.
const NOTHING_TRIED: &str = "nothing was tried: the history is too short to choose settings on windows \
                             that the gate does not judge on";

/// Trains tenants' models on the vectors of one space; see [`crate::TenantTrainer`] for which.
#[derive(Clone)]
pub struct Trainer {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// Where texts become vectors.
    pub encoder: Encoder,
    /// The clock.
    pub clock: Clock,
    /// The build that trains, for the lineage.
    pub code_version: &'static str,
}

impl Trainer {
    /// Trains what a retrain names, and publishes the version.
    pub(crate) async fn retrain(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        job: &Retrain,
    ) -> Result<Trained, JobFailure> {
        work.progress(0.02, "pinning the dataset");
        let pinned = self.pin(ctx, job).await?;
        if job.task != TaskId::experts() {
            return self.retrain_task(ctx, work, job, &pinned).await;
        }
        let platform = self.store.maintenance(Purpose::Training);
        let tenant = platform
            .get_tenant(ctx.tenant())
            .await?
            .ok_or_else(|| JobFailure::fail("the tenant is not there any more"))?;
        let vertical = Some(&tenant.vertical);
        let parent = ParentRanker::read(&platform.tiers(), &self.artifacts, vertical).await?;
        let inputs = Inputs::of_ranker(&pinned.experts, &parent);
        let plan = Plan {
            seed: seed_of(job.seed),
            recipe: RankerRecipe::default(),
            search: search_of(job),
        };
        let (experts, incumbent) = inputs
            .clone()
            .ranker()
            .ok_or_else(|| JobFailure::fail("the ranker of the tier above cannot be read"))?;
        let space = self.encoder.name();
        let champion = ChampionRanker::read(&self.store, &self.artifacts, ctx, space).await?;
        let rankers = (incumbent, champion.as_ref());
        let model = self
            .train(ctx, work, &pinned.items, &experts, rankers, plan)
            .await?;
        work.progress(0.95, "storing the model");
        let signal = match tenant.settings.share_for_training {
            true => Some(self.store_signal(ctx, &job.task, &pinned, &model).await?),
            false => None,
        };
        let candidate = Candidate {
            task: job.task.clone(),
            artifact: model.to_bytes(),
            extension: "json",
            lineage: self.lineage(&pinned, plan.seed, &parent, &model),
            verdict: model.report.verdict,
            reason: model.report.reason.clone(),
            report: model.report.to_json(),
            held_by: held_by(&model),
            inputs: Some(inputs),
            trials: model.trials,
            signal,
        };
        self.publish(ctx, work, job, candidate).await
    }

    /// The dataset that a retrain names, or the items as they are now.
    pub(crate) async fn pin(
        &self,
        ctx: &TenantContext,
        job: &Retrain,
    ) -> Result<Pinned, JobFailure> {
        let Some(number) = job.dataset else {
            return Ok(dataset::pin(&self.store, ctx, self.clock.now()).await?);
        };
        let missing = || JobFailure::fail("the dataset is not there any more");
        let found = dataset::open(&self.store, ctx, number).await?;
        found.ok_or_else(missing)
    }

    /// Publishes what a retrain made, and says what came out.
    pub(crate) async fn publish(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        job: &Retrain,
        candidate: Candidate,
    ) -> Result<Trained, JobFailure> {
        let dataset = candidate.lineage.dataset;
        let owner = Owner::Tenant(ctx.clone());
        let of = (&owner, &work.job.id);
        let now = self.clock.now();
        let published = publish(&self.store, &self.artifacts, of, candidate, now).await?;
        let tried = published.trials;
        let searched = job.search > 0;
        Ok(Trained {
            dataset: Some(dataset),
            trials: (searched && tried > 0).then_some(tried),
            search: (searched && tried == 0).then(|| NOTHING_TRIED.to_owned()),
            ..trained(published)
        })
    }
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

/// The seed that is meant by one in a request.
pub(crate) fn seed_of(asked: u64) -> u64 {
    match asked {
        0 => DEFAULT_SEED,
        seed => seed,
    }
}

/// The search that a retrain asks for.
pub(crate) fn search_of(job: &Retrain) -> Option<Search> {
    (job.search > 0).then_some(Search {
        trials: job.search,
        now: std::time::Instant::now,
    })
}

async fn fit(
    work: &JobWork,
    corpus: Corpus,
    vectors: Array2<f32>,
    incumbent: Ranker,
    champion: Option<(ChampionRanker, Vec<bool>)>,
    plan: Plan,
) -> Result<TenantModel, JobFailure> {
    let stopped = |error: &TrainError| *error == TrainError::Stopped;
    run_for_job(work, 0.3..0.9, stopped, move |progress| {
        let name = champion.as_ref().map(|(one, _)| one.name.to_string());
        let settings = TrainSettings {
            seed: plan.seed,
            incumbent: &incumbent,
            rules: None,
            recipe: plan.recipe,
            search: plan.search,
            champion: champion.as_ref().map(|(one, knew)| Champion {
                name: name.as_deref().unwrap_or_default(),
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
        (incumbent, champion): (Ranker, Option<&ChampionRanker>),
        plan: Plan,
    ) -> Result<TenantModel, JobFailure> {
        let (corpus, vectors) = self.load(ctx, work, items, experts).await?;
        let champion = champion.map(|one| {
            let knew = labelled(items).map(|item| item.ingested_at <= one.known_until);
            (one.clone(), knew.collect())
        });
        fit(work, corpus, vectors, incumbent, champion, plan).await
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
        let corpus =
            run_low_priority(move || Corpus::new(read.iter().map(Document::from), &people))
                .await?
                .map_err(|error| JobFailure::fail(error.to_string()))?;
        let texts: Vec<&str> = items
            .iter()
            .filter(|item| !item.content.experts.is_empty())
            .map(|item| item.content.text.as_str())
            .collect();
        let vectors = self.vectors(ctx, work, &texts, 0.25).await?;
        Ok((corpus, vectors))
    }

    /// One embedding a row; `share` is the part of the job that reading them is told as.
    pub(crate) async fn vectors(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        texts: &[&str],
        share: f32,
    ) -> Result<Array2<f32>, JobFailure> {
        let proceed = |done: f32| {
            work.progress(0.05 + share * done, "reading embeddings");
            !work.should_stop()
        };
        let read = self.encoder.matrix(ctx, texts, Lane::Passage, proceed);
        read.await?.ok_or(JobFailure::Cancelled)
    }

    /// Stores what the tenant shares for training the tiers above.
    async fn store_signal(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        pinned: &Pinned,
        model: &TenantModel,
    ) -> Result<Signal, ArtifactError> {
        let bytes = model.shared_sample.to_bytes();
        let folder = format!("tenants/{}/signals/{}", ctx.tenant(), task);
        let path = format!("{folder}/{}.bin", &blake3::hash(&bytes).to_hex()[..16]);
        // The older one goes first: a tier that is trained in this moment does without the tenant.
        self.artifacts.delete_all(&folder).await?;
        let stored = self.artifacts.put(&path, bytes.into()).await?;
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
        parent: &ParentRanker,
        model: &TenantModel,
    ) -> Lineage {
        let mut parameters = model.recipe.parameters();
        parameters.push((PARENT_CHECKSUM.to_owned(), parent.checksum()));
        Lineage {
            dataset: pinned.dataset.number,
            dataset_hash: pinned.dataset.content_hash.clone(),
            code_version: self.code_version.to_owned(),
            seed,
            space: self.encoder.name().to_owned(),
            parameters,
            parent: Some(parent.name.to_string()),
        }
    }
}

/// What a training says of the version that it published.
pub(crate) fn trained(published: Published) -> Trained {
    let placement = published.placement;
    Trained {
        model: published.name.to_string(),
        verdict: published.verdict.as_str().to_owned(),
        reason: published.reason,
        serves: placement.serves,
        champion_stays: placement.champion_stays.map(|why| why.words().to_owned()),
        dataset: None,
        trials: None,
        search: None,
    }
}
