//! The usage recorder: what an operation consumes, gathered while it runs and recorded when it ends.
//!
//! An operation is a request or a job, and everything that it consumes belongs to its [`UsageScope`],
//! which is current in the tasks that work on it. A part of the operation says what it took with
//! [`add`]; the processor time of the task itself is measured at each poll. A failed operation is
//! recorded as well: it costs the same.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpu_time::ThreadTime;
use domain::cost::{Meter, Service, UsageEntry};
use domain::{Clock, TenantId, Tier};

/// Where entries are recorded. Recording one has to take microseconds.
pub trait UsageSink: Send + Sync + 'static {
    /// Records an entry; it survives the end of the process.
    fn record(&self, entry: &UsageEntry);
}

/// Records what operations consume. Clones record to the same sink.
#[derive(Clone)]
pub struct UsageRecorder {
    /// None: metering is off.
    sink: Option<Arc<dyn UsageSink>>,
    clock: Clock,
}

/// What is measured: an RPC or a job.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The service that does it.
    pub service: Service,
    /// The RPC, or the kind of job.
    pub name: String,
    /// The meter of the task's own processor time.
    pub cpu: Meter,
}

/// What one operation consumes. Clones are the same scope.
#[derive(Clone)]
pub struct UsageScope {
    inner: Arc<Inner>,
}

struct Inner {
    recorder: UsageRecorder,
    operation: Operation,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    tenant: Option<TenantId>,
    model: String,
    tier: Option<Tier>,
    quantities: Vec<(Meter, u64)>,
    /// The weight of each tenant, of an operation for several.
    shares: Vec<(TenantId, u64)>,
}

tokio::task_local! {
    static SCOPE: UsageScope;
}

thread_local! {
    /// Processor time of this poll that was recorded under a meter of its own.
    static MEASURED_APART: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Adds to what the current operation consumes. Outside of any scope nothing is recorded.
pub fn add(meter: Meter, quantity: u64) {
    let _outside = SCOPE.try_with(|scope| scope.add(meter, quantity));
}

/// Runs `what` on this thread, its processor time under a meter of its own.
pub fn timed<T>(meter: Meter, what: impl FnOnce() -> T) -> T {
    let started = ThreadTime::now();
    let made = what();
    let took = started.elapsed();
    MEASURED_APART.with(|apart| apart.set(apart.get() + took));
    add(meter, micros(took));
    made
}

/// Names the tenant that the current operation is for.
pub fn set_tenant(tenant: &TenantId) {
    let _outside = SCOPE.try_with(|scope| scope.set_tenant(tenant));
}

/// Names the model that served the current operation.
pub fn served_by(model: &str, tier: Tier) {
    let _outside = SCOPE.try_with(|scope| {
        let mut totals = scope.lock();
        model.clone_into(&mut totals.model);
        totals.tier = Some(tier);
    });
}

/// Records what the current operation has consumed so far: before an answer is sent that is not its
/// last.
pub fn flush() {
    let _outside = SCOPE.try_with(UsageScope::flush);
}

/// The current scope, for threads and tasks that do a part of the operation.
#[must_use]
pub fn current() -> Option<UsageScope> {
    SCOPE.try_with(Clone::clone).ok()
}

/// Adds the embedding of a text.
pub fn embedded(tokens: u32, cpu: Duration) {
    add(Meter::EmbeddingTokens, u64::from(tokens));
    add(Meter::EmbeddingCpu, micros(cpu));
}

/// A future for a spawned task, which belongs to the scope that is current now.
pub fn in_current_scope<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let scope = current();
    async move {
        match scope {
            Some(scope) => scope.run(future).await,
            None => future.await,
        }
    }
}

/// Runs `what` on a thread that may block; its processor time is `meter`'s.
///
/// # Errors
/// It panicked, or the process ends.
pub async fn blocking<T: Send + 'static>(
    meter: Meter,
    what: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let measured = move || {
        let started = ThreadTime::now();
        let made = what();
        (made, started.elapsed())
    };
    let (made, took) = tokio::task::spawn_blocking(measured).await?;
    add(meter, micros(took));
    Ok(made)
}

/// A duration as meters count it.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl UsageRecorder {
    /// A recorder into `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn UsageSink>, clock: Clock) -> Self {
        let sink = Some(sink);
        Self { sink, clock }
    }

    /// A recorder that records nothing: metering is off.
    #[must_use]
    pub fn disabled(clock: Clock) -> Self {
        Self { sink: None, clock }
    }

    /// Whether metering is on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.sink.is_some()
    }

    /// Opens the scope of an operation.
    #[must_use]
    pub fn begin(&self, operation: Operation) -> UsageScope {
        UsageScope {
            inner: Arc::new(Inner {
                recorder: self.clone(),
                operation,
                totals: Mutex::default(),
            }),
        }
    }

    /// Records an entry that was made elsewhere.
    pub fn record(&self, entry: &UsageEntry) {
        if let Some(sink) = &self.sink {
            sink.record(entry);
        }
    }
}

