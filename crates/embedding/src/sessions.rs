//! The sessions of a transformer: their threads, and the queue before them.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

use crate::config::EmbeddingConfig;
use crate::error::EmbeddingError;
use crate::files::{ModelFiles, find_onnxruntime};
use crate::model::{Encoder, MiniLm, Truncates, environment};
use crate::queue::{Embedded, Entry, Lane, Limits, Queue};
use crate::worker;

/// Beyond this many cores, one text's matrices are too small to be shared out further; more cores
/// get sessions of their own.
const CORES_PER_SESSION: usize = 4;

/// A transformer on threads of its own.
///
/// The drop waits for the batch that is being computed, because ONNX Runtime does not bear the end of
/// the process while it computes.
pub(crate) struct Sessions {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
    /// None where no model was loaded.
    truncates: Option<Truncates>,
}

impl Sessions {
    /// Loads the model and starts its threads. Blocks for about half a second.
    pub fn load(
        files: &ModelFiles,
        token_output: &'static str,
        config: &EmbeddingConfig,
    ) -> Result<Self, EmbeddingError> {
        let library = find_onnxruntime(config.onnxruntime.as_deref())?;
        let environment = environment(&library)?;
        let cores = config.cores();
        let width = cores.min(CORES_PER_SESSION);
        let mut lanes = vec![Lane::Queries];
        lanes.resize(1 + cores.div_ceil(CORES_PER_SESSION), Lane::All);
        let mut encoders: Vec<(Lane, Box<dyn Encoder>)> = Vec::new();
        let mut truncates = None;
        for lane in lanes {
            let session = MiniLm::load(files, token_output, &environment, width)?;
            truncates.get_or_insert_with(|| session.truncates(files.model.max_tokens));
            encoders.push((lane, Box::new(session)));
        }
        tracing::info!(
            model = files.model.name,
            model_dir = %files.folder.display(),
            onnxruntime = %library.display(),
            cores,
            sessions = encoders.len(),
            "embedding model loaded"
        );
        Self::start(files.model.max_tokens, config, encoders, truncates)
    }

    /// Starts a thread for each encoder.
    pub fn start(
        max_tokens: usize,
        config: &EmbeddingConfig,
        encoders: Vec<(Lane, Box<dyn Encoder>)>,
        truncates: Option<Truncates>,
    ) -> Result<Self, EmbeddingError> {
        let queue = Arc::new(Queue::new(Limits {
            queries: config.queue,
            max_batch_tokens: config.max_batch_tokens,
            max_tokens,
        }));
        let mut sessions = Self {
            queue: Arc::clone(&queue),
            places: Arc::new(Semaphore::new(config.queue)),
            threads: Vec::new(),
            truncates,
        };
        for (lane, encoder) in encoders {
            sessions.threads.push(worker::spawn(&queue, lane, encoder)?);
        }
        Ok(sessions)
    }

    /// Embeds a text that somebody waits for. Goes ahead of all passages.
    pub async fn embed_query(&self, text: String) -> Result<Embedded, EmbeddingError> {
        let (reply, receiver) = oneshot::channel();
        let entry = Entry {
            text,
            arrived: Instant::now(),
            reply,
            _place: None,
        };
        self.queue.push_query(entry)?;
        receiver.await.unwrap_or(Err(EmbeddingError::Stopped))
    }

    /// Embeds texts that somebody waits for, in few runs of the model.
    pub async fn embed_queries(&self, texts: Vec<String>) -> Vec<Result<Embedded, EmbeddingError>> {
        let arrived = Instant::now();
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for (index, text) in by_length(texts) {
            let (reply, receiver) = oneshot::channel();
            entries.push(Entry {
                text,
                arrived,
                reply,
                _place: None,
            });
            waiting.push((index, receiver));
        }
        let taken = self.queue.push_queries(entries);
        let mut done = Vec::with_capacity(waiting.len());
        for (index, receiver) in waiting {
            let outcome = match &taken {
                Ok(()) => receiver.await.unwrap_or(Err(EmbeddingError::Stopped)),
                Err(EmbeddingError::Overloaded) => Err(EmbeddingError::Overloaded),
                Err(_) => Err(EmbeddingError::Stopped),
            };
            done.push((index, outcome));
        }
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Embeds texts in bulk, whenever no query waits. Where the queue is full this waits for places.
    pub async fn embed_passages(
        &self,
        texts: Vec<String>,
    ) -> Result<Vec<Embedded>, EmbeddingError> {
        let arrived = Instant::now();
        let mut waiting = Vec::with_capacity(texts.len());
        for (index, text) in by_length(texts) {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let (reply, receiver) = oneshot::channel();
            let entry = Entry {
                text,
                arrived,
                reply,
                _place: place.ok(),
            };
            self.queue.push_passage(entry)?;
            waiting.push((index, receiver));
        }
        let mut done = Vec::with_capacity(waiting.len());
        for (index, receiver) in waiting {
            let outcome = receiver.await.unwrap_or(Err(EmbeddingError::Stopped))?;
            done.push((index, outcome));
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, embedded)| embedded).collect())
    }

    /// Whether the model reads only the beginning of a text.
    pub fn truncates(&self, text: &str) -> bool {
        let truncates = self.truncates.as_ref();
        truncates.is_some_and(|truncates| truncates(text))
    }
}

/// The texts with their places, the shortest first: neighbours share a batch, and the shorter is padded
/// to the longer.
fn by_length(texts: Vec<String>) -> Vec<(usize, String)> {
    let mut sorted: Vec<(usize, String)> = texts.into_iter().enumerate().collect();
    sorted.sort_by_key(|(_, text)| text.len());
    sorted
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A model thread cannot panic outside of the guarded call, and nothing can be done here.
            let _ = thread.join();
        }
    }
}
