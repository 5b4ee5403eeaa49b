//! A tenant with real parts in a temporary folder: for tests of the use cases without a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifacts::{ArtifactStore, ArtifactsConfig};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock, ExpertId, ItemContent, ItemId, NewExpert, TaskId, TenantContext, TenantId,
    TenantSettings, VerticalId,
};
use embedding::{Embedders, EmbeddingConfig};
use encoding::{Encoder, Encoders, Lane};
use learning::tokens;
use metering::usage::UsageRecorder;
use storage::{NewTenant, Purpose, StorageConfig, Store, TenantTx};
use vectors::{EmbeddedStore, Point, SparseVector, VectorStore};

use crate::experts::{Experts, ExpertsParts};
use crate::tasks::{Tasks, TasksParts};

/// That many days after the tests' first.
pub fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(day)
}

pub fn expert(id: &str) -> ExpertId {
    ExpertId::parse(id).unwrap()
}

/// An item that `experts` answered on that day.
pub fn item(id: &str, text: &str, experts: &[&str], at: i64) -> ItemContent {
    ItemContent {
        id: ItemId::parse(id).unwrap(),
        text: text.to_owned(),
        answer: None,
        area: None,
        labels: Vec::new(),
        attributes: BTreeMap::new(),
        experts: experts.iter().map(|id| expert(id)).collect(),
        occurred_at: day(at),
    }
}

/// A store in a temporary folder, with the tenant `acme` in the vertical `software`.
pub async fn temporary_store() -> (tempfile::TempDir, Store, TenantContext) {
    let folder = tempfile::tempdir().unwrap();
    let config = StorageConfig {
        url: format!("sqlite://{}", folder.path().join("store.db").display()),
        max_connections: 4,
    };
    let store = Store::open(&config).await.unwrap();
    let id = TenantId::parse("acme").unwrap();
    let tenant = NewTenant {
        id: id.clone(),
        display_name: String::new(),
        vertical: VerticalId::parse("software").unwrap(),
        settings: TenantSettings::default(),
    };
    let platform = store.maintenance(Purpose::StartUp);
    platform.create_tenant(tenant, "ops", day(0)).await.unwrap();
    let ctx = TenantContext::for_background_work(&id, "test");
    (folder, store, ctx)
}

/// All that answers are made from, around [`temporary_store`].
pub struct World {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub encoders: Encoders,
    pub vectors: Arc<dyn VectorStore>,
    pub ctx: TenantContext,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let (folder, store, ctx) = temporary_store().await;
        let embedders = Embedders::open(&EmbeddingConfig::default()).unwrap();
        let encoder = Encoder::new(store.clone(), embedders.default_model().clone());
        let path = folder.path().join("vectors");
        let vectors = EmbeddedStore::open(&path, 1 << 20).await.unwrap();
        vectors.ensure_space(encoder.space()).await.unwrap();
        let path = folder.path().join("models");
        Self {
            artifacts: ArtifactStore::open(&ArtifactsConfig { path }).unwrap(),
            encoders: Encoders::new(store.clone(), embedders),
            vectors: Arc::new(vectors),
            ctx,
            folder,
            store,
        }
    }

    /// Where its files are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn experts(&self) -> Experts {
        Experts::new(ExpertsParts {
            store: self.store.clone(),
            vectors: self.vectors.clone(),
            artifacts: self.artifacts.clone(),
            encoders: self.encoders.clone(),
            recorder: UsageRecorder::disabled(clock()),
            clock: clock(),
            max_bytes: 1 << 30,
        })
    }

    pub fn tasks(&self) -> Tasks {
        Tasks::new(TasksParts {
            store: self.store.clone(),
            vectors: self.vectors.clone(),
            artifacts: self.artifacts.clone(),
            encoders: self.encoders.clone(),
            recorder: UsageRecorder::disabled(clock()),
            max_bytes: 1 << 30,
        })
    }

    pub async fn tx(&self) -> TenantTx {
        self.store.begin(&self.ctx).await.unwrap()
    }

    /// Lists an expert, or changes on a later day whether the expert can take work.
    pub async fn list_expert(&self, id: &str, available: bool, on: DateTime<Utc>) {
        let new = NewExpert {
            id: expert(id),
            display_name: id.to_uppercase(),
            profile: String::new(),
            active: true,
            available,
        };
        let tx = self.tx().await;
        tx.experts().upsert(&[new], on).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Writes items and indexes them.
    pub async fn write(&self, items: Vec<ItemContent>) {
        let tx = self.tx().await;
        let before = tx.items().watermark().await.unwrap();
        tx.items().upsert(items, day(0)).await.unwrap();
        tx.commit().await.unwrap();
        let tx = self.tx().await;
        let changes = tx.items().changed_since(before, 10_000).await.unwrap();
        let target = tx.items().watermark().await.unwrap();
        let encoder = self.encoders.active(&tx).await.unwrap();
        drop(tx);
        let items: Vec<_> = changes.into_iter().filter_map(|one| one.item).collect();
        let texts: Vec<&str> = items.iter().map(|one| one.content.text.as_str()).collect();
        let dense = encoder.encode(&self.ctx, &texts, Lane::Passage).await;
        let points = items.iter().zip(dense.unwrap()).map(|(item, dense)| {
            let weights = tokens::document_weights(&tokens::count(&item.content.text));
            let (indices, values) = weights.into_iter().unzip();
            Point {
                id: item.point,
                dense,
                sparse: SparseVector { indices, values },
            }
        });
        let (space, tenant) = (encoder.space(), self.ctx.tenant());
        let upserted = self.vectors.upsert(space, tenant, points.collect()).await;
        upserted.unwrap();
        let tx = self.tx().await;
        let index = tx.index();
        index.set_watermark(encoder.name(), target).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Two experts with three answers each: sofia knows security, omar knows invoices.
    pub async fn history(&self) {
        for id in ["sofia", "omar"] {
            self.list_expert(id, true, day(0)).await;
        }
        self.write(vec![
            item(
                "s1",
                "How is customer data encrypted at rest?",
                &["sofia"],
                1,
            ),
            item("o1", "When do you send the monthly invoice?", &["omar"], 2),
            item(
                "s2",
                "Do you encrypt backups of customer data?",
                &["sofia"],
                3,
            ),
            item(
                "o2",
                "Which payment terms are on the invoice?",
                &["omar"],
                4,
            ),
            item("s3", "Who manages the encryption keys?", &["sofia"], 5),
            item("o3", "Can we pay the invoice by credit card?", &["omar"], 6),
        ])
        .await;
    }

    /// The name of the tenant's space.
    pub async fn space(&self) -> String {
        self.tx().await.spaces().active().await.unwrap()
    }

    /// Sets the policy of a task.
    pub async fn set_policy(&self, task: &TaskId, policy: &domain::RoutingPolicy) {
        let tx = self.tx().await;
        tx.routing().set(task, policy, day(1)).await.unwrap();
        tx.commit().await.unwrap();
    }
}

pub fn clock() -> Clock {
    Clock::new(|| day(10))
}