impl UsageScope {
    /// Adds to what the operation consumes.
    pub fn add(&self, meter: Meter, quantity: u64) {
        if quantity == 0 {
            return;
        }
        let mut totals = self.lock();
        match totals.quantities.iter_mut().find(|(one, _)| *one == meter) {
            Some((_, sum)) => *sum = sum.saturating_add(quantity),
            None => totals.quantities.push((meter, quantity)),
        }
    }

    /// Names the tenant that it is for. The first counts: a request has one tenant.
    pub fn set_tenant(&self, tenant: &TenantId) {
        self.lock().tenant.get_or_insert_with(|| tenant.clone());
    }

    /// Splits what it consumes between several tenants by these weights.
    pub fn split_between(&self, shares: Vec<(TenantId, u64)>) {
        self.lock().shares = shares;
    }

    /// Records a part of it at once, under an id by which a repeat is recognised.
    pub fn record_part(&self, id: String, tenant: &TenantId, quantities: Vec<(Meter, u64)>) {
        let operation = &self.inner.operation;
        self.inner.recorder.record(&UsageEntry {
            id,
            tenant: Some(tenant.clone()),
            at: self.inner.recorder.clock.now(),
            service: operation.service,
            rpc: operation.name.clone(),
            tier: None,
            model: String::new(),
            quantities,
        });
    }

    /// Records what has been consumed since the last time.
    pub fn flush(&self) {
        let totals = {
            let mut totals = self.lock();
            let tenant = totals.tenant.clone();
            let rest = Totals {
                tenant,
                ..Totals::default()
            };
            std::mem::replace(&mut *totals, rest)
        };
        if let Some((entry, shares)) = self.inner.entry(totals) {
            self.inner.record(entry, &shares);
        }
    }

    /// Runs a future in this scope: what it consumes is this operation's.
    pub async fn run<F: Future>(&self, part: F) -> F::Output {
        let mut part = std::pin::pin!(SCOPE.scope(self.clone(), part));
        std::future::poll_fn(|context| self.poll(|| part.as_mut().poll(context))).await
    }

