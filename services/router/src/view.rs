//! A tenant's view: what the router knows of it without asking anybody.

use std::ops::Deref;
use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::TenantContext;
use domain::cost::Meter;
use embedding::Embedders;
use metering::usage;
use server::ServiceError;
use storage::{Store, TenantTx};

use crate::chain::{Chain, ChainStamp, OwnChain, TierChampions};
use crate::history::{History, rows};
use crate::space::AskedSpace;

/// One tenant, resident.
pub(crate) struct TenantView {
    history: Arc<History>,
    /// What questions are embedded with and searched in; the history's heads are of it, too.
    pub asked: AskedSpace,
    /// The models that may answer.
    pub chain: Chain,
    /// What of the store this was made from.
    pub stamp: Stamp,
}

/// What tells a view that is up to date from one that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    history: HistoryStamp,
    chain: ChainStamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct HistoryStamp {
    /// Embeddings of another space make another history.
    space: String,
    watermark: u64,
    /// The heads learn from embeddings, which come with the index.
    indexed: u64,
    experts: (usize, Option<DateTime<Utc>>),
}

impl Stamp {
    /// The same for two views that answer alike, in this version of the program. It covers every
    /// part of the stamp; that it is made from their debugging form costs no more than answers that
    /// are computed once more when that form changes.
    pub(crate) fn fingerprint(&self) -> String {
        let parts = format!("{} {self:?}", env!("CARGO_PKG_VERSION"));
        blake3::hash(parts.as_bytes()).to_hex().to_string()
    }
}

/// What a view is read with.
#[derive(Clone)]
pub(crate) struct Reader {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub embedders: Embedders,
}

impl Deref for TenantView {
    type Target = History;

    fn deref(&self) -> &History {
        &self.history
    }
}

impl Resident for TenantView {
    fn resident_bytes(&self) -> usize {
        self.history.bytes()
    }
}

impl Reader {
    /// Reads a tenant from the store. What did not change since `before` is taken from there.
    pub(crate) async fn read(
        &self,
        ctx: &TenantContext,
        before: Option<&TenantView>,
    ) -> Result<TenantView, ServiceError> {
        let shared = self.store.shared_with(ctx).await?;
        let (tiers, vertical) = (shared.tiers(), &shared.tenant().vertical);
        // Before the tenant's own transaction: nobody waits for a second connection with one in hand.
        let champions = TierChampions::read(&tiers, vertical).await?;
        let tx = self.store.begin(ctx).await?;
        let asked = AskedSpace::active(&tx, &self.embedders).await?;
        let mut stamp = Self::stamp_in(&tx, asked.name(), &champions).await?;
        let own = OwnChain::read(&tx).await?;
        let history = match before.filter(|before| before.stamp.history == stamp.history) {
            Some(before) => {
                drop(tx);
                Arc::clone(&before.history)
            }
            None => Arc::new(history(tx, &asked, stamp.history.watermark).await?),
        };
        let space = asked.name();
        let chain = Chain::load(own, &champions, &tiers, &self.artifacts, space).await?;
        stamp.chain.note(&chain);
        Ok(TenantView {
            history,
            asked,
            chain,
            stamp,
        })
    }

    /// What the store has now.
    pub(crate) async fn stamp(&self, ctx: &TenantContext) -> Result<Stamp, ServiceError> {
        let shared = self.store.shared_with(ctx).await?;
        let champions = TierChampions::read(&shared.tiers(), &shared.tenant().vertical).await?;
        let tx = self.store.begin(ctx).await?;
        let space = tx.spaces().active().await?;
        Self::stamp_in(&tx, &space, &champions).await
    }

    async fn stamp_in(
        tx: &TenantTx,
        space: &str,
        champions: &TierChampions,
    ) -> Result<Stamp, ServiceError> {
        let experts = tx.experts().all().await?;
        Ok(Stamp {
            history: HistoryStamp {
                space: space.to_owned(),
                watermark: tx.items().watermark().await?,
                indexed: tx.index().watermark(space).await?,
                experts: (
                    experts.len(),
                    experts.iter().map(|expert| expert.updated_at).max(),
                ),
            },
            chain: ChainStamp::read(tx, champions).await?,
        })
    }
}

/// The tenant's history, with the embeddings of one space.
async fn history(
    tx: TenantTx,
    asked: &AskedSpace,
    watermark: u64,
) -> Result<History, ServiceError> {
    let items = tx.items().at_watermark(watermark).await?;
    let listed = tx.experts().all().await?;
    let hashes: Vec<_> = items
        .iter()
        .filter(|item| !item.content.experts.is_empty())
        .map(|item| asked.embedder.content_hash(&item.content.text))
        .collect();
    let known = tx.embeddings().get(asked.name(), &hashes).await?;
    drop(tx);
    let dimensions = asked.space.dimensions;
    usage::blocking(Meter::ModelCpu, move || {
        let vectors = rows(&hashes, &known, dimensions);
        History::build(&items, &listed, &vectors)
    })
    .await
    .map_err(ServiceError::internal)?
}

/// A view that requests share.
pub(crate) type SharedView = Arc<TenantView>;
