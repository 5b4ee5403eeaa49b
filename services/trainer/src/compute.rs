//! The computation of a job: on a thread of its own, because minutes of it must not hold up those who
//! answer requests.

use std::fmt::Display;
use std::ops::Range;

use jobs::{JobFailure, JobWork};
use learning::Progress;

use crate::low_priority::run_low_priority;

/// Runs `task` on a thread of its own and passes on how far it is, as a part (`span`) of the whole job.
/// The task is told to stop when the job has to end; `stopped` says whether its error means that it did.
///
/// # Errors
/// The task's, in words; `Cancelled` when it stopped.
pub(crate) async fn run_for_job<T, E>(
    work: &JobWork,
    span: Range<f32>,
    stopped: fn(&E) -> bool,
    task: impl FnOnce(&Progress<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, JobFailure>
where
    T: Send + 'static,
    E: Display + Send + 'static,
{
    let stop = work.stop_token();
    let (told, mut news) = tokio::sync::watch::channel((span.start, String::new()));
    let length = span.end - span.start;
    let mut running = std::pin::pin!(run_low_priority(move || {
        task(&|fraction, step| {
            told.send_replace((span.start + length * fraction, step.to_owned()));
            !stop.is_cancelled()
        })
    }));
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            Ok(()) = news.changed() => {
                let (fraction, step) = news.borrow_and_update().clone();
                work.progress(fraction, step);
            }
        }
    };
    match result {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) if stopped(&error) => Err(JobFailure::Cancelled),
        Ok(Err(error)) => Err(JobFailure::fail(error.to_string())),
        Err(failure) => Err(failure.into()),
    }
}
