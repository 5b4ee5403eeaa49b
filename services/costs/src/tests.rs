//! The service on a store of its own, with numbers that were worked out by hand.

use std::sync::Arc;

use api::v1;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::cost::{By, Meter, Service, UsageEntry};
use domain::{
    ErrorKind, ExpertId, FeedbackVerdict, Said, TenantContext, TenantId,
    TenantSettings, TenantState, Tier, VerticalId,
};
use server::{Clock, Gatekeeper, ServiceError, TenantDirectory};
use storage::{Answer, NewFeedback, NewTenant, StorageConfig, Store};
use tempfile::TempDir;

use crate::Costs;
use crate::scope::Scope;

struct Nobody;

#[async_trait]
impl TenantDirectory for Nobody {
    async fn state(&self, _: &TenantId) -> Result<Option<TenantState>, ServiceError> {
        Ok(None)
    }
}

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

fn of(tenant: &str) -> Scope {
    Scope::Tenant(TenantContext::for_background_work(&id(tenant), "test"))
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
            let platform = world.costs.store.platform();
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
        let usage = self.costs.store.platform().usage();
        usage.add(vec![entry], at(NOW)).await.unwrap();
    }

    async fn prices(&self, revision: u64, versions: Vec<v1::PriceVersion>) -> Result<u64, ServiceError> {
        let request = v1::UpdatePriceBookRequest {
            price_book: Some(v1::PriceBook {
                revision,
                versions,
                ..Default::default()
            }),
            validate_only: false,
        };
        Ok(self.costs.update_prices(request, "ops").await?.revision)
    }

    async fn report(&self, scope: &Scope, month: &str, by: By) -> Result<v1::CostReport, ServiceError> {
        let month = self.costs.month(month)?;
        Ok(self.costs.report(scope, month, by).await?.to_wire(scope))
    }

    async fn value_per_accepted(&self, tenant: &str, value: &str) {
        let platform = self.costs.store.platform();
        let mut changed = platform.get_tenant(&id(tenant)).await.unwrap().unwrap();
        changed.settings.value_per_accepted = Some(value.parse().unwrap());
        platform.update_tenant(&changed, "ops", at(NOW)).await.unwrap();
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
            let said = Said {
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

#[tokio::test]
async fn a_month_is_priced_split_and_adds_up() {
    let world = World::new().await;
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    world.used("a", "acme", "2026-11-03", Meter::EmbeddingTokens, 2_500_000).await;
    world.used("b", "acme", "2026-11-04", Meter::ModelCpu, 1_500_000).await;
    world.used("c", "globex", "2026-11-04", Meter::EmbeddingTokens, 1_000_000).await;
    world.used("d", "globex", "2026-11-05", Meter::BytesOut, 7).await;
    world.used("e", "globex", "2026-10-05", Meter::EmbeddingTokens, 4_000_000).await;
    let report = world.report(&Scope::All, "", By::Service).await.unwrap();
    assert_eq!((report.month.as_str(), report.until.as_str()), ("2026-11", "2026-11-21"));
    // 21 of the 30 days: 21 of the 30, by two.
    let rows: Vec<_> = report.rows.iter().map(short).collect();
    let acme = ("tenants/acme", "4.00", "10.50", "14.50");
    assert_eq!(rows, [acme, ("tenants/globex", "1.00", "10.50", "11.50")]);
    assert_eq!(report.unallocated.unwrap().total, "0.00");
    assert_eq!((report.total.as_str(), report.price_book_total.as_str()), ("26.00", "26.00"));
    assert!(!report.example_prices);
    assert_eq!(report.unpriced.len(), 1);
    assert_eq!((report.unpriced[0].meter.as_str(), report.unpriced[0].quantity), ("bytes_out", 7));
    let parts: Vec<_> = report.rows[0].parts.iter().map(|p| (p.label.as_str(), p.cost.as_str())).collect();
    assert_eq!(parts, [("shared", "10.50"), ("router", "4.00")]);
    // October up to the 21st: 21 of 31 days of the licence, and globex's tokens.
    let previous = report.previous.unwrap();
    assert_eq!((previous.until.as_str(), previous.total.as_str()), ("2026-10-21", "24.32"));
    // The first days of the month are over: the same numbers again.
    let october = world.report(&Scope::All, "2026-10", By::None).await.unwrap();
    assert_eq!(october.total, "34.00");
    assert_eq!(world.report(&Scope::All, "2026-10", By::None).await.unwrap(), october);
}

#[tokio::test]
async fn one_tenant_sees_its_own_row_and_nothing_of_others() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    world.used("a", "acme", "2026-11-03", Meter::EmbeddingTokens, 1_000_000).await;
    world.used("b", "globex", "2026-11-03", Meter::BytesOut, 9).await;
    let report = world.report(&of("acme"), "2026-11", By::None).await.unwrap();
    let rows: Vec<_> = report.rows.iter().map(short).collect();
    assert_eq!(rows, [("tenants/acme", "1.00", "10.50", "11.50")]);
    assert!(report.unpriced.is_empty(), "what another used is nobody else's business");
    assert!(report.unallocated.is_none() && report.previous.is_none() && report.budget.is_none());
    assert_eq!((report.total.as_str(), report.price_book_total.as_str()), ("", ""));
    let error = world.report(&of("nobody"), "2026-11", By::None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn without_a_price_book_the_example_serves_and_says_so() {
    let world = World::new().await;
    world.used("a", "acme", "2026-11-03", Meter::TrainingCpu, 3_600_000_000).await;
    let report = world.report(&Scope::All, "2026-11", By::None).await.unwrap();
    assert!(report.example_prices);
    assert_eq!((report.price_book_revision, report.currency.as_str()), (0, "USD"));
    assert_eq!(report.rows[0].direct, "0.04");
    assert_eq!(report.total, report.price_book_total);
}

#[tokio::test]
async fn months_that_are_none_or_have_not_begun_are_refused() {
    let world = World::new().await;
    for (month, reason) in [("2026-12", "MONTH_IN_FUTURE"), ("November", "MONTH_MALFORMED")] {
        let error = world.report(&Scope::All, month, By::None).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, reason));
        assert!(error.message().contains("ask for") || error.message().contains("2026-11"));
    }
}

#[tokio::test]
async fn a_bad_price_book_is_refused_with_all_that_is_wrong() {
    let world = World::new().await;
    let with = |change: fn(&mut v1::PriceVersion)| {
        let mut changed = version();
        change(&mut changed);
        changed
    };
    let negative = with(|one| one.cpu_hour = "-1".to_owned());
    let unknown = with(|one| one.prices[0].meter = "tokens".to_owned());
    let error = world.prices(0, vec![negative.clone(), unknown]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, "PRICE_BOOK_INVALID"));
    for part in [
        "price_book.versions[0].cpu_hour: PRICE_NEGATIVE",
        "price_book.versions[1].prices.tokens: METER_UNKNOWN",
    ] {
        assert!(error.message().contains(part), "{}", error.message());
    }
    let dollars = with(|one| {
        one.currency = "USD".to_owned();
        one.valid_from = "2026-11-15".to_owned();
    });
    let ended = with(|one| one.valid_until = "2026-11-14".to_owned());
    let bad_day = with(|one| one.valid_from = "tomorrow".to_owned());
    for (versions, reason) in [
        (vec![negative], "PRICE_NEGATIVE"),
        (vec![version(), version()], "PRICE_VERSIONS_OVERLAP"),
        (vec![ended, dollars], "CURRENCY_CHANGES_IN_MONTH"),
        (vec![bad_day], "PRICE_BOOK_INVALID"),
        (Vec::new(), "PRICE_BOOK_INVALID"),
    ] {
        let error = world.prices(0, versions).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, reason));
    }
    assert_eq!(world.costs.prices_in_force().await.unwrap().revision, 0);
}

