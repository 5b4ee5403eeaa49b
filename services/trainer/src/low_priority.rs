//! Low-priority threads: they leave the processor to whoever answers requests.
//!
//! Training takes all the processor it can get, for seconds, while a request needs a few
//! milliseconds of it at once. Threads of a low priority use what nobody else wants, and about a tenth
//! of a processor that others want all the time: not less, or a machine that is busy for an hour would
//! train nothing for an hour. They are made for the work and end with it: a priority that was lowered
//! cannot be raised again, so it must not stay on a thread of a pool.

use cpu_time::ThreadTime;
use domain::cost::Meter;
use jobs::JobFailure;
use metering::usage;
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::oneshot;

use crate::memory::Memory;

/// Of 99; on Linux the niceness is 10.
const PRIORITY: u8 = 22;

/// Why work did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThreadFailure {
    /// The operating system gave no thread.
    #[error("no thread could be started")]
    NoThread(#[source] std::io::Error),
    /// It panicked; the panic has told where.
    #[error("the work panicked")]
    Panicked,
}

impl From<ThreadFailure> for JobFailure {
    fn from(failure: ThreadFailure) -> Self {
        tracing::error!(%failure, "training broke off");
        match failure {
            ThreadFailure::NoThread(_) => Self::Retry("no thread could be started".to_owned()),
            // It would panic at the same place again.
            ThreadFailure::Panicked => Self::fail("training failed; the log has the reason"),
        }
    }
}

/// Runs `work`, and every thread that it starts, at a low priority.
///
/// # Errors
/// [`ThreadFailure`] when it could not be started or panicked.
pub(crate) async fn run_low_priority<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ThreadFailure> {
    let (sender, receiver) = oneshot::channel();
    let memory = Memory::now();
    std::thread::Builder::new()
        .name("training".to_owned())
        .spawn(move || {
            // Without the right to lower it, the work runs at the usual priority.
            if let Err(error) = lower_priority() {
                tracing::debug!(error, "training runs at the usual priority");
            }
            let (made, started) = (work(), ThreadTime::now());
            // The thread was made for this: all of its time is the work's, and that of its helpers.
            let cpu = started.as_duration() + learning::helper_cpu_time();
            // Nobody may want it any more.
            let _ = sender.send((made, cpu));
        })
        .map_err(ThreadFailure::NoThread)?;
    let (made, cpu) = receiver.await.map_err(|_| ThreadFailure::Panicked)?;
    usage::add(Meter::TrainingCpu, usage::micros(cpu));
    usage::add(Meter::TrainingPeakBytes, memory.peak());
    Ok(made)
}

fn lower_priority() -> Result<(), String> {
    let priority = ThreadPriorityValue::try_from(PRIORITY)?;
    set_current_thread_priority(ThreadPriority::Crossplatform(priority))
        .map_err(|error| format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_and_a_panic_is_told() {
        assert_eq!(run_low_priority(|| 2 + 2).await.unwrap(), 4);
        let failure = run_low_priority(|| -> u32 { panic!("as a test") }).await;
        assert!(matches!(failure, Err(ThreadFailure::Panicked)));
    }

    /// Field 19 of `/proc/…/stat` is the thread's niceness; 18 fields before it, and the name may
    /// hold spaces.
    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[16].parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_work_and_its_threads_step_back_and_nobody_else_does() {
        let before = niceness();
        let inside =
            run_low_priority(|| (niceness(), std::thread::spawn(niceness).join().unwrap())).await;
        assert_eq!(inside.unwrap(), (10, 10));
        assert_eq!(niceness(), before);
    }
}
