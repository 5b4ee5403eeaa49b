//! Text as numbers: tokens and what they weigh (BM25), style, postings, keyword rules.

pub(crate) mod keywords;
mod postings;
pub mod style;
pub mod tokens;

pub(crate) use postings::{Numbers, Postings};
