//! A static model: each token has one vector, and a text's is their sum.
//!
//! Tokenizing takes tens of microseconds for a question and the sum a few, so a text is embedded where it
//! is asked for, without queue or threads; only long texts, and many, go to a thread that may block. How
//! the token vectors are made is in `tenantry-distillation`; [`TokenTable`] is the file they are in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use tokenizers::Tokenizer;

use crate::config::EmbeddingConfig;
use crate::error::EmbeddingError;
use crate::model::{BYTES_PER_TOKEN, cut};
use crate::queue::Embedded;
use crate::token_table::TokenTable;
use model_files::{BaseModel, TABLE_FILE, TOKENIZER_FILE};

/// Names how a vector is made from a text, beyond the files.
const SCHEME: &str = "tenantry-static 1: sum of token vectors, L2 norm 1";
/// So many bytes of text are embedded on the caller's own thread: a tenth of a millisecond.
const AT_ONCE: usize = 2_048;

/// A table of token vectors with its tokenizer. Clones are the same one.
#[derive(Clone)]
pub(crate) struct StaticModel {
    shared: Arc<Shared>,
}

struct Shared {
    tokenizer: Tokenizer,
    table: TokenTable,
    max_tokens: usize,
}

impl StaticModel {
    /// Reads the files of the model, and what identifies its space: their bytes, the limit and the scheme.
    pub fn open(
        model: &'static BaseModel,
        config: &EmbeddingConfig,
    ) -> Result<(Self, blake3::Hash), EmbeddingError> {
        let folder = config.folder_of(model);
        let folder = folder.ok_or(EmbeddingError::NotInstalled { model: model.name })?;
        let (table, tokenizer) = (
            read(model, &folder, TABLE_FILE)?,
            read(model, &folder, TOKENIZER_FILE)?,
        );
        let mut hash = blake3::Hasher::new();
        hash.update(SCHEME.as_bytes());
        hash.update(&(model.max_tokens as u64).to_le_bytes());
        for bytes in [&table, &tokenizer] {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        let broken = |problem: String| EmbeddingError::TableBroken {
            folder: folder.clone(),
            model: model.name,
            problem,
        };
        let table = TokenTable::from_bytes(&table).map_err(|problem| broken(problem.to_owned()))?;
        let mut tokenizer =
            Tokenizer::from_bytes(&tokenizer).map_err(|error| broken(error.to_string()))?;
        tokenizer.with_padding(None);
        let whole = tokenizer.with_truncation(None).map(|_| ());
        whole.map_err(|error| broken(error.to_string()))?;
        let tokens = tokenizer.get_vocab_size(true);
        if table.dimensions() != model.dimensions || table.tokens() != tokens {
            return Err(broken(format!(
                "it has {} vectors of {} numbers, and {tokens} of {} are needed",
                table.tokens(),
                table.dimensions(),
                model.dimensions
            )));
        }
        let shared = Arc::new(Shared {
            tokenizer,
            table,
            max_tokens: model.max_tokens,
        });
        Ok((Self { shared }, hash.finalize()))
    }

    /// Embeds a text.
    pub async fn embed(&self, text: String) -> Result<Embedded, EmbeddingError> {
        if text.len() <= AT_ONCE {
            return self.shared.embed(&text);
        }
        let mut embedded = self.embed_each(vec![text]).await;
        embedded.pop().unwrap_or(Err(EmbeddingError::Panicked))
    }

    /// Embeds texts, in their order.
    pub async fn embed_each(&self, texts: Vec<String>) -> Vec<Result<Embedded, EmbeddingError>> {
        let (shared, count) = (Arc::clone(&self.shared), texts.len());
        let embed = move || texts.iter().map(|text| shared.embed(text)).collect();
        let embedded = tokio::task::spawn_blocking(embed).await;
        embedded.unwrap_or_else(|_| (0..count).map(|_| Err(EmbeddingError::Panicked)).collect())
    }

    /// Whether only the beginning of the text is read.
    pub fn truncates(&self, text: &str) -> bool {
        let Shared { max_tokens, .. } = *self.shared;
        text.len() > max_tokens
            && self.shared.tokens(text).map_or(true, |tokens| {
                tokens.len() > max_tokens || text.len() > max_tokens * BYTES_PER_TOKEN
            })
    }
}

impl Shared {
    fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        let text = cut(text, self.max_tokens * BYTES_PER_TOKEN);
        let encoding = self.tokenizer.encode_fast(text, false);
        let failed = |_| EmbeddingError::Compute {
            stage: "tokenizing",
        };
        Ok(encoding.map_err(failed)?.get_ids().to_vec())
    }

    fn embed(&self, text: &str) -> Result<Embedded, EmbeddingError> {
        let (started, cpu) = (Instant::now(), ThreadTime::now());
        let mut tokens = self.tokens(text)?;
        tokens.truncate(self.max_tokens);
        Ok(Embedded {
            vector: self.table.embed(&tokens),
            tokens: tokens.len() as u32,
            queued: Duration::ZERO,
            computed: started.elapsed(),
            cpu: cpu.elapsed(),
        })
    }
}

fn read(
    model: &'static BaseModel,
    folder: &Path,
    name: &'static str,
) -> Result<Vec<u8>, EmbeddingError> {
    let path: PathBuf = folder.join(name);
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => EmbeddingError::NotInstalled { model: model.name },
        _ => EmbeddingError::TableBroken {
            folder: folder.to_owned(),
            model: model.name,
            problem: format!("{name} cannot be read: {error}"),
        },
    })
}
