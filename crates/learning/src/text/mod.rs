//! Text as numbers: tokens and what they weigh, style, postings, keyword rules.

pub mod keywords;
pub mod postings;
pub mod style;
pub mod tokens;