    /// Runs one poll in this scope on this thread, and measures its processor time.
    pub fn poll<T>(&self, what: impl FnOnce() -> T) -> T {
        let before = MEASURED_APART.with(|apart| apart.replace(Duration::ZERO));
        let started = ThreadTime::now();
        let made = SCOPE.sync_scope(self.clone(), what);
        let took = started.elapsed();
        let apart = MEASURED_APART.with(|apart| apart.replace(before + took));
        self.add(self.inner.operation.cpu, micros(took.saturating_sub(apart)));
        made
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Totals> {
        // Nothing under the lock leaves the totals half changed.
        self.inner
            .totals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The entry for `totals` and how it is split; none when nothing was consumed.
    fn entry(&self, totals: Totals) -> Option<(UsageEntry, Vec<(TenantId, u64)>)> {
        if totals.quantities.is_empty() {
            return None;
        }
        let entry = UsageEntry {
            id: uuid::Uuid::now_v7().to_string(),
            tenant: totals.tenant,
            at: self.recorder.clock.now(),
            service: self.operation.service,
            rpc: self.operation.name.clone(),
            tier: totals.tier,
            model: totals.model,
            quantities: totals.quantities,
        };
        Some((entry, totals.shares))
    }

    fn record(&self, entry: UsageEntry, shares: &[(TenantId, u64)]) {
        for entry in split(entry, shares) {
            self.recorder.record(&entry);
        }
    }
}

impl Drop for Inner {
    /// An operation that is dropped unfinished, by a caller who disconnected or a deadline, is recorded
    /// too.
    fn drop(&mut self) {
        let totals = std::mem::take(
            self.totals
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some((entry, shares)) = self.entry(totals) {
            self.record(entry, &shares);
        }
    }
}

/// An entry for each tenant with its part of the quantities; the parts sum to the whole. Without
/// shares, the entry itself.
fn split(entry: UsageEntry, shares: &[(TenantId, u64)]) -> Vec<UsageEntry> {
    let all: u128 = shares.iter().map(|(_, weight)| u128::from(*weight)).sum();
    if all == 0 {
        return vec![entry];
    }
    let mut before = 0_u128;
    let mut parts = Vec::with_capacity(shares.len());
    for (tenant, weight) in shares {
        let after = before + u128::from(*weight);
        // What is due up to here less what was due before: nothing is lost to rounding.
        let due = |quantity: u64, until: u128| u128::from(quantity) * until / all;
        let quantities = entry.quantities.iter().map(|(meter, quantity)| {
            let part = due(*quantity, after) - due(*quantity, before);
            (*meter, u64::try_from(part).unwrap_or(*quantity))
        });
        parts.push(UsageEntry {
            id: format!("{}:{tenant}", entry.id),
            tenant: Some(tenant.clone()),
            quantities: quantities.filter(|(_, part)| *part > 0).collect(),
            ..entry.clone()
        });
        before = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorded(Mutex<Vec<UsageEntry>>);

    impl UsageSink for Recorded {
        fn record(&self, entry: &UsageEntry) {
            self.0.lock().unwrap().push(entry.clone());
        }
    }

    fn clock() -> Clock {
        Clock::new(|| chrono::DateTime::UNIX_EPOCH)
    }

    fn spin(time: Duration) {
        let started = ThreadTime::now();
        while started.elapsed() < time {
            std::hint::black_box(0);
        }
    }

    fn of(entry: &UsageEntry, meter: Meter) -> u64 {
        let found = entry.quantities.iter().find(|(one, _)| *one == meter);
        found.map_or(0, |(_, quantity)| *quantity)
    }

    #[test]
    fn a_shared_operation_is_split_without_a_rest() {
        let entry = UsageEntry {
            id: "tier".to_owned(),
            tenant: None,
            at: chrono::DateTime::UNIX_EPOCH,
            service: Service::Trainer,
            rpc: String::new(),
            tier: None,
            model: String::new(),
            quantities: vec![(Meter::TrainingCpu, 1_000_003), (Meter::Retrains, 1)],
        };
        let tenant = |id: &str| TenantId::parse(id).unwrap();
        let shares = [(tenant("a"), 1), (tenant("b"), 2), (tenant("c"), 4)];
        let parts = split(entry.clone(), &shares);
        let sum = |meter| parts.iter().map(|part| of(part, meter)).sum::<u64>();
        assert_eq!(
            (sum(Meter::TrainingCpu), sum(Meter::Retrains)),
            (1_000_003, 1)
        );
        assert_eq!(of(&parts[0], Meter::TrainingCpu), 142_857);
        assert_eq!(split(entry.clone(), &[]), [entry]);
    }

    #[tokio::test]
    async fn a_disabled_recorder_does_not_change_the_operation() {
        let recorder = UsageRecorder::disabled(clock());
        assert!(!recorder.is_enabled());
        let scope = recorder.begin(Operation {
            service: Service::Router,
            name: String::new(),
            cpu: Meter::RequestCpu,
        });
        let made = scope.run(async { timed(Meter::ModelCpu, || 7) }).await;
        scope.flush();
        assert_eq!(made, 7);
    }

    #[tokio::test]
    async fn an_operation_that_is_dropped_unfinished_is_recorded() {
        let recorded = Arc::new(Recorded::default());
        let scope = UsageRecorder::new(recorded.clone(), clock()).begin(Operation {
            service: Service::Router,
            name: "RecommendExperts".to_owned(),
            cpu: Meter::RequestCpu,
        });
        let tenant = TenantId::parse("acme").unwrap();
        let mut part = Box::pin(async move {
            let working = scope.run(async {
                set_tenant(&tenant);
                add(Meter::EmbeddingTokens, 7);
                std::future::pending::<()>().await;
            });
            working.await;
        });
        assert!(futures::poll!(&mut part).is_pending());
        drop(part);
        let recorded = recorded.0.lock().unwrap();
        assert_eq!(recorded.len(), 1, "{recorded:?}");
        assert_eq!(recorded[0].tenant.as_ref().unwrap().as_str(), "acme");
        assert_eq!(of(&recorded[0], Meter::EmbeddingTokens), 7);
    }

    #[tokio::test]
    async fn each_microsecond_is_recorded_once_and_under_its_meter() {
        let recorded = Arc::new(Recorded::default());
        let recorder = UsageRecorder::new(recorded.clone(), clock());
        let scope = recorder.begin(Operation {
            service: Service::Router,
            name: "RecommendExperts".to_owned(),
            cpu: Meter::RequestCpu,
        });
        let tenant = TenantId::parse("acme").unwrap();
        scope
            .run(async {
                set_tenant(&tenant);
                spin(Duration::from_millis(4));
                tokio::task::yield_now().await;
                timed(Meter::ModelCpu, || spin(Duration::from_millis(8)));
                add(Meter::EmbeddingTokens, 7);
                add(Meter::EmbeddingTokens, 5);
                served_by("global/models/experts/versions/0", Tier::Global);
            })
            .await;
        scope.flush();
        // Nothing new: nothing is recorded.
        scope.flush();
        add(Meter::Requests, 1);
        let recorded = recorded.0.lock().unwrap();
        assert_eq!(recorded.len(), 1, "{recorded:?}");
        let entry = &recorded[0];
        assert_eq!(entry.tenant.as_ref(), Some(&tenant));
        assert_eq!(
            (entry.tier, of(entry, Meter::EmbeddingTokens)),
            (Some(Tier::Global), 12)
        );
        let (own, model) = (of(entry, Meter::RequestCpu), of(entry, Meter::ModelCpu));
        // What one of them has, the other has not: a processor does not run faster than its clock.
        assert!((4_000..8_000).contains(&own), "{own}");
        assert!((8_000..12_000).contains(&model), "{model}");
    }
}
