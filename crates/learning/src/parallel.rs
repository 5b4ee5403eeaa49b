//! Work shared out over threads, and the processor time they take.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cpu_time::ThreadTime;

thread_local! {
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// What `work` makes of each number below `count`, in their order, on at most `threads` threads.
pub(crate) fn each<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let made: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::default()).collect();
    with_helpers(threads.min(count).saturating_sub(1), || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(place) = made.get(at) else {
                return;
            };
            let one = work(at);
            if let Ok(mut place) = place.lock() {
                *place = Some(one);
            }
        }
    });
    // A thread that panicked has ended this one too.
    let made = made.into_iter().map(Mutex::into_inner);
    made.filter_map(|one| one.ok().flatten()).collect()
}

/// How many threads share the arithmetic out: one a core.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs `work` here and on `helpers` threads beside, and returns when all are done.
fn with_helpers(helpers: usize, work: impl Fn() + Sync) {
    let time = Mutex::new(Duration::ZERO);
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|| {
                let started = ThreadTime::now();
                work();
                let helped = helper_cpu_time();
                if let Ok(mut time) = time.lock() {
                    *time += started.elapsed() + helped;
                }
            });
        }
        work();
    });
    let helped = time.into_inner().unwrap_or_default();
    TIME.with(|time| time.set(time.get() + helped));
}

/// Processor time, so far, of the threads that helped this one. It is in no result: results are the
/// same on every machine.
#[must_use]
pub fn helper_cpu_time() -> Duration {
    TIME.with(Cell::get)
}
