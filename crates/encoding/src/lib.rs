//! Use case: a tenant's texts as vectors.
//!
//! An [`Encoder`] stands for one embedding space. There are two ways through it:
//!
//! - [`Encoder::encode`] for texts that a tenant has stored: from the tenant's cache in the database,
//!   or computed and put there, so that nothing is embedded twice.
//! - [`Encoder::query`] for a question that somebody waits for: from a small cache in memory, or
//!   computed ahead of everybody's stored texts.
//!
//! What is computed is metered here and nowhere else. Vectors of different spaces never meet: who
//! answers with an encoder also searches in [`Encoder::space`].

mod encoder;
mod error;
mod query_cache;

pub use encoder::{Encoded, EncodedQuery, Encoder, Encoders, Hash, Lane, LookedUp};
pub use error::{EncodingError, Result};
