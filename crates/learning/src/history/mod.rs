//! A tenant's history: its items in order of time, and what they say as of any moment.

pub mod corpus;
pub mod dataset;
pub mod forecast;
pub mod retrieval;
pub mod search_words;
pub mod statistics;
pub mod windows;
