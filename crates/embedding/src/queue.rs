//! Where texts wait for a model thread, and how a batch is formed.
//!
//! Queries go first, in their order of arrival; passages follow. A batch holds as many entries as
//! fit the token budget when all are padded to the longest. Entries whose caller has left are
//! dropped on the way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::EmbeddingError;

/// One text's vector and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// As many numbers as the space has dimensions. The L2 norm is 1, or 0 where the model knows none of the
    /// text's words.
    pub vector: Vec<f32>,
    /// Tokens read after cutting, a transformer's two marks at the ends included.
    pub tokens: u32,
    /// Time between the call and the start of its batch.
    pub queued: Duration,
    /// This text's share, by tokens, of the time its batch took. Shares add up to the real time.
    pub computed: Duration,
    /// This text's share, by tokens, of the processor time that its batch took, on all cores.
    pub cpu: Duration,
}

impl Embedded {
    /// A vector that took no time.
    pub(crate) fn instant(vector: Vec<f32>) -> Self {
        Self {
            vector,
            tokens: 0,
            queued: Duration::ZERO,
            computed: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }
}

/// Who a model thread works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Queries only, so that one thread is never busy with a passage when a query comes.
    Queries,
    /// Queries first, then passages.
    All,
}

/// One waiting text.
pub(crate) struct Entry {
    pub text: String,
    pub arrived: Instant,
    pub reply: oneshot::Sender<Result<Embedded, EmbeddingError>>,
    /// A passage's place in the queue; dropping the entry gives it back.
    pub _place: Option<OwnedSemaphorePermit>,
}

/// The entries of one run of the model.
pub(crate) type Batch = Vec<Entry>;

pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    limits: Limits,
}

/// The bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Queries that may wait.
    pub queries: usize,
    pub max_batch_tokens: usize,
    pub max_tokens: usize,
}

#[derive(Default)]
struct State {
    queries: VecDeque<Entry>,
    passages: VecDeque<Entry>,
    closed: bool,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            limits,
        }
    }

    /// Adds a query, or refuses when too many wait.
    pub fn push_query(&self, entry: Entry) -> Result<(), EmbeddingError> {
        self.push_queries(vec![entry])
    }

    /// Adds queries at once, so that they share batches, or refuses all when too many wait.
    pub fn push_queries(&self, entries: Vec<Entry>) -> Result<(), EmbeddingError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EmbeddingError::Stopped);
        }
        if state.queries.len() + entries.len() > self.limits.queries {
            state.queries.retain(|entry| !entry.reply.is_closed());
            if state.queries.len() + entries.len() > self.limits.queries {
                return Err(EmbeddingError::Overloaded);
            }
        }
        state.queries.extend(entries);
        // All, because the thread that a single wake-up reaches might not serve this lane.
        self.ready.notify_all();
        Ok(())
    }

    /// Adds a passage; the places handed out bound how many there are.
    pub fn push_passage(&self, entry: Entry) -> Result<(), EmbeddingError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EmbeddingError::Stopped);
        }
        state.passages.push_back(entry);
        self.ready.notify_all();
        Ok(())
    }

    /// Waits for work. `None` once the queue is closed.
    pub fn next_batch(&self, lane: Lane) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let batch = state.take(lane, self.limits);
            if !batch.is_empty() {
                return Some(batch);
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends all waiting; entries still here are told that the embedder has stopped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let State {
            queries, passages, ..
        } = &mut *state;
        for entry in queries.drain(..).chain(passages.drain(..)) {
            // A caller that has left needs no answer.
            let _ = entry.reply.send(Err(EmbeddingError::Stopped));
        }
        self.ready.notify_all();
    }

    /// No code that holds the lock can leave the state half changed, so poison is no danger.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, lane: Lane, limits: Limits) -> Batch {
        let batch = fill(&mut self.queries, limits);
        match lane {
            Lane::All if batch.is_empty() => fill(&mut self.passages, limits),
            Lane::All | Lane::Queries => batch,
        }
    }
}

