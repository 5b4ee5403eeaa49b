//! Learning: features, the ranker, evaluation and the gate's evidence.
//!
//! Pure, synchronous and deterministic: the same corpus, settings and seed give the same bytes.
//! Nothing here reads a clock, a file or a network; whoever calls it owns the thread.
//!
//! The way of a question: [`words`] cuts it, retrieval (here for training, in the
//! vector store when serving) collects the nearest items, features describe each candidate expert
//! with numbers that mean the same for every tenant, and a [`Ranker`] weighs them.

mod baselines;
mod calibration;
mod check;
pub mod classify;
mod corpus;
mod dataset;
mod evaluation;
mod exam;
mod features;
mod gate;
mod global;
mod heads;
mod helpers;
mod judgement;
mod keywords;
mod linear;
mod online;
mod postings;
mod ranker;
mod recency;
mod recipe;
mod report;
mod retrieval;
mod search;
mod signal;
mod statistics;
pub mod style;
mod tier;
mod training;
mod votes;
mod windows;
pub mod words;

pub use baselines::Baseline;
pub use calibration::Calibration;
pub use check::score_since;
pub use corpus::{Corpus, CorpusError, CorpusItem, Document};
pub use dataset::{DatasetDescription, describe};
pub use evaluation::{
    AgainstChampion, EvaluationReport, MethodReport, Reliability, SliceReport, first_right, metrics,
};
pub use exam::Exam;
pub use features::{Asked, FEATURES, FeatureMatrix, Features, Hits, NEIGHBOURS};
pub use global::{GLOBAL_RANKER, global_ranker};
pub use heads::Heads;
pub use helpers::helpers_time;
pub use online::OnlineHead;
pub use ranker::{Contribution, FitSettings, Query, Ranker, Scored};
pub use recipe::{MAX_TRIALS, RankerRecipe, Search};
pub use retrieval::Retriever;
pub use search::SearchWords;
pub use signal::{Signal, SignalError};
pub use statistics::Statistics;
pub use tier::{TierKind, TierModel, train_tier};
pub use training::{
    Champion, Progress, TenantModel, TrainError, TrainSettings, fit_global, signal_of, train_tenant,
};
pub use windows::Window;
