//! Threads that help with arithmetic, and the processor time they take.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use cpu_time::ThreadTime;

thread_local! {
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `work` here and on `helpers` threads beside, and returns when all are done.
pub(crate) fn with_helpers(helpers: usize, work: impl Fn() + Sync) {
    let time = Mutex::new(Duration::ZERO);
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|| {
                let started = ThreadTime::now();
                work();
                let helped = helpers_time();
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
pub fn helpers_time() -> Duration {
    TIME.with(Cell::get)
}
