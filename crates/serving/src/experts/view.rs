//! A tenant's view: everything that a question for experts looks at. What is read at one moment stays so, but for
//! the history, which takes new items at its end.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::cost::{Meter, ValueVerdict};
use domain::{
    Change, HISTORY_ITEMS, Item, ModelRole, ModelVersion, Recommended, TaskId, TenantContext,
    TenantState, Tier,
};
use encoding::{Encoder, Encoders};
use learning::Ranker;
use metering::usage;
use registry::load::load_ranker;
use registry::resolve::{OwnModels, TierChampions};
use storage::{ServingState, SharedWithTenant, Store, TenantTx};

use super::answer_cache::AnswerCache;
use super::corpus::{AT_ONCE, ExpertCorpus};
use super::snapshots::{Snapshots, is_due};
use crate::Result;
use crate::residency::{Compared, Concern, Source};
use crate::route::{RoutedModels, Stale};

/// Changes that are added to a history where it lies; more have it read again.
const MOST_CHANGES: u32 = 1_000;

/// What learning needs of a shorter history takes more bytes than its items: it is not kept of one that was
/// read to answer, and its first new item has it read again.
const LEARNS_FROM: usize = 1_000;

/// A history that views share: it grows under the requests that look at it, by items at its end alone, so that
/// what a request has found in it stays where it is.
pub(super) type SharedHistory = Arc<RwLock<ExpertCorpus>>;

/// One tenant's experts, resident.
pub struct ExpertsView {
    history: SharedHistory,
    /// What questions are embedded with and searched in; the history has learned from its embeddings, too.
    pub(super) encoder: Encoder,
    pub(super) models: Arc<RoutedModels<Ranker>>,
    stamp: Stamp,
    /// When its history changed last.
    grown_at: Instant,
    /// What was asked for of what was computed ahead.
    pub(super) answers: AnswerCache,
}

impl Resident for ExpertsView {
    fn resident_bytes(&self) -> usize {
        self.history().bytes()
    }
}

impl ExpertsView {
    /// Its history now. Not to be held across an await: whoever adds to it waits.
    pub(super) fn history(&self) -> RwLockReadGuard<'_, ExpertCorpus> {
        read(&self.history)
    }

    /// Whether the rankers of what the store has now are those of this view.
    fn has_rankers_of(&self, now: &Stamp) -> bool {
        self.stamp.models == now.models && self.stamp.corpus.space == now.corpus.space
    }

    /// Its history, if one of what the store has now can be made of it by adding items.
    fn history_for(&self, now: &CorpusStamp) -> Option<SharedHistory> {
        let before = &self.stamp.corpus;
        let same = (&before.space, &before.experts) == (&now.space, &now.experts);
        same.then(|| self.shared_history())
    }

    /// The same with its history in another place.
    fn with(&self, history: ExpertCorpus) -> Self {
        Self {
            answers: AnswerCache::default(),
            history: Arc::new(RwLock::new(history)),
            encoder: self.encoder.clone(),
            models: Arc::clone(&self.models),
            stamp: self.stamp.clone(),
            grown_at: self.grown_at,
        }
    }

    /// What of the store its history is of.
    #[cfg(test)]
    pub(super) fn corpus_stamp(&self) -> &CorpusStamp {
        &self.stamp.corpus
    }

    /// Its history, which a newer view may share.
    pub(super) fn shared_history(&self) -> SharedHistory {
        Arc::clone(&self.history)
    }

    /// The same for two views that answer alike, in this version of the program. It covers every
    /// part of the stamp; that it is made from their debugging form costs no more than answers that
    /// are computed once more when that form changes.
    pub(super) fn fingerprint(&self) -> String {
        let version = (env!("CARGO_PKG_VERSION"), Recommended::FORM);
        let parts = format!("{version:?} {:?}", self.stamp);
        blake3::hash(parts.as_bytes()).to_hex().to_string()
    }
}