#[tokio::test]
async fn a_change_after_another_revision_is_refused_and_a_repeat_is_answered() {
    let world = World::new().await;
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    // The same again: the answer was lost.
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    let mut dearer = version();
    dearer.cpu_hour = "7200".to_owned();
    let error = world.prices(0, vec![dearer.clone()]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Aborted, "PRICE_BOOK_CHANGED"));
    let dry = v1::UpdatePriceBookRequest {
        price_book: Some(v1::PriceBook {
            revision: 1,
            versions: vec![dearer.clone()],
            ..Default::default()
        }),
        validate_only: true,
    };
    assert_eq!(world.costs.update_prices(dry, "ops").await.unwrap().revision, 2);
    assert_eq!(world.costs.prices_in_force().await.unwrap().revision, 1, "only checked");
    assert_eq!(world.prices(1, vec![dearer]).await.unwrap(), 2);
}

#[tokio::test]
async fn budgets_are_set_shown_and_cleared() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let set = async |parent: &str, monthly: &str| {
        let request = v1::SetBudgetRequest {
            parent: parent.to_owned(),
            monthly: monthly.to_owned(),
        };
        world.costs.set_budget(request, "ops").await
    };
    let answer = set("tenants/acme", "12.00").await.unwrap();
    assert_eq!((answer.monthly.as_str(), answer.currency.as_str()), ("12.00", "EUR"));
    set("tenants/-", "20").await.unwrap();
    let report = world.report(&Scope::All, "", By::None).await.unwrap();
    let acme = report.rows.iter().find(|row| row.tenant == "tenants/acme").unwrap();
    let budget = acme.budget.as_ref().unwrap();
    assert_eq!((budget.level, budget.spent_percent.as_str()), (80, "87.5"));
    assert!(budget.forecast_exceeds);
    assert_eq!(report.budget.unwrap().level, 100);
    set("tenants/acme", "").await.unwrap();
    let report = world.report(&of("acme"), "", By::None).await.unwrap();
    assert!(report.rows[0].budget.is_none());
    for (parent, monthly, kind) in [
        ("tenants/acme", "-1", ErrorKind::InvalidArgument),
        ("tenants/acme", "much", ErrorKind::InvalidArgument),
        ("tenants/acme", "1.00000000001", ErrorKind::InvalidArgument),
        ("acme", "1", ErrorKind::InvalidArgument),
        ("tenants/nobody", "1", ErrorKind::NotFound),
    ] {
        assert_eq!(set(parent, monthly).await.unwrap_err().kind(), kind, "{parent} {monthly}");
    }
}

