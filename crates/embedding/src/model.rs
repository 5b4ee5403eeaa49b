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
const BYTES_PER_TOKEN: usize = 32;

/// Windows of long texts that are computed together: more would take memory and give no speed.
const WINDOWS_AT_ONCE: usize = 8;

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
    max_tokens: usize,
    windows: usize,
    max_bytes: usize,
}

impl MiniLm {
    /// Builds a session that computes on `threads` cores, and tries it on a word.
    pub fn load(
        files: &ModelFiles,
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
            token_output: files.model.token_output,
            max_tokens: files.model.max_tokens,
            windows: files.model.windows,
            max_bytes: files.model.max_tokens * files.model.windows * BYTES_PER_TOKEN,
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
    /// What says of a text whether it is longer than what the model reads. It tokenizes texts that may be: a
    /// thirtieth of a millisecond for some hundred characters.
    pub fn truncates(&self) -> Truncates {
        let tokenizer = self.inner.tokenizer.clone();
        let (max_bytes, max_tokens, windows) = (self.max_bytes, self.max_tokens, self.windows);
        Box::new(move |text| {
            // No token is shorter than a byte, and two are the marks at the ends.
            if text.len() + 2 <= max_tokens {
                return false;
            }
            let cut = cut(text, max_bytes);
            cut.len() < text.len()
                || tokenizer
                    .encode(cut, true)
                    .is_ok_and(|encoding| encoding.get_overflowing().len() >= windows)
        })
    }

    /// The parts of a text that the model reads one by one.
    fn parts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        if self.windows == 1 || text.len() + 2 <= self.max_tokens {
            return vec![text];
        }
        let Ok(first) = self.inner.tokenizer.encode(text, true) else {
            return vec![text];
        };
        let windows = std::iter::once(&first).chain(first.get_overflowing());
        let parts: Vec<&str> = windows
            .take(self.windows)
            .filter_map(|window| {
                // Marks and padding stand for no part of the text.
                let mut real = window.get_offsets().iter().filter(|(from, to)| to > from);
                let (from, mut to) = *real.next()?;
                to = real.next_back().map_or(to, |(_, end)| *end);
                text.get(from..to)
            })
            .collect();
        match parts.is_empty() {
            true => vec![text],
            false => parts,
        }
    }

    /// The mean over the tokens of each text, and how many there are.
    fn means(&mut self, texts: &[&str], at_once: usize) -> Result<Vec<Mean>, Failure> {
        let output = self
            .inner
            .transform(texts, Some(at_once))
            .map_err(|error| {
                // Of all it could say, only the runtime's message is sure to hold no text.
                if let fastembed::Error::OrtSession(message) = &error {
                    tracing::error!(message, "the embedding session failed");
                }
                Failure::Compute("running the model")
            })?;
        let mut means = Vec::with_capacity(texts.len());
        for batch in output.into_raw() {
            means.extend(means_of(&batch, self.token_output)?);
        }
        match means.len() == texts.len() {
            true => Ok(means),
            false => Err(Failure::Compute("counting the vectors")),
        }
    }
}

impl Encoder for MiniLm {
    fn helpers_time(&self) -> Duration {
        self.pool.time()
    }

    fn encode(&mut self, texts: &[Cow<'_, str>]) -> Result<Vec<Vector>, Failure> {
        let texts: Vec<&str> = texts.iter().map(|text| cut(text, self.max_bytes)).collect();
        let parts: Vec<Vec<&str>> = texts.iter().map(|text| self.parts(text)).collect();
        let all: Vec<&str> = parts.iter().flatten().copied().collect();
        // The queue has bounded the texts of a batch; windows of many are computed a few at a time.
        let at_once = match all.len() == texts.len() {
            true => texts.len(),
            false => WINDOWS_AT_ONCE,
        };
        let mut means = self.means(&all, at_once)?.into_iter();
        let vector = |own: Vec<&str>| joined(means.by_ref().take(own.len()).collect());
        parts.into_iter().map(vector).collect()
    }
}

/// The mean over the real tokens of one window, and how many they are.
struct Mean {
    values: Vec<f32>,
    tokens: u32,
}

fn means_of(batch: &SingleBatchOutput, token_output: &'static str) -> Result<Vec<Mean>, Failure> {
    let failed = |_| Failure::Compute("reading the vectors");
    let means = batch
        .select_and_pool_output(&&OutputKey::ByName(token_output), Some(Pooling::Mean))
        .map_err(failed)?;
    let masks = batch.attention_mask_array.rows();
    let rows = means.rows().into_iter().zip(masks);
    let made = rows.map(|(mean, mask)| Mean {
        values: mean.to_vec(),
        tokens: mask.iter().filter(|real| **real == 1).count() as u32,
    });
    Ok(made.collect())
}

/// The vector of a text: the mean of its windows, each counting by its tokens, scaled to norm 1.
fn joined(windows: Vec<Mean>) -> Result<Vector, Failure> {
    let tokens = windows.iter().map(|window| window.tokens).sum();
    let mut windows = windows.into_iter();
    let Some(first) = windows.next() else {
        return Err(Failure::Compute("counting the windows"));
    };
    let mut values = first.values;
    // One window's mean stays as it is, to the last bit.
    let mut weight = first.tokens as f32;
    for window in windows {
        let (old, new) = (weight, window.tokens as f32);
        weight += new;
        for (value, other) in values.iter_mut().zip(window.values) {
            *value = (*value * old + other * new) / weight;
        }
    }
    let square: f64 = values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    if !square.is_finite() || square == 0.0 {
        return Err(Failure::Compute("scaling a vector"));
    }
    let norm = square.sqrt();
    for value in &mut values {
        *value = (f64::from(*value) / norm) as f32;
    }
    Ok(Vector { values, tokens })
}

/// The longest start of `text` that fits, ending at a character.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_by_their_tokens() {
        let mean = |values: [f32; 2], tokens| Mean {
            values: values.to_vec(),
            tokens,
        };
        let one = joined(vec![mean([3.0, 4.0], 5)]).unwrap();
        assert_eq!((one.values, one.tokens), (vec![0.6, 0.8], 5));
        let two = joined(vec![mean([1.0, 0.0], 30), mean([0.0, 1.0], 10)]).unwrap();
        assert!(
            (two.values[0] / two.values[1] - 3.0).abs() < 1e-5,
            "{:?}",
            two.values
        );
        assert_eq!(two.tokens, 40);
        assert!(joined(Vec::new()).is_err() && joined(vec![mean([0.0, 0.0], 3)]).is_err());
    }

    #[test]
    fn a_cut_ends_at_a_character() {
        assert_eq!(cut("abc", 10), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("é", 0), "");
    }
}
