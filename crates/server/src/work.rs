//! What the work at hand consumes: gathered while it is done, written down when it is.
//!
//! Work is a request, or a job. Whoever does a part of it says what that took ([`consumed`]); the
//! processor time of the task itself is measured at each of its turns. Nothing here is lost when the
//! work fails: failed work costs the same.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpu_time::ThreadTime;
use domain::cost::{Meter, Service, UsageEntry};
use domain::{TenantId, Tier};

use crate::Clock;

/// Where entries are kept. Keeping one has to take microseconds.
pub trait UsageSink: Send + Sync + 'static {
    /// Keeps an entry, durably against the end of the process.
    fn keep(&self, entry: &UsageEntry);
}

/// Writes down what work consumes. Clones write to the same place.
#[derive(Clone)]
pub struct WorkBook {
    /// None: nothing is written down.
    sink: Option<Arc<dyn UsageSink>>,
    clock: Clock,
}

/// What kind of work it is.
#[derive(Debug, Clone)]
pub struct WorkKind {
    /// The service that does it.
    pub service: Service,
    /// The RPC, or the kind of job.
    pub name: String,
    /// The meter of the task's own processor time.
    pub cpu: Meter,
}

/// One piece of work. Clones are the same work.
#[derive(Clone)]
pub struct Work {
    inner: Arc<Inner>,
}

struct Inner {
    book: WorkBook,
    kind: WorkKind,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    tenant: Option<TenantId>,
    model: String,
    tier: Option<Tier>,
    quantities: Vec<(Meter, u64)>,
    /// Of work for several tenants: how much of it is for whom.
    shares: Vec<(TenantId, u64)>,
}

tokio::task_local! {
    static WORK: Work;
}

thread_local! {
    /// Processor time of this turn that was written down under a meter of its own.
    static APART: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Adds to what the work at hand consumes. Outside of any work nothing is written down.
pub fn consumed(meter: Meter, quantity: u64) {
    let _outside = WORK.try_with(|work| work.add(meter, quantity));
}

/// Does something that takes processor time of its own meter, on this thread.
pub fn timed<T>(meter: Meter, what: impl FnOnce() -> T) -> T {
    let started = ThreadTime::now();
    let made = what();
    let took = started.elapsed();
    APART.with(|apart| apart.set(apart.get() + took));
    consumed(meter, micros(took));
    made
}

/// Names the tenant that the work at hand is for.
pub(crate) fn is_for(tenant: &TenantId) {
    let _outside = WORK.try_with(|work| work.set_tenant(tenant));
}

/// Names the model that did the work at hand.
pub fn done_by(model: &str, tier: Tier) {
    let _outside = WORK.try_with(|work| {
        let mut totals = work.lock();
        model.clone_into(&mut totals.model);
        totals.tier = Some(tier);
    });
}

/// Writes down what the work at hand has consumed so far: before an answer leaves that is not its last.
pub fn write_down() {
    let _outside = WORK.try_with(Work::write_down);
}

/// The work at hand, for threads and tasks that do a part of it.
#[must_use]
pub fn at_hand() -> Option<Work> {
    WORK.try_with(Clone::clone).ok()
}

/// Says that a text was embedded for the work at hand.
pub fn embedded(tokens: u32, cpu: Duration) {
    consumed(Meter::EmbeddingTokens, u64::from(tokens));
    consumed(Meter::EmbeddingCpu, micros(cpu));
}

/// A future for a task of its own, which goes on with the work at hand.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let work = at_hand();
    async move {
        match work {
            Some(work) => work.during(future).await,
            None => future.await,
        }
    }
}

/// Does something on a thread that may block; its processor time is `meter`'s.
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
    consumed(meter, micros(took));
    Ok(made)
}

/// A duration as meters count it.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl WorkBook {
    /// A book that is kept in `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn UsageSink>, clock: Clock) -> Self {
        let sink = Some(sink);
        Self { sink, clock }
    }

    /// A book that nothing is written into: metering is off.
    #[must_use]
    pub fn closed(clock: Clock) -> Self {
        Self { sink: None, clock }
    }

    /// Whether anything is written into it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sink.is_some()
    }

    /// Begins a piece of work.
    #[must_use]
    pub fn begin(&self, kind: WorkKind) -> Work {
        Work {
            inner: Arc::new(Inner {
                book: self.clone(),
                kind,
                totals: Mutex::default(),
            }),
        }
    }

    /// Keeps an entry that was made elsewhere.
    pub fn keep(&self, entry: &UsageEntry) {
        if let Some(sink) = &self.sink {
            sink.keep(entry);
        }
    }
}

impl Work {
    /// Adds to what it consumes.
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

    /// Whom it is for. The first counts: a request is let into one tenant.
    pub fn set_tenant(&self, tenant: &TenantId) {
        self.lock().tenant.get_or_insert_with(|| tenant.clone());
    }

    /// Whom it is for, when it is for several tenants: what it consumes is split by these weights.
    pub fn share(&self, shares: Vec<(TenantId, u64)>) {
        self.lock().shares = shares;
    }