#[tokio::test]
async fn what_an_erased_tenant_used_stays_in_the_totals() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    world.used("a", "globex", "2026-11-03", Meter::EmbeddingTokens, 3_000_000).await;
    let before = world.report(&Scope::All, "", By::None).await.unwrap();
    let platform = world.costs.store.platform();
    platform.erase_tenant(&id("globex"), at(NOW)).await.unwrap();
    let after = world.report(&Scope::All, "", By::None).await.unwrap();
    assert_eq!(after.total, before.total);
    let globex = after.rows.iter().find(|row| row.tenant == "tenants/globex").unwrap();
    assert_eq!((globex.erased, globex.direct.as_str()), (true, "3.00"));
    assert!(globex.value.is_none());
    // An operator may still ask for it.
    assert_eq!(world.report(&of("globex"), "", By::None).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn answers_have_a_value_and_own_models_a_verdict() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    // 600 of own training; the tier above is taken as often.
    world.used("t", "acme", "2026-11-03", Meter::TrainingCpu, 600_000_000).await;
    world.answers("acme", Tier::Tenant, 300, 210).await;
    world.answers("acme", Tier::Global, 300, 210).await;
    let row = async || {
        let report = world.report(&of("acme"), "", By::None).await.unwrap();
        report.rows.into_iter().next().unwrap()
    };
    let value = row().await.value.unwrap();
    assert_eq!((value.answered, value.judged, value.accepted), (600, 600, 420));
    assert!((value.take_rate.unwrap() - 0.7).abs() < 1e-9);
    assert_eq!((value.value.as_str(), value.own_model), ("", None), "its value is not known");
    let newest = async || {
        let ctx = TenantContext::for_background_work(&id("acme"), "test");
        let tx = world.costs.store.begin(&ctx).await.unwrap();
        tx.values().newest().await.unwrap().map(|kept| kept.verdict.as_str())
    };
    assert_eq!(newest().await, None);

    world.value_per_accepted("acme", "0.50").await;
    let costly = row().await;
    let value = costly.value.unwrap();
    assert_eq!(costly.total, "610.50");
    assert_eq!((value.value.as_str(), value.net.as_str()), ("210.00", "-400.50"));
    let own = value.own_model.unwrap();
    assert_eq!(own.verdict(), v1::model_value::Verdict::NotWorthIt);
    assert_eq!((own.extra_cost.as_str(), own.net_mean.as_str()), ("600.00", "-600.00"));
    assert_eq!(newest().await, Some("NOT_WORTH_IT"), "the router finds it");

    // Where an answer is worth more, the same feedback says nothing yet.
    world.value_per_accepted("acme", "5000").await;
    let own = row().await.value.unwrap().own_model.unwrap();
    assert_eq!(own.verdict(), v1::model_value::Verdict::NotEnoughFeedback);
    assert_eq!(newest().await, Some("NOT_ENOUGH_FEEDBACK"));
    world.costs.refresh_verdicts().await.unwrap();
    assert_eq!(newest().await, Some("NOT_ENOUGH_FEEDBACK"));
}

#[tokio::test]
async fn usage_is_listed_by_hour_and_by_day() {
    let world = World::new().await;
    world.used("a", "acme", "2026-11-03", Meter::Requests, 2).await;
    world.used("b", "acme", "2026-11-04", Meter::Requests, 3).await;
    world.used("c", "globex", "2026-11-04", Meter::Requests, 9).await;
    let ctx = TenantContext::for_background_work(&id("acme"), "test");
    let mut request = v1::ListUsageRequest {
        page_size: 1,
        ..Default::default()
    };
    let list = async |request: &v1::ListUsageRequest| {
        let query = crate::usage::UsageQuery::parse(request, at(NOW)).unwrap();
        world.costs.usage(&ctx, query).await.unwrap()
    };
    let first = list(&request).await;
    request.page_token = first.next_page_token;
    let second = list(&request).await;
    let quantities = [first.usage[0].quantity, second.usage[0].quantity];
    assert_eq!(quantities, [2, 3]);
    assert_eq!(first.usage[0].unit, "requests");
    request.page_token = second.next_page_token;
    assert!(list(&request).await.usage.is_empty());
    let hourly = v1::ListUsageRequest {
        period: v1::list_usage_request::Period::Hour.into(),
        ..Default::default()
    };
    let hours = list(&hourly).await.usage;
    assert_eq!(hours.len(), 2);
    assert_eq!(hours[0].start_time, Some(api::timestamp(at("2026-11-03T10:00:00Z"))));
}
