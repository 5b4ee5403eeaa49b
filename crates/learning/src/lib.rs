//! Learning: features, the ranker, evaluation and the gate's evidence.
//!
//! Pure, synchronous and deterministic: the same corpus, settings and seed give the same bytes.
//! Nothing here reads a clock, a file or a network; whoever calls it owns the thread.
//!
//! The way of a question: [`words`] cuts it, retrieval (here for training, in the
//! vector store when serving) collects the nearest items, features describe each candidate expert
//! with numbers that mean the same for every tenant, and a [`Ranker`] weighs them.

pub mod classification;
mod evaluation;
mod history;
mod parallel;
mod ranking;
pub mod solvers;
mod text;
mod training;

pub use classification as classify;
pub use evaluation::{
    AgainstChampion, Champion, EvaluationReport, Exam, MethodReport, Reliability, SliceReport,
    first_right, metrics, score_since,
};
pub use history::{
    Corpus, CorpusError, CorpusItem, DatasetDescription, Document, Hits, NEIGHBOURS, Retriever,
    SearchWords, Statistics, Window, describe,
};
pub use parallel::helpers_time;
pub use ranking::{
    Asked, Baseline, Calibration, Contribution, FEATURES, FeatureMatrix, Features, FitSettings,
    GLOBAL_RANKER, Heads, OnlineHead, Query, Ranker, RankerRecipe, Scored, global_ranker,
};
pub use text::{style, tokens as words};
pub use training::{
    MAX_TRIALS, Progress, Search, Signal, SignalError, TenantModel, TierKind, TierModel,
    TrainError, TrainSettings, fit_global, signal_of, train_tenant, train_tier,
};
