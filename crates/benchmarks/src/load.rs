//! Load on a server: callers that ask as fast as they are answered, and calls at a rate that nobody slows
//! down.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::{Code, Status};

use crate::latency::Latencies;

/// Between two looks at which calls are due.
const TICK: Duration = Duration::from_millis(1);
/// Calls on their way at most; one that is due beyond it is not sent, and counted.
const ON_THE_WAY: usize = 16_384;

/// What came of calls.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// From the time that a call was to be sent at until its answer; of calls that were answered.
    pub latencies: Latencies,
    /// From there until it was told that the server has too much to do.
    pub refusals: Latencies,
    /// Calls that failed otherwise, and why the first did.
    pub failed: usize,
    /// What the first failure said.
    pub first_failure: Option<String>,
    /// Calls that were due and not sent: too many were on their way.
    pub unsent: usize,
    /// From the first call until all had ended.
    pub took: Duration,
}

/// A [`Traffic`] in numbers; times in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Answers a second.
    pub answered_per_second: f64,
    /// Answers.
    pub answered: usize,
    /// Calls that were told that the server has too much to do.
    pub refused: usize,
    /// Calls that failed otherwise.
    pub failed: usize,
    /// Why the first did.
    pub first_failure: Option<String>,
    /// Calls that were due and not sent.
    pub unsent: usize,
    /// Median.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// 99 of 100 refusals took no longer.
    pub refusal_p99: f64,
}

impl Traffic {
    fn new() -> Result<Self> {
        Ok(Self {
            latencies: Latencies::new()?,
            refusals: Latencies::new()?,
            failed: 0,
            first_failure: None,
            unsent: 0,
            took: Duration::ZERO,
        })
    }

    fn add(&mut self, due: Instant, outcome: Result<(), Status>) {
        let took = due.elapsed();
        match outcome {
            Ok(()) => self.latencies.record(took),
            Err(status) if is_refusal(&status) => self.refusals.record(took),
            Err(status) => {
                self.failed += 1;
                self.first_failure
                    .get_or_insert_with(|| format!("{:?}: {}", status.code(), status.message()));
            }
        }
    }

    /// The numbers.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        Figures {
            answered_per_second: self.latencies.len() as f64 / self.took.as_secs_f64(),
            answered: self.latencies.len(),
            refused: self.refusals.len(),
            failed: self.failed,
            first_failure: self.first_failure.clone(),
            unsent: self.unsent,
            p50: millis(self.latencies.at(0.5)),
            p99: millis(self.latencies.at(0.99)),
            refusal_p99: millis(self.refusals.at(0.99)),
        }
    }
}

fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::Unavailable)
}

/// So many callers, each of which asks again as soon as it is answered, for so long. `call` gets the number of
/// the call.
///
/// # Errors
/// A caller's panic.
pub async fn closed_loop<F, R>(callers: usize, lasts: Duration, call: F) -> Result<Traffic>
where
    F: Fn(usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Status>> + Send + 'static,
{
    let traffic = Arc::new(Mutex::new(Traffic::new()?));
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..callers {
        let (call, traffic, next) = (call.clone(), Arc::clone(&traffic), Arc::clone(&next));
        all.spawn(async move {
            while begin.elapsed() < lasts {
                let due = Instant::now();
                let outcome = call(next.fetch_add(1, Ordering::Relaxed)).await;
                locked(&traffic).add(due, outcome);
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(ended(&traffic, begin))
}

/// Calls at `rate` a second for so long, whatever becomes of those before (an open loop): a server that falls
/// behind is not spared, and each latency counts from when its call was due.
///
/// # Errors
/// A call's panic.
pub async fn open_loop<F, R>(rate: f64, lasts: Duration, call: F) -> Result<Traffic>
where
    F: Fn(usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Status>> + Send + 'static,
{
    let traffic = Arc::new(Mutex::new(Traffic::new()?));
    let room = Arc::new(Semaphore::new(ON_THE_WAY));
    let begin = Instant::now();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut sent, wanted) = (0, (rate * lasts.as_secs_f64()) as usize);
    let mut all = JoinSet::new();
    while sent < wanted {
        tick.tick().await;
        let due_by_now = (begin.elapsed().as_secs_f64() * rate) as usize;
        while sent < due_by_now.min(wanted) {
            let due = begin + Duration::from_secs_f64(sent as f64 / rate);
            let number = sent;
            sent += 1;
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                locked(&traffic).unsent += 1;
                continue;
            };
            let (call, traffic) = (call.clone(), Arc::clone(&traffic));
            all.spawn(async move {
                let outcome = call(number).await;
                locked(&traffic).add(due, outcome);
                drop(place);
            });
        }
        while let Some(ended) = all.try_join_next() {
            ended?;
        }
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(ended(&traffic, begin))
}

fn ended(traffic: &Mutex<Traffic>, begin: Instant) -> Traffic {
    let mut traffic = locked(traffic).clone();
    traffic.took = begin.elapsed();
    traffic
}

fn locked(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    // What is inside is whole after each call.
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_open_loop_sends_what_is_due_and_counts_each_end() {
        let call = |number: usize| async move {
            match number % 10 {
                0 => Err(Status::resource_exhausted("later")),
                1 => Err(Status::internal("broken")),
                _ => Ok(()),
            }
        };
        let traffic = open_loop(1_000.0, Duration::from_millis(200), call)
            .await
            .unwrap();
        let figures = traffic.figures();
        assert_eq!(
            (figures.answered, figures.refused, figures.failed),
            (160, 20, 20)
        );
        assert_eq!(figures.unsent, 0);
        assert!(figures.first_failure.unwrap().contains("broken"));
    }

    #[tokio::test]
    async fn a_closed_loop_waits_for_each_answer() {
        let at_once = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let call = {
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
            move |_| {
                let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
                async move {
                    let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                }
            }
        };
        let traffic = closed_loop(3, Duration::from_millis(50), call)
            .await
            .unwrap();
        assert!(traffic.latencies.len() > 3 && most.load(Ordering::SeqCst) <= 3);
    }
}
