//! The model itself: a batch of texts in, vectors and token counts out. Nothing here knows of queues.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use fastembed::{
    InitOptionsUserDefined, OutputKey, Pooling, SingleBatchOutput, TextEmbedding,
    UserDefinedEmbeddingModel,
};
use ort::environment::Environment;

use crate::error::EmbeddingError;
use crate::files::ModelFiles;
use crate::processor::Pool;

/// A text is cut to this many bytes for each token it may have before it is tokenized, so that the
/// cost of a huge text is bounded. English has about five.
pub(crate) const BYTES_PER_TOKEN: usize = 32;

/// What a model thread calls. Real or, in tests, pretended.
pub(crate) trait Encoder: Send {
    /// Processor time so far of the threads that compute beside the calling one.
    fn helpers_time(&self) -> Duration {
        Duration::ZERO
    }

    /// One vector of norm 1, with its token count, for each text.
    fn encode(&mut self, texts: &[Cow<'_, str>]) -> Result<Vec<Vector>, Failure>;
}

/// One text's vector, and the tokens it was made from.
pub(crate) struct Vector {
    pub values: Vec<f32>,
    pub tokens: u32,
}

/// Why a batch failed. Small enough to be told to each caller, and free of their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Compute(&'static str),
    Panicked,
}

impl From<Failure> for EmbeddingError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Compute(stage) => Self::Compute { stage },
            Failure::Panicked => Self::Panicked,
        }
    }
}

/// The environment of ONNX Runtime, made from `library` by the first caller.
///
/// A process can make only one, so the first library loaded serves all embedders.
pub(crate) fn environment(library: &Path) -> Result<Environment, EmbeddingError> {
    static FIRST: Mutex<Option<Environment>> = Mutex::new(None);
    // A poisoned lock holds either no environment or a whole one.
    let mut first = FIRST
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(environment) = first.as_ref() {
        return Ok(environment.clone());
    }
    let broken = |problem: String| EmbeddingError::RuntimeBroken { problem };
    let environment = ort::init_from(library)
        .map_err(|error| broken(error.to_string()))?
        .with_telemetry(false)
        .build()
        .map_err(|error| broken(error.to_string()))?;
    *first = Some(environment.clone());
    Ok(environment)
}

/// Says of a text whether the model reads only its beginning.
pub(crate) type Truncates = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A model of the catalogue in one ONNX Runtime session.
pub(crate) struct MiniLm {
    inner: TextEmbedding,
    pool: Pool,
    token_output: &'static str,
    max_bytes: usize,
}

impl MiniLm {
    /// Builds a session that computes on `threads` cores, and tries it on a word.
    pub fn load(
        files: &ModelFiles,
        token_output: &'static str,
        environment: &Environment,
        threads: usize,
    ) -> Result<Self, EmbeddingError> {
        let broken = |problem: String| EmbeddingError::ModelBroken {
            folder: files.folder.clone(),
            problem,
        };
        let model = UserDefinedEmbeddingModel::new(files.onnx.clone(), files.tokenizer.clone())
            .with_pooling(Pooling::Mean);
        let options = InitOptionsUserDefined::new()
            .with_environment(environment.clone())
            .with_max_length(files.model.max_tokens)
            .with_intra_threads(threads)
            // Spinning threads would take the cores from the other session, and from everyone else.
            .with_session_config("session.intra_op.allow_spinning", "0");
        let make = || TextEmbedding::try_new_from_user_defined(model, options);
        let (inner, pool) = Pool::of(make).map_err(EmbeddingError::Thread)?;
        let inner = inner.map_err(|error| broken(error.to_string()))?;
        tracing::debug!(helpers = pool.len(), "made an embedding session");
        let mut model = Self {
            inner,
            pool,
            token_output,
            max_bytes: files.model.max_tokens * BYTES_PER_TOKEN,
        };
        // The first run is slow, and a model with another output must not get as far as a caller.
        match model.encode(&["warm".into()]) {
            Ok(vectors) if vectors[0].values.len() == files.model.dimensions => Ok(model),
            Ok(vectors) => Err(broken(format!(
                "its vectors have {} dimensions instead of {}",
                vectors[0].values.len(),
                files.model.dimensions
            ))),
            Err(_) => Err(broken("it gives no usable vectors".to_owned())),
        }
    }
}

impl MiniLm {
    /// What says of a text whether it is longer than the model's window of `max_tokens`. It tokenizes texts
    /// that may be: a thirtieth of a millisecond for some hundred characters.
    pub fn truncates(&self, max_tokens: usize) -> Truncates {
        let (tokenizer, max_bytes) = (self.inner.tokenizer.clone(), self.max_bytes);
        Box::new(move |text| {
            // No token is shorter than a byte, and two are the marks at the ends.
            if text.len() + 2 <= max_tokens {
                return false;
            }
            let cut = cut(text, max_bytes);
            cut.len() < text.len()
                || tokenizer
                    .encode(cut, true)
                    .is_ok_and(|encoding| !encoding.get_overflowing().is_empty())
        })
    }
}

impl Encoder for MiniLm {
    fn helpers_time(&self) -> Duration {
        self.pool.time()
    }

    fn encode(&mut self, texts: &[Cow<'_, str>]) -> Result<Vec<Vector>, Failure> {
        let texts: Vec<&str> = texts.iter().map(|text| cut(text, self.max_bytes)).collect();
        let output = self
            .inner
            .transform(&texts, Some(texts.len()))
            .map_err(|error| {
                // Of all it could say, only the runtime's message is sure to hold no text.
                if let fastembed::Error::OrtSession(message) = &error {
                    tracing::error!(message, "the embedding session failed");
                }
                Failure::Compute("running the model")
            })?;
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in output.into_raw() {
            vectors.extend(pooled(&batch, self.token_output)?);
        }
        if vectors.len() == texts.len() {
            Ok(vectors)
        } else {
            Err(Failure::Compute("counting the vectors"))
        }
    }
}

/// Mean over the real tokens, scaled to norm 1.
fn pooled(batch: &SingleBatchOutput, token_output: &'static str) -> Result<Vec<Vector>, Failure> {
    let failed = |_| Failure::Compute("reading the vectors");
    let means = batch
        .select_and_pool_output(&&OutputKey::ByName(token_output), Some(Pooling::Mean))
        .map_err(failed)?;
    let masks = batch.attention_mask_array.rows();
    let rows = means.rows().into_iter().zip(masks);
    rows.map(|(mean, mask)| {
        let square: f64 = mean
            .iter()
            .map(|value| f64::from(*value) * f64::from(*value))
            .sum();
        if !square.is_finite() || square == 0.0 {
            return Err(Failure::Compute("scaling a vector"));
        }
        let norm = square.sqrt();
        let values = mean
            .iter()
            .map(|value| (f64::from(*value) / norm) as f32)
            .collect();
        Ok(Vector {
            values,
            tokens: mask.iter().filter(|real| **real == 1).count() as u32,
        })
    })
    .collect()
}

/// The longest start of `text` that fits, ending at a character.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_ends_at_a_character() {
        assert_eq!(cut("abc", 10), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("é", 0), "");
    }
}
