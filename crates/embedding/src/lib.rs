//! Text to vector: MiniLM models through fastembed and ONNX Runtime, each on threads of its own.
//!
//! [`Embedder::open`] finds the files that `cargo xtask setup` installed (see [`model_files`]), loads the
//! model and starts its threads. Async code then calls [`Embedder::embed_query`] for a text that
//! somebody waits for, and [`Embedder::embed_passages`] for texts in bulk; neither blocks the async
//! thread.
//!
//! # The catalogue
//!
//! [`model_files::MODELS`] lists the base models, and [`Embedders`] has those that a server uses: the default
//! one from the start, the others from when a tenant first needs them until the end of the process.
//! Two models never share a queue, a thread or a cached vector.
//!
//! # Queues and threads
//!
//! ```text
//! embed_query ----> queries  (full: Overloaded) --+--> thread "embed-queries": queries only
//!                                                 |
//! embed_passages -> passages (full: waits) -------+--> threads "embed-all": queries, then passages
//! ```
//!
//! Each thread has a session of the model. One serves queries only, so a query never waits for a
//! passage, it only shares the cores with one; another serves passages whenever no query waits, and
//! all cores are at work in either case. A batch holds as many texts as fit
//! [`EmbeddingConfig::max_batch_tokens`] when all are padded to the longest, and passages are sorted
//! by length first. An entry whose caller has left is dropped unread. A batch that fails or panics
//! is tried again text by text, so that one caller's text cannot cost another its answer.
//!
//! # One text, one vector
//!
//! The model holds its weights as int8 and computes in f32 (its graph casts and scales the weights,
//! and no activation is quantized), so nothing in a vector depends on the texts computed beside it.
//! Tests compare texts embedded alone and padded among texts of 2 to 256 tokens, on one thread and
//! on two: the largest difference of one number is 0. That is what allows vectors to be cached under
//! [`Embedder::content_hash`]. Processors of another kind may round the last digits differently, and
//! a model that quantizes activations would not keep this promise: the tests would show it.
//!
//! # Cost
//!
//! Two cores of an AMD EPYC with AVX2, no AVX-512; other work on the machine kept away by priority:
//!
//! | measured | 1 thread | 2 threads |
//! |---|---|---|
//! | one query of 17 tokens, idle, p50 (p95) | 7.8 ms (9.4) | 6.2 ms (7.5) |
//! | the same while passages are embedded | 8.1 ms (10.0) | 8.3 ms (12.9) |
//! | 16 callers at once | 187 queries/s | 278 queries/s |
//! | passages of 300 characters (46 tokens), one by one | 52 /s | 77 /s |
//! | the same in batches of 512 tokens | 61 /s | 91 to 108 /s |
//!
//! The time goes into f32 matrix products at nearly the full speed of those cores (about 21 MFLOP a
//! token), so it shrinks with better cores and with shorter texts, and hardly with larger batches.
//! Tokenizing takes 0.03 ms a question. fastembed tokenizes inside, and the count of tokens comes
//! from the attention mask it returns, so nothing is tokenized twice; batches are formed on an
//! estimate of four bytes a token. ONNX Runtime's spinning is off: spinning saves a millisecond on
//! an idle machine and doubles a query's time on a busy one. The command:
//! `cargo run -p tenantry-embedding --example embedding_speed`.
//!
//! A session takes about 150 MB, because ONNX Runtime unfolds the weights to f32; on up to four cores
//! there are two sessions.

mod config;
mod embedder;
mod embedders;
mod error;
mod files;
mod model;
mod processor;
mod queue;
mod sessions;
mod static_model;
mod token_table;
mod token_vectors;
mod worker;

pub use config::EmbeddingConfig;
pub use embedder::{Embedder, SpaceInfo};
pub use embedders::Embedders;
pub use error::EmbeddingError;
pub use files::model_fingerprint;
pub use model_files::{
    BaseModel, MODELS, ModelKind, TABLE_FILE, TOKENIZER_FILE, default_cache_dir, default_model_dir,
    default_onnxruntime,
};
pub use queue::Embedded;
pub use token_table::TokenTable;
pub use token_vectors::{TokenVectors, token_vectors};
