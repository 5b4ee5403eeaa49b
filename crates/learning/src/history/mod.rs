//! A tenant's history: its items in order of time, and what they say as of any moment.

mod corpus;
mod dataset;
mod forecast;
mod growth;
mod half_life;
mod items;
mod retrieval;
mod search_words;
mod shares;
mod statistics;
mod windows;

pub use corpus::{Corpus, CorpusError, CorpusItem, Document};
pub use dataset::{DatasetDescription, describe};
pub(crate) use growth::{GROWTH, solved_at};
pub(crate) use half_life::HalfLife;
pub use retrieval::{Hits, NEIGHBOURS, Retriever};
pub use search_words::SearchWords;
pub use statistics::Statistics;
pub(crate) use statistics::{ALL_TIME, RECENT, Vocabulary, WordScoreCache};
pub use windows::Window;
pub(crate) use windows::{least_items, length, windows};