/// Lists only grow under the lock, so whoever panicked in the middle has left nothing that is read wrongly;
/// the writer looks for such a one and makes the history again.
pub(super) fn read(history: &RwLock<ExpertCorpus>) -> RwLockReadGuard<'_, ExpertCorpus> {
    history.read().unwrap_or_else(PoisonError::into_inner)
}

/// Where the rankers of a view come from.
enum Rankers {
    Same(Arc<RoutedModels<Ranker>>),
    Other(OwnModels),
}

/// What of the store a view was made from: one that is up to date has the store's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    corpus: CorpusStamp,
    models: ModelsStamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CorpusStamp {
    /// Embeddings of another space make another corpus.
    pub space: String,
    watermark: u64,
    /// Embeddings, which are learned from, come with the index.
    indexed: u64,
    pub experts: (u64, Option<DateTime<Utc>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelsStamp {
    policy: Option<DateTime<Utc>>,
    champion: Option<u64>,
    challenger: Option<u64>,
    newest: Option<u64>,
    own_model: Option<ValueVerdict>,
    tiers: TierChampions,
    /// What the store has is complete; models that could not all be read are never up to date.
    is_complete: bool,
}

impl Stamp {
    fn new(now: ServingState, tiers: TierChampions) -> Self {
        Self {
            corpus: CorpusStamp {
                space: now.space,
                watermark: now.items,
                indexed: now.indexed,
                experts: now.experts,
            },
            models: ModelsStamp {
                policy: now.policy,
                champion: now.champion,
                challenger: now.challenger,
                newest: now.newest,
                own_model: now.own_model,
                tiers,
                is_complete: true,
            },
        }
    }
}

/// Where views come from.
#[derive(Clone)]
pub(super) struct ExpertsSource {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub encoders: Encoders,
    pub snapshots: Snapshots,
}

impl Source for ExpertsSource {
    type View = ExpertsView;
    type Looked = Looked;

    const NOT_LOADED: &'static str = "TENANT_NOT_LOADED";
    const GAUGE: &'static str = "tenantry_resident_bytes";

    fn store(&self) -> &Store {
        &self.store
    }

    async fn look(&self, ctx: &TenantContext, task: &TaskId) -> Result<Looked> {
        // Before the tenant's own transaction: nobody waits for a second connection with one in hand.
        let shared = self.store.shared_with(ctx).await?;
        let tiers = champions(&shared, task).await?;
        let tx = self.store.begin(ctx).await?;
        let stamp = Stamp::new(tx.serving_state(task).await?, tiers);
        Ok(Looked { shared, tx, stamp })
    }

    async fn make(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        looked: Looked,
        before: Option<&ExpertsView>,
    ) -> Result<ExpertsView> {
        let Looked {
            shared,
            tx,
            mut stamp,
        } = looked;
        let encoder = self.encoders.of(&stamp.corpus.space).await?;
        // Rankers are files: they are read again only when others serve.
        let rankers = match before.filter(|before| before.has_rankers_of(&stamp)) {
            Some(before) => Rankers::Same(Arc::clone(&before.models)),
            None => Rankers::Other(OwnModels::read(&tx, task).await?),
        };
        let (history, grown_at) = self
            .history(ctx, tx, &encoder, before, &stamp.corpus)
            .await?;
        let models = match rankers {
            Rankers::Same(models) => models,
            Rankers::Other(own) => {
                let tiers = &stamp.models.tiers;
                let above = tiers.models(&shared.tiers(), &own.policy).await?;
                let worth = stamp.models.own_model;
                Arc::new(self.models(own, above, worth, encoder.name()).await)
            }
        };
        stamp.models.is_complete = models.is_complete;
        Ok(ExpertsView {
            answers: AnswerCache::default(),
            history,
            encoder,
            models,
            stamp,
            grown_at,
        })
    }

    fn compare(view: &ExpertsView, looked: &Looked) -> Compared {
        match looked.shared.tenant().state {
            TenantState::Active if looked.stamp == view.stamp => Compared::Same,
            TenantState::Active => Compared::Other,
            _ => Compared::Gone,
        }
    }

    fn is_settling_due(view: &ExpertsView) -> bool {
        is_due(&view.history(), view.grown_at)
    }

    async fn settled(&self, ctx: &TenantContext, view: &ExpertsView) -> Option<ExpertsView> {
        let (stamp, history) = (&view.stamp.corpus, view.shared_history());
        let saved = self.snapshots.save(ctx, stamp, history).await;
        Some(view.with(saved.ok()??))
    }

    fn concern(change: Change) -> Concern {
        match change {
            Change::Tenant(tenant)
            | Change::Experts(tenant)
            | Change::Items(tenant)
            | Change::Index(tenant)
            | Change::Models(tenant) => Concern::Tenant(tenant),
            Change::Tiers => Concern::Everybody,
            Change::Tasks(_) | Change::Jobs(_) | Change::Key(_) => Concern::Nobody,
        }
    }

    /// The tenant has switched to another space since: the former one may be dropped, and what was found
    /// in it may lack items. Or its kill switch was thrown.
    fn has_moved_on(view: &ExpertsView, now: &ExpertsView) -> bool {
        let is_killed = |view: &ExpertsView| view.models.policy.kill_switch;
        now.encoder.name() != view.encoder.name() || is_killed(now) != is_killed(view)
    }
}

/// What of the store a view is made from.
pub(super) struct Looked {
    shared: SharedWithTenant,
    tx: TenantTx,
    stamp: Stamp,
}

impl ExpertsSource {
    /// A history of what the store has now, and when it changed: that of the view before or of the snapshot
    /// with the items that have come since, or one that is read from the store.
    async fn history(
        &self,
        ctx: &TenantContext,
        tx: TenantTx,
        encoder: &Encoder,
        before: Option<&ExpertsView>,
        now: &CorpusStamp,
    ) -> Result<(SharedHistory, Instant)> {
        let history = match before {
            Some(before) => before.history_for(now),
            None => {
                let opened = self.snapshots.open(ctx.tenant(), now).await?;
                opened.map(|history| Arc::new(RwLock::new(history)))
            }
        };
        if let Some(history) = history {
            let items = read(&history).corpus.len();
            if grown(&tx, encoder, &history, now).await? {
                let same = read(&history).corpus.len() == items;
                let before = before.filter(|_| same).map(|before| before.grown_at);
                return Ok((history, before.unwrap_or_else(Instant::now)));
            }
        }
        let mut built = build(tx, encoder, now.watermark).await?;
        if before.is_none() && built.corpus.len() < LEARNS_FROM {
            built.stop_growing();
        }
        Ok((Arc::new(RwLock::new(built)), Instant::now()))
    }

    /// The tenant's own models and those of the tiers above. `space` is the tenant's active one: what
    /// the tenant's own were trained in, or they do not serve.
    async fn models(
        &self,
        own: OwnModels,
        above: Vec<(ModelVersion, ModelRole)>,
        worth: Option<ValueVerdict>,
        space: &str,
    ) -> RoutedModels<Ranker> {
        let task = TaskId::experts();
        let mut models = RoutedModels::new(task, own.policy, own.no_champion, worth);
        for (version, role) in own.models.into_iter().chain(above) {
            let is_own = version.name.tier() == Tier::Tenant;
            let stale = (is_own && version.lineage.space != space)
                .then(|| Stale::Space(version.lineage.space.clone()));
            let loaded = load_ranker(&self.artifacts, &version).await;
            models.add((version, role), stale, loaded.map(|stored| stored.ranker));
        }
        models
    }
}

/// What serves in the tiers above the tenant.
async fn champions(shared: &SharedWithTenant, task: &TaskId) -> Result<TierChampions> {
    let vertical = Some(&shared.tenant().vertical);
    Ok(TierChampions::read(&shared.tiers(), vertical, task).await?)
}

/// Adds to a history the items that have come since; whether it is then of what the store has now.
async fn grown(
    tx: &TenantTx,
    encoder: &Encoder,
    history: &SharedHistory,
    now: &CorpusStamp,
) -> Result<bool> {
    if history.is_poisoned() {
        return Ok(false);
    }
    let covered = read(history).covered();
    // It may be of a database that an older one has taken the place of.
    if covered > now.watermark {
        return Ok(false);
    }
    let changes = tx.items().changed_since(covered, MOST_CHANGES).await?;
    let is_all = changes.len() < MOST_CHANGES as usize;
    let newest = changes.last().map_or(covered, |change| change.change);
    // One that was changed again since this read began hides what it was.
    if !is_all || newest > now.watermark {
        return Ok(false);
    }
    let items: Option<Vec<Item>> = changes.into_iter().map(|change| change.item).collect();
    let Some(mut items) = items else {
        return Ok(false);
    };
    items.sort_unstable_by(|a, b| {
        (a.content.occurred_at, &a.content.id).cmp(&(b.content.occurred_at, &b.content.id))
    });
    let covered = now.watermark;
    let growing = Arc::clone(history);
    let take = move || take(&growing, &items, covered);
    if !usage::blocking(Meter::ModelCpu, take).await?? {
        return Ok(false);
    }
    if !read(history).learns_embeddings() {
        return Ok(false);
    }
    while learn_embeddings(tx, encoder, history).await? {}
    Ok(true)
}

/// Learns from embeddings that have come since; whether there may be more.
async fn learn_embeddings(
    tx: &TenantTx,
    encoder: &Encoder,
    history: &SharedHistory,
) -> Result<bool> {
    let wanted = read(history).embeddings_wanted();
    if wanted.is_empty() {
        return Ok(false);
    }
    let items = tx.items().by_points(&wanted).await?;
    let texts: Vec<&str> = items
        .iter()
        .map(|item| item.content.text.as_str())
        .collect();
    let rows = encoder.cached(tx, &texts).await?;
    let known = items.iter().zip(rows.outer_iter());
    let known: HashMap<u64, Vec<f32>> = known
        .filter(|(_, row)| row.iter().all(|value| !value.is_nan()))
        .map(|(item, row)| (item.point, row.to_vec()))
        .collect();
    let history = Arc::clone(history);
    let learn = move || {
        let mut any = false;
        while let Ok(mut history) = history.write()
            && history.learn_embeddings(&known)
        {
            any = true;
        }
        any
    };
    Ok(usage::blocking(Meter::ModelCpu, learn).await?)
}

/// Adds items to a history, if they can be added where it lies.
fn take(history: &RwLock<ExpertCorpus>, items: &[Item], covered: u64) -> Result<bool> {
    if !read(history).can_take(items) {
        return Ok(false);
    }
    // Requests come between: nobody waits for more than a few items.
    for few in items.chunks(AT_ONCE) {
        let Ok(mut history) = history.write() else {
            return Ok(false);
        };
        if !history.can_take(few) {
            return Ok(false);
        }
        history.take(few)?;
    }
    let Ok(mut history) = history.write() else {
        return Ok(false);
    };
    history.cover(covered);
    Ok(true)
}

/// The tenant's history, with the embeddings of one space.
async fn build(tx: TenantTx, encoder: &Encoder, watermark: u64) -> Result<ExpertCorpus> {
    let items = tx.items().newest_at(watermark, HISTORY_ITEMS).await?;
    let listed = tx.experts().all().await?;
    let texts: Vec<&str> = items
        .iter()
        .filter(|item| !item.content.experts.is_empty())
        .map(|item| item.content.text.as_str())
        .collect();
    let vectors = encoder.cached(&tx, &texts).await?;
    drop(tx);
    usage::blocking(Meter::ModelCpu, move || {
        ExpertCorpus::build((&items, watermark), &listed, &vectors)
    })
    .await?
}