    /// Writes down a part of it at once, under an id by which a repeat of it is known.
    pub fn write_part(&self, id: String, tenant: &TenantId, quantities: Vec<(Meter, u64)>) {
        let kind = &self.inner.kind;
        self.inner.book.keep(&UsageEntry {
            id,
            tenant: Some(tenant.clone()),
            at: self.inner.book.clock.now(),
            service: kind.service,
            rpc: kind.name.clone(),
            tier: None,
            model: String::new(),
            quantities,
        });
    }

    /// Writes down what has been consumed since the last time.
    pub fn write_down(&self) {
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
            self.inner.keep(entry, &shares);
        }
    }

    /// Does a part of it: what `part` consumes is this work's.
    pub async fn during<F: Future>(&self, part: F) -> F::Output {
        let mut part = std::pin::pin!(WORK.scope(self.clone(), part));
        std::future::poll_fn(|context| self.turn(|| part.as_mut().poll(context))).await
    }

    /// Does one turn of it on this thread, with its processor time.
    pub(crate) fn turn<T>(&self, what: impl FnOnce() -> T) -> T {
        let before = APART.with(|apart| apart.replace(Duration::ZERO));
        let started = ThreadTime::now();
        let made = WORK.sync_scope(self.clone(), what);
        let took = started.elapsed();
        let apart = APART.with(|apart| apart.replace(before + took));
        self.add(self.inner.kind.cpu, micros(took.saturating_sub(apart)));
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
    /// The entry that tells of `totals`, and whose it is; none of nothing.
    fn entry(&self, totals: Totals) -> Option<(UsageEntry, Vec<(TenantId, u64)>)> {
        if totals.quantities.is_empty() {
            return None;
        }
        let entry = UsageEntry {
            id: uuid::Uuid::now_v7().to_string(),
            tenant: totals.tenant,
            at: self.book.clock.now(),
            service: self.kind.service,
            rpc: self.kind.name.clone(),
            tier: totals.tier,
            model: totals.model,
            quantities: totals.quantities,
        };
        Some((entry, totals.shares))
    }

    fn keep(&self, entry: UsageEntry, shares: &[(TenantId, u64)]) {
        for entry in split(entry, shares) {
            self.book.keep(&entry);
        }
    }
}

impl Drop for Inner {
    /// Work that was dropped in the middle, as by a caller who went or a deadline, has cost what it has
    /// cost.
    fn drop(&mut self) {
        let totals = std::mem::take(
            self.totals
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some((entry, shares)) = self.entry(totals) {
            self.keep(entry, &shares);
        }
    }
}

/// An entry a tenant, each with its part of the quantities; the parts sum to the whole. Without shares
/// the entry itself.
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
    struct Kept(Mutex<Vec<UsageEntry>>);

    impl UsageSink for Kept {
        fn keep(&self, entry: &UsageEntry) {
            self.0.lock().unwrap().push(entry.clone());
        }
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
    fn shared_work_is_split_without_a_rest() {
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
    async fn a_closed_book_does_not_hinder_the_work() {
        let book = WorkBook::closed(Clock::system());
        assert!(!book.is_open());
        let work = book.begin(WorkKind {
            service: Service::Router,
            name: String::new(),
            cpu: Meter::RequestCpu,
        });
        let made = work.during(async { timed(Meter::ModelCpu, || 7) }).await;
        work.write_down();
        assert_eq!(made, 7);
    }

    #[tokio::test]
    async fn work_that_is_dropped_in_the_middle_has_cost_what_it_cost() {
        let kept = Arc::new(Kept::default());
        let work = WorkBook::new(kept.clone(), Clock::system()).begin(WorkKind {
            service: Service::Router,
            name: "RecommendExperts".to_owned(),
            cpu: Meter::RequestCpu,
        });
        let tenant = TenantId::parse("acme").unwrap();
        let mut part = Box::pin(async move {
            let working = work.during(async {
                is_for(&tenant);
                consumed(Meter::EmbeddingTokens, 7);
                std::future::pending::<()>().await;
            });
            working.await;
        });
        assert!(futures::poll!(&mut part).is_pending());
        drop(part);
        let kept = kept.0.lock().unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0].tenant.as_ref().unwrap().as_str(), "acme");
        assert_eq!(of(&kept[0], Meter::EmbeddingTokens), 7);
    }

    #[tokio::test]
    async fn each_microsecond_is_written_once_and_under_its_meter() {
        let kept = Arc::new(Kept::default());
        let book = WorkBook::new(kept.clone(), Clock::system());
        let work = book.begin(WorkKind {
            service: Service::Router,
            name: "RecommendExperts".to_owned(),
            cpu: Meter::RequestCpu,
        });
        let tenant = TenantId::parse("acme").unwrap();
        work.during(async {
            is_for(&tenant);
            spin(Duration::from_millis(4));
            tokio::task::yield_now().await;
            timed(Meter::ModelCpu, || spin(Duration::from_millis(8)));
            consumed(Meter::EmbeddingTokens, 7);
            consumed(Meter::EmbeddingTokens, 5);
            done_by("global/models/experts/versions/0", Tier::Global);
        })
        .await;
        work.write_down();
        // Nothing new, nothing written.
        work.write_down();
        consumed(Meter::Requests, 1);
        let kept = kept.0.lock().unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let entry = &kept[0];
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
