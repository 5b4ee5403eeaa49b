//! The handle that callers hold.

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
use model_files::{BaseModel, MODELS};

/// Beyond this many cores, one text's matrices are too small to be shared out further; more cores
/// get sessions of their own.
const CORES_PER_SESSION: usize = 4;

/// The vector space that an embedder maps texts into. Vectors of different spaces must not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    /// Name of the model.
    pub name: &'static str,
    /// Length of each vector.
    pub dimensions: usize,
    /// 64 hexadecimal digits over the model's files and the token limit.
    pub fingerprint: String,
}

/// Turns texts into vectors. Cheap to clone; when the last clone goes, its threads end.
///
/// The drop of the last clone waits for the batch that is being computed, because ONNX Runtime does
/// not bear the end of the process while it computes.
#[derive(Clone)]
pub struct Embedder {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    space: SpaceInfo,
    key: [u8; 32],
    threads: Vec<JoinHandle<()>>,
    /// None where no model was loaded.
    truncates: Option<Truncates>,
}

impl Embedder {
    /// Finds the files of the default model, loads it and starts its threads. Blocks for about half a
    /// second.
    ///
    /// # Errors
    /// One sentence that says what to do: a number out of range, a missing or broken model or
    /// runtime library, no thread to be had.
    pub fn open(config: &EmbeddingConfig) -> Result<Self, EmbeddingError> {
        Self::open_model(&MODELS[0], config)
    }

    /// [`Embedder::open`] for any model of the catalogue.
    ///
    /// # Errors
    /// As there.
    pub fn open_model(
        model: &'static BaseModel,
        config: &EmbeddingConfig,
    ) -> Result<Self, EmbeddingError> {
        config.validate()?;
        let library = find_onnxruntime(config.onnxruntime.as_deref())?;
        let files = ModelFiles::read(model, config)?;
        let environment = environment(&library)?;
        let cores = config.cores();
        let width = cores.min(CORES_PER_SESSION);
        let mut lanes = vec![Lane::Queries];
        lanes.resize(1 + cores.div_ceil(CORES_PER_SESSION), Lane::All);
        let mut encoders: Vec<(Lane, Box<dyn Encoder>)> = Vec::new();
        let mut truncates = None;
        for lane in lanes {
            let session = MiniLm::load(&files, &environment, width)?;
            truncates.get_or_insert_with(|| session.truncates(model.max_tokens));
            encoders.push((lane, Box::new(session)));
        }
        tracing::info!(
            model = model.name,
            model_dir = %files.folder.display(),
            onnxruntime = %library.display(),
            cores,
            sessions = encoders.len(),
            "embedding model loaded"
        );
        let key = *files.fingerprint.as_bytes();
        Self::start(model, config, key, encoders, truncates)
    }

    fn start(
        model: &BaseModel,
        config: &EmbeddingConfig,
        key: [u8; 32],
        encoders: Vec<(Lane, Box<dyn Encoder>)>,
        truncates: Option<Truncates>,
    ) -> Result<Self, EmbeddingError> {
        let queue = Arc::new(Queue::new(Limits {
            queries: config.queue,
            max_batch_tokens: config.max_batch_tokens,
            max_tokens: model.max_tokens,
        }));
        let mut shared = Shared {
            queue: Arc::clone(&queue),
            places: Arc::new(Semaphore::new(config.queue)),
            space: SpaceInfo {
                name: model.name,
                dimensions: model.dimensions,
                fingerprint: blake3::Hash::from_bytes(key).to_hex().to_string(),
            },
            key,
            threads: Vec::new(),
            truncates,
        };
        for (lane, encoder) in encoders {
            shared.threads.push(worker::spawn(&queue, lane, encoder)?);
        }
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Embeds a text that somebody waits for. Goes ahead of all passages.
    ///
    /// # Errors
    /// [`EmbeddingError::Overloaded`] when too many queries wait; a failure of the model.
    pub async fn embed_query(&self, text: String) -> Result<Embedded, EmbeddingError> {
        let (reply, receiver) = oneshot::channel();
        let entry = Entry {
            text,
            arrived: Instant::now(),
            reply,
            _place: None,
        };
        self.shared.queue.push_query(entry)?;
        receiver.await.unwrap_or(Err(EmbeddingError::Stopped))
    }

    /// Embeds texts that somebody waits for, in their order: each as [`Embedder::embed_query`] would,
    /// but in few runs of the model. Each has an outcome of its own; where too many queries wait, all
    /// are [`EmbeddingError::Overloaded`].
    pub async fn embed_queries(&self, texts: Vec<String>) -> Vec<Result<Embedded, EmbeddingError>> {
        let arrived = Instant::now();
        let mut by_length: Vec<(usize, String)> = texts.into_iter().enumerate().collect();
        // Neighbours share a batch, and the shorter is padded to the longer.
        by_length.sort_by_key(|(_, text)| text.len());
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for (index, text) in by_length {
            let (reply, receiver) = oneshot::channel();
            entries.push(Entry {
                text,
                arrived,
                reply,
                _place: None,
            });
            waiting.push((index, receiver));
        }
        let taken = self.shared.queue.push_queries(entries);
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

    /// Embeds texts in bulk, in their order, whenever no query waits. Where the queue is full this
    /// waits for places, so any number of texts may be given.
    ///
    /// # Errors
    /// The first failure of the model; the other texts' vectors are lost with it.
    pub async fn embed_passages(
        &self,
        texts: Vec<String>,
    ) -> Result<Vec<Embedded>, EmbeddingError> {
        let arrived = Instant::now();
        let mut by_length: Vec<(usize, String)> = texts.into_iter().enumerate().collect();
        // Neighbours share a batch, and the shorter is padded to the longer.
        by_length.sort_by_key(|(_, text)| text.len());
        let mut waiting = Vec::with_capacity(by_length.len());
        for (index, text) in by_length {
            let place = Arc::clone(&self.shared.places).acquire_owned().await;
            let (reply, receiver) = oneshot::channel();
            let entry = Entry {
                text,
                arrived,
                reply,
                _place: place.ok(),
            };
            self.shared.queue.push_passage(entry)?;
            waiting.push((index, receiver));
        }
        let mut done = Vec::with_capacity(waiting.len());
        for (index, receiver) in waiting {
            done.push((
                index,
                receiver.await.unwrap_or(Err(EmbeddingError::Stopped))?,
            ));
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, embedded)| embedded).collect())
    }

    /// Whether the model reads only the beginning of a text: its vector says nothing of the rest. Takes up to
    /// a millisecond of this thread for texts of several thousand characters.
    #[must_use]
    pub fn truncates(&self, text: &str) -> bool {
        let truncates = self.shared.truncates.as_ref();
        truncates.is_some_and(|truncates| truncates(text))
    }

    /// The space of this embedder's vectors.
    pub fn space(&self) -> &SpaceInfo {
        &self.shared.space
    }

    /// The key under which a text's vector may be cached: BLAKE3 of the text, keyed with the
    /// space's fingerprint. Two texts or two spaces never share one.
    pub fn content_hash(&self, text: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.shared.key, text.as_bytes()).as_bytes()
    }
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("space", &self.shared.space)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A model thread cannot panic outside of the guarded call, and nothing can be done here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "embedder_tests.rs"]
mod tests;
