//! An empty store, and short words for what the cases say often.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    AccessScope, ApiKey, AuditEvent, ExpertId, ItemContent, ItemId, JobKind, KeyId, NewExpert,
    OperatorContext, Role, TenantContext, TenantId, TenantSettings, VerticalId,
};
use tempfile::TempDir;
use tenantry_storage::{NewJob, NewTenant, SpaceJobs, StorageConfig, Store, TenantTx};

pub struct World {
    pub store: Store,
    pub url: String,
    /// Removed with the world.
    pub _folder: Option<TempDir>,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("deep/store.db").display());
        Self {
            store: open(&url).await,
            url,
            _folder: Some(folder),
        }
    }

    pub async fn at(url: String) -> Self {
        Self {
            store: open(&url).await,
            url,
            _folder: None,
        }
    }

    /// Makes a tenant and enters it.
    pub async fn tenant(&self, id: &str) -> TenantContext {
        let new = NewTenant {
            id: tenant_id(id),
            display_name: format!("The {id}"),
            vertical: VerticalId::parse("software").unwrap(),
            settings: TenantSettings::default(),
        };
        let made = self
            .store
            .platform(&operator())
            .create_tenant(new, "test", now())
            .await
            .unwrap();
        context(made.id.as_str())
    }

    pub async fn tx(&self, ctx: &TenantContext) -> TenantTx {
        self.store.begin(ctx).await.unwrap()
    }

    /// Upserts items in a transaction of their own; returns the watermark.
    pub async fn ingest(&self, ctx: &TenantContext, items: Vec<ItemContent>) -> u64 {
        let tx = self.tx(ctx).await;
        let outcome = tx.items().upsert(items, now()).await.unwrap();
        tx.commit().await.unwrap();
        outcome.watermark
    }

    /// The audit trail of a tenant, or of all.
    pub async fn trail(&self, tenant: Option<&str>, limit: u32) -> Vec<AuditEvent> {
        let events = self.store.audit_events(&scope(tenant), None, limit).await;
        events.unwrap()
    }

    pub async fn enqueue(&self, ctx: &TenantContext, new: NewJob) -> domain::Job {
        self.enqueue_at(ctx, new, now()).await
    }

    pub async fn enqueue_at(
        &self,
        ctx: &TenantContext,
        new: NewJob,
        at: DateTime<Utc>,
    ) -> domain::Job {
        let tx = self.tx(ctx).await;
        let job = tx.jobs().enqueue(new, at).await.unwrap();
        tx.commit().await.unwrap();
        job
    }
}

pub async fn open(url: &str) -> Store {
    Store::open(&StorageConfig {
        url: url.to_owned(),
        max_connections: 8,
    })
    .await
    .unwrap()
}

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap()
}

pub fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

pub fn tenant_id(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub fn context(id: &str) -> TenantContext {
    TenantContext::for_background_work(&tenant_id(id), "test")
}

/// An operator, whose key is `ops`.
#[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
pub fn operator() -> OperatorContext {
    let key = ApiKey {
        id: KeyId::parse("ops").unwrap(),
        tenant: None,
        role: Role::Operator,
        display_name: String::new(),
        created_at: now(),
        revoked_at: None,
    };
    OperatorContext::enter(&key).unwrap()
}

/// A tenant's scope, or the platform's.
pub fn scope(tenant: Option<&str>) -> AccessScope {
    tenant.map_or_else(
        || AccessScope::Platform(operator()),
        |tenant| AccessScope::Tenant(context(tenant)),
    )
}

pub fn item_id(id: &str) -> ItemId {
    ItemId::parse(id).unwrap()
}

pub fn expert_id(id: &str) -> ExpertId {
    ExpertId::parse(id).unwrap()
}

pub fn item(id: &str, text: &str) -> ItemContent {
    ItemContent {
        id: item_id(id),
        text: text.to_owned(),
        answer: Some("Yes.".to_owned()),
        area: Some("security".to_owned()),
        labels: vec!["a".to_owned(), "b \"quoted\"".to_owned()],
        attributes: BTreeMap::from([("z".to_owned(), "1".to_owned()), ("a".into(), "ä".into())]),
        experts: vec![expert_id("e1"), expert_id("e_2")],
        occurred_at: now() - TimeDelta::days(3),
    }
}

pub fn expert(id: &str, name: &str) -> NewExpert {
    NewExpert {
        id: expert_id(id),
        display_name: name.to_owned(),
        profile: "Knows things.".to_owned(),
        active: true,
        available: true,
    }
}

pub fn job(kind: JobKind) -> NewJob {
    NewJob {
        kind,
        payload: serde_json::json!({ "from": 3 }),
        dedup_key: None,
        max_attempts: 3,
    }
}

/// What a changed tenant has enqueued to come into the space that it wants, or that is best for it.
pub fn space_jobs() -> SpaceJobs {
    let job = |kind: JobKind| NewJob {
        dedup_key: Some(kind.as_str().to_owned()),
        ..job(kind)
    };
    SpaceJobs {
        switch: job(JobKind::SwitchSpace),
        compare: job(JobKind::CompareSpaces),
    }
}
