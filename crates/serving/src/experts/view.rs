//! A tenant's view: everything that a question for experts looks at, read at one moment.

use std::ops::Deref;
use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::cost::{Meter, ValueVerdict};
use domain::{Alias, Change, ModelRole, ModelVersion, Recommended, TaskId, TenantContext, Tier};
use encoding::{Encoder, Encoders};
use learning::Ranker;
use metering::usage;
use registry::load::load_ranker;
use registry::resolve::{OwnModels, TierChampions};
use storage::{SharedWithTenant, Store, TenantTx};

use super::corpus::ExpertCorpus;
use crate::Result;
use crate::residency::{Concern, Source};
use crate::route::{RoutedModels, Stale};

/// One tenant's experts, resident.
pub struct ExpertsView {
    history: Arc<ExpertCorpus>,
    /// What questions are embedded with and searched in; the corpus's heads are of it, too.
    pub(super) encoder: Encoder,
    pub(super) models: RoutedModels<Ranker>,
    stamp: Stamp,
}

impl Deref for ExpertsView {
    type Target = ExpertCorpus;

    fn deref(&self) -> &ExpertCorpus {
        &self.history
    }
}

impl Resident for ExpertsView {
    fn resident_bytes(&self) -> usize {
        self.history.bytes()
    }
}

impl ExpertsView {
    /// Its history, which a newer view may share.
    pub(super) fn history(&self) -> Arc<ExpertCorpus> {
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

/// What of the store a view was made from: one that is up to date has the store's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    corpus: CorpusStamp,
    models: ModelsStamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CorpusStamp {
    /// Embeddings of another space make another corpus.
    space: String,
    watermark: u64,
    /// The heads learn from embeddings, which come with the index.
    indexed: u64,
    experts: (usize, Option<DateTime<Utc>>),
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

/// Where views come from.
#[derive(Clone)]
pub(super) struct ExpertsSource {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub encoders: Encoders,
}

impl Source for ExpertsSource {
    type View = ExpertsView;

    const NOT_LOADED: &'static str = "TENANT_NOT_LOADED";
    const GAUGE: &'static str = "tenantry_resident_bytes";

    fn store(&self) -> &Store {
        &self.store
    }

    async fn load(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        before: Option<&ExpertsView>,
    ) -> Result<ExpertsView> {
        // Before the tenant's own transaction: nobody waits for a second connection with one in hand.
        let shared = self.store.shared_with(ctx).await?;
        let champions = champions(&shared, task).await?;
        let tx = self.store.begin(ctx).await?;
        let encoder = self.encoders.active(&tx).await?;
        let mut stamp = stamp(&tx, encoder.name(), task, &champions).await?;
        let own = OwnModels::read(&tx, task).await?;
        let history = match before.filter(|before| before.stamp.corpus == stamp.corpus) {
            Some(before) => {
                drop(tx);
                before.history()
            }
            None => Arc::new(history(tx, &encoder, stamp.corpus.watermark).await?),
        };
        let worth = stamp.models.own_model;
        let above = champions.models(&shared.tiers(), &own.policy).await?;
        let models = self.models(own, above, worth, encoder.name()).await;
        stamp.models.is_complete = models.is_complete;
        Ok(ExpertsView {
            history,
            encoder,
            models,
            stamp,
        })
    }

    async fn is_current(&self, ctx: &TenantContext, view: &ExpertsView) -> Result<bool> {
        let task = &view.models.task;
        let shared = self.store.shared_with(ctx).await?;
        let champions = champions(&shared, task).await?;
        let tx = self.store.begin(ctx).await?;
        let space = tx.spaces().active().await?;
        Ok(stamp(&tx, &space, task, &champions).await? == view.stamp)
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

impl ExpertsSource {
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

/// What the store has now.
async fn stamp(
    tx: &TenantTx,
    space: &str,
    task: &TaskId,
    champions: &TierChampions,
) -> Result<Stamp> {
    let experts = tx.experts().all().await?;
    let models = tx.models();
    let newest = models.list(Some(task), None, 1).await?;
    let value = tx.values().newest().await?;
    Ok(Stamp {
        corpus: CorpusStamp {
            space: space.to_owned(),
            watermark: tx.items().watermark().await?,
            indexed: tx.index().watermark(space).await?,
            experts: (
                experts.len(),
                experts.iter().map(|expert| expert.updated_at).max(),
            ),
        },
        models: ModelsStamp {
            policy: tx.routing().get(task).await?.map(|set| set.updated_at),
            champion: models.alias(task, Alias::Champion).await?,
            challenger: models.alias(task, Alias::Challenger).await?,
            newest: newest.first().map(|model| model.name.version),
            own_model: value.map(|value| value.verdict),
            tiers: champions.clone(),
            is_complete: true,
        },
    })
}

/// The tenant's history, with the embeddings of one space.
async fn history(tx: TenantTx, encoder: &Encoder, watermark: u64) -> Result<ExpertCorpus> {
    let items = tx.items().at_watermark(watermark).await?;
    let listed = tx.experts().all().await?;
    let texts: Vec<&str> = items
        .iter()
        .filter(|item| !item.content.experts.is_empty())
        .map(|item| item.content.text.as_str())
        .collect();
    let vectors = encoder.cached(&tx, &texts).await?;
    drop(tx);
    usage::blocking(Meter::ModelCpu, move || {
        ExpertCorpus::build(&items, &listed, &vectors)
    })
    .await?
}
