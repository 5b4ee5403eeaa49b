//! A tenant's view: what the router knows of it without asking anybody.

use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::{
    Alias, Candidate, ExpertId, ItemId, ModelName, ModelOwner, Policy, Route, TaskId,
    TenantContext, Verdict, choose_route,
};
use learning::{Corpus, Document, Features, Ranker, Statistics, global_ranker};
use server::ServiceError;
use storage::Store;

/// Model versions looked at to tell whether the tenant was ever judged.
const VERSIONS: u32 = 20;

/// One tenant, resident.
pub(crate) struct TenantView {
    pub corpus: Corpus,
    pub statistics: Statistics,
    /// In the corpus's order.
    pub experts: Vec<ResidentExpert>,
    /// In the corpus's order.
    pub items: Vec<ResidentItem>,
    /// Experts that may be recommended now, by position.
    pub candidates: Vec<u16>,
    champion: Option<Champion>,
    judged: bool,
    /// What of the store this was made from.
    pub stamp: Stamp,
}

/// What tells a view that is up to date from one that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    watermark: u64,
    experts: (usize, Option<DateTime<Utc>>),
    champion: Option<u64>,
    newest_model: Option<u64>,
}

pub(crate) struct ResidentExpert {
    pub id: ExpertId,
    pub display_name: String,
}

pub(crate) struct ResidentItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
}

struct Champion {
    name: ModelName,
    /// None when the artifact is missing or damaged.
    ranker: Option<Ranker>,
}

impl Resident for TenantView {
    fn resident_bytes(&self) -> usize {
        self.corpus.bytes() + self.statistics.bytes() + self.items.len() * 64
    }
}

impl TenantView {
    /// Reads a tenant from the store.
    pub(crate) async fn load(
        store: &Store,
        artifacts: &ArtifactStore,
        ctx: &TenantContext,
    ) -> Result<Self, ServiceError> {
        let tx = store.begin(ctx).await?;
        let stamp = Stamp::read(&tx).await?;
        let items = tx.items().at_watermark(stamp.watermark).await?;
        let listed = tx.experts().all().await?;
        let task = TaskId::experts();
        let versions = tx.models().list(Some(&task), None, VERSIONS).await?;
        let champion = match stamp.champion {
            Some(version) => tx.models().get(&task, version).await?,
            None => None,
        };
        drop(tx);
        let champion = match champion {
            Some(model) => Some(Champion {
                ranker: load_ranker(artifacts, &model.artifact_path, &model.checksum).await,
                name: model.name,
            }),
            None => None,
        };
        let judged = versions
            .iter()
            .any(|model| model.verdict != Verdict::InsufficientData);
        // Thousands of texts are cut into words: not on a thread that others wait for.
        tokio::task::spawn_blocking(move || Self::build(&items, &listed, champion, judged, stamp))
            .await
            .map_err(ServiceError::internal)?
    }

    fn build(
        items: &[domain::Item],
        listed: &[domain::Expert],
        champion: Option<Champion>,
        judged: bool,
        stamp: Stamp,
    ) -> Result<Self, ServiceError> {
        let corpus = Corpus::new(items.iter().map(Document::from), listed)
            .map_err(ServiceError::internal)?;
        let statistics = Statistics::as_of(&corpus, corpus.items().len());
        let experts: Vec<ResidentExpert> = corpus
            .experts()
            .iter()
            .enumerate()
            .map(|(at, id)| ResidentExpert {
                id: id.clone(),
                // Experts that only items name come after the listed ones and have no name.
                display_name: listed
                    .get(at)
                    .map(|expert| expert.display_name.clone())
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| id.to_string()),
            })
            .collect();
        let may_answer = |at: usize| listed.get(at).is_none_or(|e| e.active && e.available);
        let candidates = Features::new(&corpus, &statistics)
            .candidates()
            .into_iter()
            .filter(|&at| may_answer(usize::from(at)))
            .collect();
        let items = items
            .iter()
            .filter(|item| !item.content.experts.is_empty())
            .map(|item| ResidentItem {
                id: item.content.id.clone(),
                occurred_at: item.content.occurred_at,
            })
            .collect();
        Ok(Self {
            corpus,
            statistics,
            experts,
            items,
            candidates,
            champion,
            judged,
            stamp,
        })
    }

    /// The model that serves, and why.
    pub(crate) fn route(&self) -> (Route, &Ranker) {
        let candidates: Vec<Candidate> = self.champion.iter().map(Champion::candidate).collect();
        let route = choose_route(Policy::Auto, &candidates, self.judged, &global_model());
        let ranker = self
            .champion
            .as_ref()
            .filter(|champion| champion.name == route.model)
            .and_then(|champion| champion.ranker.as_ref())
            .unwrap_or_else(|| global_ranker());
        (route, ranker)
    }

    /// The models that routing looks at, in words.
    pub(crate) fn considered(&self) -> Vec<String> {
        let mut all = Vec::new();
        match &self.champion {
            Some(Champion {
                name,
                ranker: Some(_),
            }) => all.push(format!("{name}: champion, healthy")),
            Some(Champion { name, ranker: None }) => {
                all.push(format!("{name}: champion, but its artifact cannot be used"));
            }
            None if self.judged => {
                all.push("no champion: the last version was not proven better".into());
            }
            None => {
                all.push("no champion: no version has been judged on enough data".into());
            }
        }
        all.push(format!(
            "{}: ships with the code, always there",
            global_model()
        ));
        all
    }
}

impl Champion {
    fn candidate(&self) -> Candidate {
        Candidate {
            model: self.name.clone(),
            proven: true,
            healthy: self.ranker.is_some(),
        }
    }
}

impl Stamp {
    /// What the store has now.
    pub(crate) async fn read(tx: &storage::TenantTx) -> Result<Self, ServiceError> {
        let task = TaskId::experts();
        let experts = tx.experts().all().await?;
        Ok(Self {
            watermark: tx.items().watermark().await?,
            experts: (
                experts.len(),
                experts.iter().map(|expert| expert.updated_at).max(),
            ),
            champion: tx.models().alias(&task, Alias::Champion).await?,
            newest_model: tx
                .models()
                .list(Some(&task), None, 1)
                .await?
                .first()
                .map(|m| m.name.version),
        })
    }
}

/// The model that ships with the code.
pub(crate) fn global_model() -> ModelName {
    ModelName {
        owner: ModelOwner::Global,
        task: TaskId::experts(),
        version: 0,
    }
}

/// The ranker in an artifact; none, with a line in the log, when it cannot be used.
pub(crate) async fn load_ranker(
    artifacts: &ArtifactStore,
    path: &str,
    checksum: &str,
) -> Option<Ranker> {
    let bytes = match artifacts.get(path, checksum).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, path, "a model cannot be used; the tier above serves");
            return None;
        }
    };
    let ranker = serde_json::from_slice::<Ranker>(&bytes)
        .ok()
        .filter(Ranker::is_sound);
    if ranker.is_none() {
        tracing::error!(
            path,
            "a model was made for other features; the tier above serves"
        );
    }
    ranker
}

/// A view that requests share.
pub(crate) type SharedView = Arc<TenantView>;
