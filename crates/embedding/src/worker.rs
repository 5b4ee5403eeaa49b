//! A model thread: takes a batch, runs the model, answers.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

use crate::error::EmbeddingError;
use crate::model::{Encoder, Failure, Vector};
use crate::queue::{Batch, Embedded, Entry, Lane, Queue};

/// Starts a thread that serves `lane` until the queue closes.
pub(crate) fn spawn(
    queue: &Arc<Queue>,
    lane: Lane,
    encoder: Box<dyn Encoder>,
) -> Result<JoinHandle<()>, EmbeddingError> {
    let queue = Arc::clone(queue);
    let name = match lane {
        Lane::Queries => "embed-queries",
        Lane::All => "embed-all",
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || work(&queue, lane, encoder))
        .map_err(EmbeddingError::Thread)
}

fn work(queue: &Queue, lane: Lane, mut encoder: Box<dyn Encoder>) {
    while let Some(batch) = queue.next_batch(lane) {
        run(encoder.as_mut(), batch);
    }
}

/// Computes a batch and answers its callers. When a batch of several fails, each text is tried on
/// its own: callers share a batch by chance, and one's text must not cost the others their answer.
fn run(encoder: &mut dyn Encoder, batch: Batch) {
    let (started, own, helpers) = (Instant::now(), ThreadTime::now(), encoder.helpers_time());
    let outcome = encode(encoder, &batch);
    let took = Took {
        started,
        time: started.elapsed(),
        cpu: own.elapsed() + encoder.helpers_time().saturating_sub(helpers),
    };
    match outcome {
        Ok(vectors) => {
            let tokens: u64 = vectors.iter().map(|vector| u64::from(vector.tokens)).sum();
            for (entry, vector) in batch.into_iter().zip(vectors) {
                let share = f64::from(vector.tokens) / tokens.max(1) as f64;
                answer(entry, &took, share, vector);
            }
        }
        Err(failure) if batch.len() == 1 => {
            tracing::error!(?failure, "a text could not be embedded");
            for Entry { reply, .. } in batch {
                // A caller that has left needs no answer.
                let _ = reply.send(Err(failure.into()));
            }
        }
        Err(_) => batch
            .into_iter()
            .for_each(|entry| run(encoder, vec![entry])),
    }
}

fn encode(encoder: &mut dyn Encoder, batch: &Batch) -> Result<Vec<Vector>, Failure> {
    let texts: Vec<_> = batch
        .iter()
        .map(|entry| Cow::Borrowed(entry.text.as_str()))
        .collect();
    // The session takes each run's inputs anew, so a run that unwound leaves nothing behind.
    let outcome = catch_unwind(AssertUnwindSafe(|| encoder.encode(&texts)));
    let vectors = outcome.unwrap_or(Err(Failure::Panicked))?;
    if vectors.len() == batch.len() {
        Ok(vectors)
    } else {
        Err(Failure::Compute("counting the vectors"))
    }
}

/// What a batch took.
struct Took {
    started: Instant,
    time: Duration,
    cpu: Duration,
}

fn answer(entry: Entry, took: &Took, share: f64, vector: Vector) {
    let embedded = Embedded {
        vector: vector.values,
        tokens: vector.tokens,
        queued: took.started.saturating_duration_since(entry.arrived),
        computed: took.time.mul_f64(share),
        cpu: took.cpu.mul_f64(share),
    };
    // A caller that has left needs no answer.
    let _ = entry.reply.send(Ok(embedded));
}
