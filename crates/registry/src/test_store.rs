//! A real store with one tenant and real files, for tests.

use artifacts::{ArtifactStore, ArtifactsConfig};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Lineage, ModelVersion, TaskId, TenantContext, TenantId, TenantSettings, Verdict, VerticalId,
};
use storage::{NewModel, NewTenant, Purpose, StorageConfig, Store, TenantTx};

/// A store in a folder that goes with it, and its tenant `acme` in the vertical `software`.
pub struct TestStore {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub ctx: TenantContext,
    pub folder: tempfile::TempDir,
}

/// That many days after the tests' first.
pub fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(day)
}

impl TestStore {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            url: format!("sqlite://{}", folder.path().join("store.db").display()),
            max_connections: 4,
        };
        let store = Store::open(&config).await.unwrap();
        let path = folder.path().join("models");
        let at = Self {
            store,
            artifacts: ArtifactStore::open(&ArtifactsConfig { path }).unwrap(),
            ctx: TenantContext::for_background_work(&TenantId::parse("acme").unwrap(), "test"),
            folder,
        };
        at.tenant("acme", "software").await;
        at
    }

    /// Adds a tenant.
    pub async fn tenant(&self, id: &str, vertical: &str) -> TenantContext {
        let id = TenantId::parse(id).unwrap();
        let tenant = NewTenant {
            id: id.clone(),
            display_name: String::new(),
            vertical: VerticalId::parse(vertical).unwrap(),
            settings: TenantSettings::default(),
        };
        let platform = self.store.maintenance(Purpose::StartUp);
        platform.create_tenant(tenant, "ops", day(0)).await.unwrap();
        TenantContext::for_background_work(&id, "test")
    }

    pub async fn tx(&self) -> TenantTx {
        self.store.begin(&self.ctx).await.unwrap()
    }

    /// Registers a version of the tenant's.
    pub async fn register(&self, new: NewModel, made: DateTime<Utc>) -> ModelVersion {
        let tx = self.tx().await;
        let model = tx.models().insert(new, made).await.unwrap();
        tx.commit().await.unwrap();
        model
    }

    /// Registers a version of the tenant's with this artifact.
    pub async fn publish(&self, task: &TaskId, version: u64, artifact: &str) -> ModelVersion {
        let new = self.stored(task, version, artifact).await;
        self.register(new, day(0)).await
    }

    /// A version with this artifact, not yet registered.
    pub async fn stored(&self, task: &TaskId, version: u64, artifact: &str) -> NewModel {
        let path = format!("{task}-{version}.json");
        let bytes = artifact.as_bytes().to_vec();
        let put = self.artifacts.put(&path, bytes.into()).await.unwrap();
        NewModel {
            checksum: put.checksum,
            size: put.size,
            ..found_better(task, version, path)
        }
    }
}

/// What a training registers: a version that was found better, with a file of that name.
pub fn found_better(task: &TaskId, version: u64, artifact_path: String) -> NewModel {
    NewModel {
        task: task.clone(),
        version,
        artifact_path,
        checksum: String::new(),
        size: 0,
        lineage: Lineage {
            dataset: version,
            dataset_hash: String::new(),
            code_version: String::new(),
            seed: 17,
            space: String::new(),
            parameters: Vec::new(),
            parent: None,
        },
        verdict: Verdict::Promote,
        report: String::new(),
    }
}
