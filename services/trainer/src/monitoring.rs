//! The check of the champion: weighs the versions that serve or are tried against the tier above on
//! what came after their training, and steps back when the champion has fallen behind.
//!
//! The sums are kept beside the model, so each question is asked once. They may be looked at after
//! each of them (see [`domain::RunningMean`]): a champion is not taken back by luck.

use chrono::{DateTime, Utc};
use domain::{
    Alias, HISTORY_ITEMS, Item, ModelVersion, OnlineEvaluation, SIGNIFICANCE_LEVEL, Tally, TaskId,
    TenantContext,
};
use jobs::specs::Checked;
use jobs::{JobFailure, JobSpec, JobWork, Retrain};
use learning::{Ranker, Retriever, TrainError, score_since};
use registry::alias::step_back;
use registry::load::load_ranker;
use registry::resolve::{ParentRanker, trained_until};
use storage::{Purpose, TenantTx};

use crate::compute::run_for_job;
use crate::trainer::Trainer;

/// A check waits for so many new items with experts: less is not worth the look at the history.
const LEAST_ITEMS: u64 = 10;
/// Nor are fewer than one for so many of the history: each check reads all of it, and what it costs for one new item
/// is to be the same at any size.
const GROWTH_SHARE: u64 = 200;
/// Only the newest items are asked: what a customer adds of years ago says nothing about today, and one
/// late answer to an old question must not cost a look at the whole history.
const MOST_QUESTIONS: usize = 1_000;

/// Whether enough has been answered since `since`.
async fn is_worth_a_check(tx: &TenantTx, since: DateTime<Utc>) -> storage::Result<bool> {
    let items = tx.items();
    if items.count_answered_since(since, LEAST_ITEMS).await? < LEAST_ITEMS {
        return Ok(false);
    }
    let ever = DateTime::UNIX_EPOCH;
    let history = items.count_answered_since(ever, HISTORY_ITEMS).await?;
    let least = LEAST_ITEMS.max(history / GROWTH_SHARE);
    Ok(items.count_answered_since(since, least).await? == least)
}

/// A version with what is known of it so far.
struct Weighed {
    alias: Alias,
    model: ModelVersion,
    ranker: Ranker,
    score: OnlineEvaluation,
}

impl Trainer {
    /// Runs a check.
    pub(crate) async fn check_champion(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
    ) -> Result<Checked, JobFailure> {
        let task = TaskId::experts();
        let platform = self.store.maintenance(Purpose::Training);
        let tenant = platform
            .get_tenant(ctx.tenant())
            .await?
            .ok_or_else(|| JobFailure::fail("the tenant is not there any more"))?;
        let tiers = platform.tiers();
        let above = ParentRanker::read(&tiers, &self.artifacts, Some(&tenant.vertical)).await?;
        let mut checked = self.checked(ctx, &task, &above).await?;
        let Some(since) = checked.iter().map(|one| one.score.covered_until).min() else {
            return Ok(said("no version serves or is tried"));
        };
        let tx = self.store.begin(ctx).await?;
        if !is_worth_a_check(&tx, since).await? {
            return Ok(said(
                "too few new items that somebody answered; waits for more",
            ));
        }
        let watermark = tx.items().watermark().await?;
        let items = tx.items().newest_at(watermark, HISTORY_ITEMS).await?;
        let experts = tx.experts().all().await?;
        drop(tx);
        let (corpus, vectors) = self.load(ctx, work, &items, &experts).await?;
        let from = labelled(&items)
            .position(|item| item.ingested_at > since)
            .unwrap_or(corpus.len())
            .max(corpus.len().saturating_sub(MOST_QUESTIONS));
        let rankers: Vec<Ranker> = checked.iter().map(|one| one.ranker.clone()).collect();
        let other = above.stored.ranker.clone();
        let ranks = run_for_job(
            work,
            0.3..0.9,
            |_: &TrainError| true,
            move |progress| {
                let retriever = Retriever::new(&corpus, vectors.view());
                let all: Vec<&Ranker> = rankers.iter().chain([&other]).collect();
                let go_on = |_: usize| progress(0.5, "asking what came after the training");
                score_since(&retriever, from, &all, &go_on).ok_or(TrainError::Stopped)
            },
        )
        .await?;
        add(&mut checked, &items, from, &ranks, self.clock.now());
        self.conclude(ctx, &task, &checked, &above).await
    }

