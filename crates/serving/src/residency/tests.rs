//! The frame, with views that are numbers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::cost::UsageEntry;
use domain::{TenantSettings, VerticalId};
use metering::usage::UsageSink;
use storage::{NewTenant, Purpose};

use super::*;
use crate::test_world::{clock, day, temporary_store};

/// A number that the source had, and when it was read.
#[derive(Debug, PartialEq, Eq)]
struct View {
    value: u64,
    kept: bool,
}

impl Resident for View {
    fn resident_bytes(&self) -> usize {
        8
    }
}

#[derive(Clone)]
struct Numbers {
    store: Store,
    value: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
    /// Loads of this tenant wait for a permit.
    held: Arc<(std::sync::OnceLock<TenantId>, Semaphore)>,
}

impl Source for Numbers {
    type View = View;
    /// None where there is no such tenant.
    type Looked = Option<u64>;

    const NOT_LOADED: &'static str = "NUMBER_NOT_LOADED";
    const GAUGE: &'static str = "numbers_bytes";

    fn store(&self) -> &Store {
        &self.store
    }

    async fn look(&self, ctx: &TenantContext, _: &TaskId) -> Result<Option<u64>> {
        let is_there = self.store.shared_with(ctx).await.is_ok();
        Ok(is_there.then(|| self.value.load(Ordering::SeqCst)))
    }

    fn compare(view: &View, looked: &Option<u64>) -> Compared {
        match looked {
            None => Compared::Gone,
            Some(value) if *value == view.value => Compared::Same,
            Some(_) => Compared::Other,
        }
    }

    async fn make(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        _: Option<u64>,
        before: Option<&View>,
    ) -> Result<View> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let (held, permits) = &*self.held;
        if held.get() == Some(ctx.tenant()) {
            permits.acquire().await.unwrap().forget();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if task.as_str() == "missing" {
            let name = domain::ResourceName::Tenant(TenantId::parse("nobody").unwrap());
            return Err(ServingError::NotFound(name));
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(ServingError::Encoding(encoding::EncodingError::Missing));
        }
        Ok(View {
            value: self.value.load(Ordering::SeqCst),
            kept: before.is_some(),
        })
    }

    fn concern(change: Change) -> Concern {
        match change {
            Change::Items(tenant) => Concern::Tenant(tenant),
            Change::Tiers => Concern::Everybody,
            _ => Concern::Nobody,
        }
    }

    /// Odd numbers are another world than even ones.
    fn has_moved_on(view: &View, now: &View) -> bool {
        view.value % 2 != now.value % 2
    }
}

struct Setup {
    residency: Residency<Numbers>,
    ctx: TenantContext,
    task: TaskId,
    _folder: tempfile::TempDir,
}

impl Setup {
    async fn new() -> Self {
        let (folder, store, ctx) = temporary_store().await;
        let source = Numbers {
            store,
            value: Arc::default(),
            loads: Arc::default(),
            broken: Arc::default(),
            held: Arc::new((std::sync::OnceLock::new(), Semaphore::new(0))),
        };
        let recorder = UsageRecorder::disabled(clock());
        Self {
            residency: Residency::new(source, 1 << 20, recorder),
            ctx,
            task: TaskId::experts(),
            _folder: folder,
        }
    }

    fn set(&self, value: u64) {
        let numbers = self.residency.source();
        numbers.value.store(value, Ordering::SeqCst);
    }

    fn break_it(&self, broken: bool) {
        let numbers = self.residency.source();
        numbers.broken.store(broken, Ordering::SeqCst);
    }

    fn loads(&self) -> u64 {
        self.residency.source().loads.load(Ordering::SeqCst)
    }

    async fn value(&self) -> u64 {
        let view = self.residency.view(&self.ctx, &self.task).await;
        view.unwrap().value
    }
}