fn fill(waiting: &mut VecDeque<Entry>, limits: Limits) -> Batch {
    let (mut batch, mut longest) = (Batch::new(), 0);
    while let Some(entry) = waiting.pop_front() {
        if entry.reply.is_closed() {
            continue;
        }
        longest = longest.max(estimated_tokens(&entry.text, limits.max_tokens));
        if !batch.is_empty() && (batch.len() + 1) * longest > limits.max_batch_tokens {
            waiting.push_front(entry);
            break;
        }
        batch.push(entry);
    }
    batch
}

/// About how many tokens a text has. Counting them truly would mean to tokenize twice, and batches
/// need no more than a guess.
fn estimated_tokens(text: &str, max_tokens: usize) -> usize {
    (text.len() / 4 + 2).min(max_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<Embedded, EmbeddingError>>;

    fn queue(queries: usize, max_batch_tokens: usize) -> Queue {
        Queue::new(Limits {
            queries,
            max_batch_tokens,
            max_tokens: 100,
        })
    }

    fn entry(text: &str) -> (Entry, Reply) {
        let (reply, receiver) = oneshot::channel();
        (
            Entry {
                text: text.to_owned(),
                arrived: Instant::now(),
                reply,
                _place: None,
            },
            receiver,
        )
    }

    fn texts(batch: Option<Batch>) -> Vec<String> {
        batch.unwrap().into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn queries_overtake_passages() {
        let queue = queue(10, 1000);
        let (passage, _a) = entry("passage");
        let (query, _b) = entry("query");
        queue.push_passage(passage).unwrap();
        queue.push_query(query).unwrap();
        assert_eq!(texts(queue.next_batch(Lane::All)), ["query"]);
        assert_eq!(texts(queue.next_batch(Lane::All)), ["passage"]);
    }

    #[test]
    fn a_batch_counts_padding_and_takes_at_least_one() {
        // 8 bytes count as 4 tokens, 40 bytes as 12.
        let (short, long) = ("12345678", "1234567890123456789012345678901234567890");
        let queue = queue(10, 12);
        let mut replies = Vec::new();
        for text in [short, short, short, short, long, short] {
            let (entry, reply) = entry(text);
            queue.push_query(entry).unwrap();
            replies.push(reply);
        }
        let mut sizes = Vec::new();
        for _ in 0..4 {
            sizes.push(queue.next_batch(Lane::All).unwrap().len());
        }
        assert_eq!(sizes, [3, 1, 1, 1]);
    }

    #[test]
    fn callers_who_left_are_dropped_and_make_room() {
        let queue = queue(2, 1000);
        let (gone, reply) = entry("gone");
        let (here, _here) = entry("here");
        let (late, _late) = entry("late");
        let (refused, _refused) = entry("refused");
        queue.push_query(gone).unwrap();
        queue.push_query(here).unwrap();
        drop(reply);
        queue.push_query(late).unwrap();
        assert!(matches!(
            queue.push_query(refused),
            Err(EmbeddingError::Overloaded)
        ));
        assert_eq!(texts(queue.next_batch(Lane::Queries)), ["here", "late"]);
    }

    #[test]
    fn queries_that_come_together_share_a_batch_or_are_refused_together() {
        let queue = queue(3, 1000);
        let (mut entries, mut replies) = (Vec::new(), Vec::new());
        for text in ["a", "b", "c"] {
            let (entry, reply) = entry(text);
            entries.push(entry);
            replies.push(reply);
        }
        queue.push_queries(entries).unwrap();
        let (one, _one) = entry("d");
        assert!(matches!(
            queue.push_queries(vec![one]),
            Err(EmbeddingError::Overloaded)
        ));
        assert_eq!(texts(queue.next_batch(Lane::Queries)), ["a", "b", "c"]);
    }

    #[test]
    fn closing_answers_everyone() {
        let queue = queue(2, 1000);
        let (query, mut reply) = entry("query");
        queue.push_query(query).unwrap();
        queue.close();
        assert!(matches!(
            reply.try_recv().unwrap(),
            Err(EmbeddingError::Stopped)
        ));
        assert!(queue.next_batch(Lane::All).is_none());
        assert!(matches!(
            queue.push_query(entry("more").0),
            Err(EmbeddingError::Stopped)
        ));
    }
}