    /// The champion and the challenger, where there are any, with their sums. A sum against another
    /// model than today's tier above begins again.
    async fn checked(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        above: &ParentRanker,
    ) -> registry::Result<Vec<Weighed>> {
        let tx = self.store.begin(ctx).await?;
        let mut checked = Vec::new();
        for alias in [Alias::Champion, Alias::Challenger] {
            let Some(version) = tx.models().alias(task, alias).await? else {
                continue;
            };
            let Some(model) = tx.models().get(task, version).await? else {
                continue;
            };
            // A model of a space that the tenant has left does not serve, and is not asked in another.
            if model.lineage.space != self.encoder.name() {
                continue;
            }
            let Ok(stored) = load_ranker(&self.artifacts, &model).await else {
                continue;
            };
            let against = above.name.to_string();
            let known = tx.scores().get(task, version).await?;
            let trained = trained_until(&tx, &model).await?;
            let mut score = known
                .filter(|score| score.reference_model == against)
                .unwrap_or_else(|| OnlineEvaluation {
                    version,
                    reference_model: against,
                    tally: Tally::default(),
                    covered_until: trained,
                    updated_at: model.created_at,
                });
            score.covered_until = score.covered_until.max(trained);
            checked.push(Weighed {
                alias,
                model,
                ranker: stored.ranker,
                score,
            });
        }
        Ok(checked)
    }

    /// Keeps the sums, and steps back when the champion is behind.
    async fn conclude(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        checked: &[Weighed],
        above: &ParentRanker,
    ) -> Result<Checked, JobFailure> {
        let tx = self.store.begin(ctx).await?;
        let mut outcome = Checked::default();
        for one in checked {
            tx.scores().put(task, &one.score).await?;
            let gain = one.score.tally.gain();
            let name = Some(one.model.name.to_string());
            let gain = Some(format!("{:+.3} on {} questions", gain.mean, gain.count));
            match one.alias {
                Alias::Champion => (outcome.champion, outcome.champion_gain) = (name, gain),
                Alias::Challenger => (outcome.challenger, outcome.challenger_gain) = (name, gain),
            }
        }
        let champion = checked.iter().find(|one| one.alias == Alias::Champion);
        let behind = champion.filter(|one| one.score.tally.is_behind());
        if let Some(one) = behind
            && self.step_back(ctx, &tx, one, above).await?
        {
            outcome.stepped_back = Some(true);
        }
        tx.commit().await?;
        Ok(outcome)
    }

    /// Takes the champion back and queues a retrain; not when another one took its place meanwhile.
    async fn step_back(
        &self,
        ctx: &TenantContext,
        tx: &TenantTx,
        one: &Weighed,
        above: &ParentRanker,
    ) -> registry::Result<bool> {
        let (name, now) = (&one.model.name, self.clock.now());
        let gain = one.score.tally.gain();
        let reason = format!(
            "MRR {:+.3} against {} on {} questions that came after its training, at \
             most {:+.3} with {:.0} % certainty",
            gain.mean,
            above.name,
            gain.count,
            gain.high,
            (1.0 - SIGNIFICANCE_LEVEL) * 100.0
        );
        if !step_back(tx, name, &reason, ctx.actor(), now).await? {
            return Ok(false);
        }
        let retrain = Retrain::of(name.task.clone()).new_job();
        tx.jobs().enqueue(retrain, now).await?;
        tracing::warn!(model = %name, reason, "a champion fell behind");
        metrics::counter!("tenantry_champions_stepped_back_total").increment(1);
        Ok(true)
    }
}

/// Items that were answered by somebody, in the corpus's order.
pub(crate) fn labelled(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| !item.content.experts.is_empty())
}

/// Adds each version's ranks on the questions that it was not asked yet. The last list is the tier
/// above's.
fn add(
    checked: &mut [Weighed],
    items: &[Item],
    from: usize,
    ranks: &[Vec<f64>],
    now: DateTime<Utc>,
) {
    let Some((other, own)) = ranks.split_last() else {
        return;
    };
    for (one, own) in checked.iter_mut().zip(own) {
        let until = one.score.covered_until;
        for ((item, own), other) in labelled(items).skip(from).zip(own).zip(other) {
            if item.ingested_at > until {
                one.score.tally.add(*own, *other);
            }
        }
        // Those that happened too long ago to be asked are done with, too.
        let seen = labelled(items).map(|item| item.ingested_at).max();
        one.score.covered_until = seen.map_or(until, |seen| seen.max(until));
        one.score.updated_at = now;
    }
}

fn said(what: &str) -> Checked {
    Checked {
        checked: Some(what.to_owned()),
        ..Checked::default()
    }
}