#[tokio::test]
async fn all_who_ask_at_once_wait_for_one_load() {
    let at = Setup::new().await;
    let (a, b, c) = tokio::join!(at.value(), at.value(), at.value());
    assert_eq!((a, b, c), (0, 0, 0));
    assert_eq!(at.loads(), 1);
    at.value().await;
    assert_eq!(at.loads(), 1, "what is resident is not read again");
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_make_the_next_one_begin_again() {
    let at = Setup::new().await;
    let impatient = tokio::time::timeout(Duration::from_millis(2), at.value());
    assert!(impatient.await.is_err());
    assert_eq!(at.value().await, 0);
    assert_eq!(at.loads(), 1);
}

#[tokio::test]
async fn a_refresh_reads_what_has_changed_and_nothing_else() {
    let at = Setup::new().await;
    let tenant = at.ctx.tenant();
    assert!(
        !at.residency.refresh(tenant, &at.task).await,
        "not resident"
    );
    assert_eq!(at.loads(), 0);
    at.value().await;
    assert!(at.residency.refresh(tenant, &at.task).await);
    assert_eq!(at.loads(), 1, "it was up to date");
    at.set(4);
    assert!(at.residency.refresh(tenant, &at.task).await);
    let view = at.residency.view(&at.ctx, &at.task).await.unwrap();
    assert_eq!(
        *view,
        View {
            value: 4,
            kept: true
        }
    );
    assert_eq!(at.loads(), 2);
}

/// Counts what is recorded.
#[derive(Default)]
struct Entries(AtomicU64);

impl UsageSink for Entries {
    fn record(&self, _: &UsageEntry) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_tenant_is_not_charged_for_being_compared() {
    let mut at = Setup::new().await;
    let entries = Arc::new(Entries::default());
    let recorder = UsageRecorder::new(entries.clone(), clock());
    let source = at.residency.source().clone();
    at.residency = Residency::new(source, 1 << 20, recorder);
    at.value().await;
    for _ in 0..3 {
        assert!(at.residency.refresh(at.ctx.tenant(), &at.task).await);
    }
    assert_eq!(entries.0.load(Ordering::SeqCst), 0);
    at.set(4);
    assert!(at.residency.refresh(at.ctx.tenant(), &at.task).await);
    assert_eq!(entries.0.load(Ordering::SeqCst), 1, "it was read again");
}

#[tokio::test]
async fn a_view_that_cannot_be_read_again_stays_until_it_is_renewed() {
    let at = Setup::new().await;
    at.value().await;
    at.set(4);
    at.break_it(true);
    assert!(!at.residency.refresh(at.ctx.tenant(), &at.task).await);
    assert_eq!(at.value().await, 0);
    // Whoever renews must not be answered with what was before.
    at.residency.renew(&at.ctx, &at.task).await;
    assert!(at.residency.view(&at.ctx, &at.task).await.is_err());
    at.break_it(false);
    assert_eq!(at.value().await, 4);
}

#[tokio::test]
async fn a_failure_keeps_its_kind_and_hides_its_cause() {
    let at = Setup::new().await;
    at.break_it(true);
    let error = at.residency.view(&at.ctx, &at.task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.reason(), "NUMBER_NOT_LOADED");
    // What a caller can act on keeps its reason.
    let missing = TaskId::parse("missing").unwrap();
    let error = at.residency.view(&at.ctx, &missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.reason(), "NOT_FOUND");
    assert_eq!(error.to_string(), "tenants/nobody was not found");
}

#[tokio::test]
async fn nothing_of_a_tenant_that_is_not_there_stays_resident() {
    let at = Setup::new().await;
    let erased = TenantContext::for_background_work(&TenantId::parse("erased").unwrap(), "test");
    at.residency.view(&erased, &at.task).await.unwrap();
    assert_eq!(at.residency.resident().len(), 1);
    assert!(at.residency.refresh(erased.tenant(), &at.task).await);
    assert!(at.residency.resident().is_empty());
}

#[tokio::test]
async fn work_in_the_background_sees_the_store_and_makes_nothing_resident() {
    let at = Setup::new().await;
    let (residency, ctx) = (&at.residency, &at.ctx);
    residency.up_to_date(ctx, &at.task).await.unwrap();
    assert!(residency.resident().is_empty());
    at.value().await;
    at.set(4);
    let view = residency.up_to_date(ctx, &at.task).await.unwrap();
    assert_eq!(view.value, 4);
    assert_eq!(at.value().await, 4);
}

#[tokio::test]
async fn a_request_is_answered_again_only_where_the_view_has_moved_on() {
    let at = Setup::new().await;
    let (residency, ctx) = (&at.residency, &at.ctx);
    let view = residency.view(ctx, &at.task).await.unwrap();
    at.set(2);
    residency.refresh(ctx.tenant(), &at.task).await;
    assert_eq!(residency.moved_on(ctx, &at.task, &view).await, None);
    at.set(3);
    residency.refresh(ctx.tenant(), &at.task).await;
    let newer = residency.moved_on(ctx, &at.task, &view).await.unwrap();
    assert_eq!(newer.value, 3);
}

#[tokio::test]
async fn the_loop_refreshes_whom_a_change_concerns() {
    let at = Setup::new().await;
    at.value().await;
    let stop = CancellationToken::new();
    let looping = at.residency.clone();
    // The timer ticks once, at the start, when nothing has changed.
    let looping = looping.refresh_loop(Duration::from_secs(3_600), stop.clone());
    let looping = tokio::spawn(looping);
    tokio::time::sleep(Duration::from_millis(100)).await;
    at.set(6);
    let tx = at.residency.source().store.begin(&at.ctx).await.unwrap();
    let item = crate::test_world::item("q", "Why?", &[], 0);
    tx.items().upsert(vec![item], day(0)).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..100 {
        if at.value().await == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(at.value().await, 6);
    stop.cancel();
    looping.await.unwrap();
}

#[tokio::test]
async fn a_tenant_whose_view_takes_long_delays_no_other() {
    let at = Setup::new().await;
    at.value().await;
    let source = at.residency.source();
    let beta = NewTenant {
        id: TenantId::parse("beta").unwrap(),
        display_name: String::new(),
        vertical: VerticalId::parse("software").unwrap(),
        settings: TenantSettings::default(),
    };
    let beta_ctx = TenantContext::for_background_work(&beta.id, "test");
    let platform = source.store.maintenance(Purpose::StartUp);
    platform.create_tenant(beta, "ops", day(0)).await.unwrap();
    at.residency.view(&beta_ctx, &at.task).await.unwrap();
    source.held.0.set(at.ctx.tenant().clone()).unwrap();

    let stop = CancellationToken::new();
    let looping = at.residency.clone();
    let looping = looping.refresh_loop(Duration::from_secs(3_600), stop.clone());
    let looping = tokio::spawn(looping);
    at.set(8);
    let beta_value = async {
        loop {
            for ctx in [&at.ctx, &beta_ctx] {
                let tx = source.store.begin(ctx).await.unwrap();
                let item = crate::test_world::item("q", "Why?", &[], 0);
                tx.items().upsert(vec![item], day(0)).await.unwrap();
                tx.commit().await.unwrap();
            }
            let view = at.residency.view(&beta_ctx, &at.task).await.unwrap();
            if view.value == 8 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), beta_value).await;
    waited.expect("the other tenant waits for the one that takes long");
    assert_eq!(at.value().await, 0, "it is still read");
    source.held.1.add_permits(100);
    let own = async {
        while at.value().await != 8 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), own)
        .await
        .unwrap();
    stop.cancel();
    looping.await.unwrap();
}

#[test]
fn a_key_is_read_back() {
    let (tenant, task) = (TenantId::parse("acme").unwrap(), TaskId::experts());
    assert_eq!(parse_key(&key(&tenant, &task)), Some((tenant, task)));
    assert_eq!(parse_key("acme"), None);
}
