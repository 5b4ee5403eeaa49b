//! The choice of an embedding space, for tenants that leave it to the platform.
//!
//! A comparison looks at the tenant's newest items in each space that it may be in, from the cheapest on, and
//! asks what would serve in each the questions of the gate's windows. What it chooses is kept, and a switch
//! follows where the tenant is elsewhere.

use async_trait::async_trait;
use domain::{
    DEFAULT_EMBEDDING_MODEL, HISTORY_ITEMS, Item, SpaceChoice, SpaceComparison, SpaceState,
    TenantContext, TenantSpace,
};
use embedding::{MODELS, ModelKind};
use jobs::specs::SpacesCompared;
use jobs::{CompareSpaces, JobFailure, JobHandler, JobSpec, JobWork, SwitchSpace};
use learning::{ComparedSpace, Corpus, Document, Ranker, TrainError, choose_space};
use ndarray::Array2;
use registry::resolve::ParentRanker;
use storage::{Purpose, TenantTx};

use crate::TenantTrainer;
use crate::compute::run_for_job;
use crate::low_priority::run_low_priority;
use crate::monitoring::labelled;
use crate::trainer::DEFAULT_SEED;

/// Items that a comparison looks at, the newest: what a transformer takes for them is bounded.
const MOST_ITEMS: usize = 4_000;
/// A comparison is made again when the items have grown by this factor.
const GROWTH: f64 = 1.5;
/// Cached vectors of a space that are forgotten in one transaction.
const FORGOTTEN_AT_A_TIME: u64 = 2_000;

/// A tenant's history in each space, the cheapest first.
struct Compared {
    corpus: Corpus,
    spaces: Vec<(&'static str, Array2<f32>)>,
    incumbent: Ranker,
    /// Where the tenant is, and stays without evidence.
    active: String,
}

#[async_trait]
impl JobHandler<CompareSpaces> for TenantTrainer {
    async fn run(&self, work: &JobWork, _: CompareSpaces) -> Result<SpacesCompared, JobFailure> {
        let ctx = work.context("spaces")?;
        let store = &self.trainer.store;
        let platform = store.maintenance(Purpose::Training);
        let tenant = platform
            .get_tenant(ctx.tenant())
            .await?
            .ok_or_else(|| JobFailure::fail("the tenant is not there any more"))?;
        if tenant.settings.named_model().is_some() {
            return Ok(said("the tenant names its model; nothing is to be chosen"));
        }
        let tx = store.begin(&ctx).await?;
        let count = tx.items().count().await?;
        if !tx.tasks().list(None, 1).await?.is_empty() {
            // Classifiers read vectors more than rankers do, and nothing compares them yet.
            drop(tx);
            let reason = "the tenant has tasks of its own, whose classifiers were not compared";
            let choice = stay(DEFAULT_EMBEDDING_MODEL, reason);
            return self.keep(&ctx, choice, count).await;
        }
        let active = tx.spaces().active().await?;
        let items = newest(&tx).await?;
        let experts = tx.experts().all().await?;
        drop(tx);
        let (tiers, artifacts) = (platform.tiers(), &self.trainer.artifacts);
        let parent = ParentRanker::read(&tiers, artifacts, Some(&tenant.vertical)).await?;
        let incumbent = parent.stored.ranker;
        let read = items.clone();
        let corpus =
            run_low_priority(move || Corpus::new(read.iter().map(Document::from), &experts))
                .await?
                .map_err(|error| JobFailure::fail(error.to_string()))?;
        let spaces = self.spaces(&ctx, work, &items).await?;
        let compared = Compared {
            corpus,
            spaces,
            incumbent,
            active,
        };
        let choice = compare(work, compared).await?;
        self.keep(&ctx, choice, count).await
    }
}

impl TenantTrainer {
    /// The items in each space that a tenant may be brought into, the cheapest first.
    async fn spaces(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        items: &[Item],
    ) -> Result<Vec<(&'static str, Array2<f32>)>, JobFailure> {
        let texts: Vec<&str> = labelled(items)
            .map(|item| item.content.text.as_str())
            .collect();
        let mut spaces = Vec::new();
        for name in candidates(&self.embedders.installed().await) {
            let trainer = self.within(name).await?;
            spaces.push((name, trainer.vectors(ctx, work, &texts, 0.25).await?));
        }
        Ok(spaces)
    }

    /// Keeps what was chosen, and has the tenant switched where it is elsewhere.
    async fn keep(
        &self,
        ctx: &TenantContext,
        choice: SpaceChoice,
        items: u64,
    ) -> Result<SpacesCompared, JobFailure> {
        let now = self.trainer.clock.now();
        let outcome = outcome(&choice);
        let tx = self.trainer.store.begin(ctx).await?;
        let made = SpaceComparison {
            choice,
            items,
            compared_at: now,
        };
        tx.spaces().keep_comparison(&made).await?;
        let elsewhere = tx.spaces().wanted().await? != tx.spaces().active().await?;
        let spaces = tx.spaces().list().await?;
        let is_prepared = |space: &TenantSpace| space.state == SpaceState::Preparing;
        // A switch also tidies up what was prepared for an earlier choice.
        if elsewhere || spaces.iter().any(is_prepared) {
            tx.jobs().enqueue(SwitchSpace {}.new_job(), now).await?;
        }
        tx.audit()
            .record(
                "tenants.choose_space",
                &format!("tenants/{}", ctx.tenant()),
                &format!("{}: {}", made.choice.chosen, made.choice.reason),
                now,
            )
            .await?;
        tx.commit().await?;
        self.forget_others(ctx).await?;
        Ok(outcome)
    }

