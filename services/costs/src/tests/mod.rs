//! The service on a store of its own, with numbers that were worked out by hand.

use std::sync::Arc;

use api::v1;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::cost::{By, Meter, Service, UsageEntry};
use domain::{
    ApiKey, Clock, ErrorKind, ExpertId, FeedbackEvent, FeedbackVerdict, KeyId, OperatorContext,
    Role, TenantContext, TenantId, TenantSettings, TenantState, Tier, VerticalId,
};
use jobs::specs::space_jobs;
use server::{Gatekeeper, ServiceError, TenantDirectory};
use storage::{Answer, NewFeedback, NewTenant, Purpose, StorageConfig, Store};
use tempfile::TempDir;

use crate::Costs;
use crate::alerts::SentAlerts;

struct Nobody;

#[async_trait]
impl TenantDirectory for Nobody {
    async fn state(&self, _: &TenantId) -> Result<Option<TenantState>, ServiceError> {
        Ok(None)
    }
}

mod export;
mod prices;
mod reports;
mod value;

struct World {
    costs: Costs,
    _folder: TempDir,
}

const NOW: &str = "2026-11-21T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn ctx(tenant: &str) -> TenantContext {
    TenantContext::for_background_work(&id(tenant), "test")
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
fn operator() -> OperatorContext {
    let key = ApiKey {
        id: KeyId::parse("ops").unwrap(),
        tenant: None,
        role: Role::Operator,
        display_name: String::new(),
        created_at: at(NOW),
        revoked_at: None,
    };
    OperatorContext::enter(&key).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            url: format!("sqlite://{}", folder.path().join("store.db").display()),
            max_connections: 4,
        };
        let store = Store::open(&config).await.unwrap();
        let gate = Gatekeeper::new(Arc::new(Nobody));
        let world = Self {
            costs: Costs::new(store, gate, Clock::new(|| at(NOW))),
            _folder: folder,
        };
        for tenant in ["acme", "globex"] {
            let new = NewTenant {
                id: id(tenant),
                display_name: String::new(),
                vertical: VerticalId::parse("software").unwrap(),
                settings: TenantSettings::default(),
            };
            let platform = world.costs.store.maintenance(Purpose::StartUp);
            let made = at("2026-09-01T00:00:00Z");
            platform.create_tenant(new, "ops", made).await.unwrap();
        }
        world
    }

    async fn used(&self, id: &str, tenant: &str, day: &str, meter: Meter, quantity: u64) {
        let entry = UsageEntry {
            id: id.to_owned(),
            tenant: Some(self::id(tenant)),
            at: at(&format!("{day}T10:00:00Z")),
            service: match meter {
                Meter::TrainingCpu => Service::Trainer,
                _ => Service::Router,
            },
            rpc: String::new(),
            tier: None,
            model: String::new(),
            quantities: vec![(meter, quantity)],
        };
        let usage = self.costs.store.maintenance(Purpose::StartUp).usage();
        usage.add(vec![entry], at(NOW)).await.unwrap();
    }

    async fn prices(
        &self,
        revision: u64,
        versions: Vec<v1::PriceVersion>,
    ) -> Result<u64, ServiceError> {
        let request = v1::UpdatePriceBookRequest {
            price_book: Some(v1::PriceBook {
                revision,
                versions,
                ..Default::default()
            }),
            validate_only: false,
        };
        let made = self.costs.update_prices(request, &operator()).await?;
        Ok(made.price_book.unwrap().revision)
    }

    async fn report(
        &self,
        tenant: Option<&TenantId>,
        month: &str,
        by: By,
    ) -> Result<v1::CostReport, ServiceError> {
        let month = self.costs.month(month)?;
        Ok(self.costs.report(tenant, month, by).await?.to_wire(tenant))
    }

    async fn value_per_accepted(&self, tenant: &str, value: &str) {
        let platform = self.costs.store.maintenance(Purpose::StartUp);
        let mut changed = platform.get_tenant(&id(tenant)).await.unwrap().unwrap();
        changed.settings.value_per_accepted = Some(value.parse().unwrap());
        platform
            .update_tenant(&changed, space_jobs(), "ops", at(NOW))
            .await
            .unwrap();
    }

    /// `count` answers of a tier, of which people took so many.
    async fn answers(&self, tenant: &str, tier: Tier, count: usize, taken: usize) {
        let ctx = TenantContext::for_background_work(&id(tenant), "test");
        let tx = self.costs.store.begin(&ctx).await.unwrap();
        let ada = ExpertId::parse("ada").unwrap();
        let request = |n: usize| format!("{}-{n}", tier.as_str());
        let answers = (0..count).map(|n| Answer {
            request_id: request(n),
            text: "Who?".to_owned(),
            model: format!("of-{}", tier.as_str()),
            tier,
            reason: "PROVEN_BETTER".to_owned(),
            experts: vec![(ada.clone(), 1.0)],
            answered_at: at("2026-11-10T00:00:00Z"),
            shadow: None,
            item: None,
        });
        tx.answers().add(answers.collect()).await.unwrap();
        for n in 0..count {
            let verdict = match n < taken {
                true => FeedbackVerdict::Accepted,
                false => FeedbackVerdict::Rejected,
            };
            let said = FeedbackEvent {
                verdict,
                expert: Some(ada.clone()),
                reassigned_to: None,
            };
            let new = NewFeedback {
                request_id: request(n),
                said,
            };
            tx.feedback().add(new, at(NOW)).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}

/// 1 a million tokens, 3600 a CPU-hour, and 30 a month that all share.
fn version() -> v1::PriceVersion {
    v1::PriceVersion {
        valid_from: "2026-01-01".to_owned(),
        currency: "EUR".to_owned(),
        cpu_hour: "3600".to_owned(),
        prices: vec![v1::MeterPrice {
            meter: "embedding_tokens".to_owned(),
            price: "1".to_owned(),
            ..Default::default()
        }],
        shared: vec![v1::SharedCost {
            name: "licence".to_owned(),
            monthly: "30".to_owned(),
            allocation: "even".to_owned(),
        }],
        ..Default::default()
    }
}

/// Row, direct, shared, total.
fn short(row: &v1::CostRow) -> (&str, &str, &str, &str) {
    (&row.tenant, &row.direct, &row.shared, &row.total)
}