    /// Forgets cached vectors of spaces that were only compared.
    async fn forget_others(&self, ctx: &TenantContext) -> Result<(), JobFailure> {
        let tx = self.trainer.store.begin(ctx).await?;
        let wanted = tx.spaces().wanted().await?;
        let mut kept: Vec<String> = tx
            .spaces()
            .list()
            .await?
            .into_iter()
            .map(|s| s.name)
            .collect();
        drop(tx);
        kept.push(wanted);
        for model in MODELS
            .iter()
            .filter(|model| !kept.iter().any(|name| name == model.name))
        {
            loop {
                let tx = self.trainer.store.begin(ctx).await?;
                let forgotten = tx
                    .embeddings()
                    .forget(model.name, FORGOTTEN_AT_A_TIME)
                    .await?;
                tx.commit().await?;
                if forgotten < FORGOTTEN_AT_A_TIME {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Enqueues a comparison where the platform is to choose and the items have grown enough since the last.
    pub(crate) async fn compare_if_grown(&self, ctx: &TenantContext) -> storage::Result<()> {
        let platform = self.trainer.store.maintenance(Purpose::Training);
        let tenant = platform.get_tenant(ctx.tenant()).await?;
        if tenant.is_none_or(|tenant| tenant.settings.named_model().is_some()) {
            return Ok(());
        }
        let tx = self.trainer.store.begin(ctx).await?;
        let before = tx.spaces().comparison().await?.map_or(0, |made| made.items);
        if tx.items().count().await? as f64 >= GROWTH * before as f64 {
            let now = self.trainer.clock.now();
            tx.jobs().enqueue(CompareSpaces {}.new_job(), now).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// The spaces that a tenant may be brought into without its asking, the cheapest first: those without a
/// transformer, and the default one.
fn candidates(installed: &[&'static str]) -> Vec<&'static str> {
    let cheap = |kind: ModelKind| match kind {
        ModelKind::Empty => Some(0),
        ModelKind::Static { .. } => Some(1),
        ModelKind::Transformer { .. } => None,
    };
    let mut found: Vec<(i32, &'static str)> = MODELS
        .iter()
        .filter(|model| installed.contains(&model.name))
        .filter_map(|model| Some((cheap(model.kind)?, model.name)))
        .collect();
    found.sort_unstable();
    let names = found.into_iter().map(|(_, name)| name);
    names.chain([DEFAULT_EMBEDDING_MODEL]).collect()
}

/// The newest items that somebody answered, in their order.
async fn newest(tx: &TenantTx) -> storage::Result<Vec<Item>> {
    let watermark = tx.items().watermark().await?;
    let items = tx.items().newest_at(watermark, HISTORY_ITEMS).await?;
    let answered = labelled(&items).count();
    let late = labelled(&items).skip(answered.saturating_sub(MOST_ITEMS));
    Ok(late.cloned().collect())
}

async fn compare(work: &JobWork, compared: Compared) -> Result<SpaceChoice, JobFailure> {
    let stopped = |error: &TrainError| *error == TrainError::Stopped;
    let few = |error: &TrainError| match error {
        TrainError::TooFewItems { .. } => Some(error.to_string()),
        _ => None,
    };
    run_for_job(work, 0.3..0.95, stopped, move |progress| {
        let spaces: Vec<ComparedSpace<'_>> = compared
            .spaces
            .iter()
            .map(|(name, vectors)| ComparedSpace {
                name,
                vectors: vectors.view(),
            })
            .collect();
        let chosen = choose_space(
            &compared.corpus,
            &spaces,
            &compared.incumbent,
            &compared.active,
            DEFAULT_SEED,
            progress,
        );
        chosen.or_else(|error| {
            let why = few(&error).ok_or(error)?;
            Ok(stay(&compared.active, &why))
        })
    })
    .await
}

/// Nothing was compared, and `space` is kept.
fn stay(space: &str, reason: &str) -> SpaceChoice {
    SpaceChoice {
        questions: 0,
        trials: Vec::new(),
        chosen: space.to_owned(),
        reason: reason.to_owned(),
    }
}

fn outcome(choice: &SpaceChoice) -> SpacesCompared {
    let trials = choice.trials.iter();
    let mrr: Vec<String> = trials
        .map(|trial| {
            format!(
                "{} {:.3} ({:+.3})",
                trial.space, trial.mrr, trial.difference
            )
        })
        .collect();
    SpacesCompared {
        chosen: Some(choice.chosen.clone()),
        reason: choice.reason.clone(),
        questions: Some(choice.questions),
        mrr: (!mrr.is_empty()).then(|| mrr.join(", ")),
    }
}

fn said(reason: &str) -> SpacesCompared {
    SpacesCompared {
        reason: reason.to_owned(),
        ..SpacesCompared::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_is_tried_first_and_the_default_last() {
        let all: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        assert_eq!(
            candidates(&all),
            ["none", "minilm-static", DEFAULT_EMBEDDING_MODEL]
        );
        let bare = [DEFAULT_EMBEDDING_MODEL, "none"];
        assert_eq!(candidates(&bare), ["none", DEFAULT_EMBEDDING_MODEL]);
    }
}
