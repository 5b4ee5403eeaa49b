//! Learning: the history of a tenant as numbers, rankers and classifiers, their training and evaluation.
//!
//! Pure, synchronous and deterministic: the same corpus, settings and seed give the same bytes. Nothing here reads
//! a wall clock, a file or a network; the caller owns the thread.
//!
//! A question's way: [`tokens`] splits its text, retrieval (here for training, in the vector store when serving)
//! collects the nearest items, features describe each candidate expert by numbers that mean the same for every
//! tenant, and a [`Ranker`] (a conditional logit) scores them. Texts of tenant-defined tasks are answered by
//! [`classification`].
//!
//! The folders import downwards only, in this order from the bottom: `layout`, `text` and `solvers`, `history`, `ranking`,
//! `evaluation`, `training`, `classification`.

pub mod classification;
mod evaluation;
mod history;
pub mod layout;
mod parallel;
mod ranking;
pub mod solvers;
mod text;
mod training;

pub use evaluation::{
    AgainstChampion, BacktestWindow, Champion, EvaluationReport, MethodReport, Reliability,
    SliceReport, first_right, metrics, score_since,
};
pub use history::{
    Corpus, CorpusError, CorpusItem, DatasetDescription, Document, Hits, NEIGHBOURS, Retriever,
    SearchWords, Statistics, Window, describe,
};
pub use parallel::helper_cpu_time;
pub use ranking::{
    Baseline, Calibration, Contribution, FEATURES, FeatureInputs, FeatureMatrix, Features,
    FitSettings, GLOBAL_RANKER, HISTORY_FORM, OnlineClassifier, Query, Ranker, RankerRecipe,
    RidgeScorer, Scored, global_ranker,
};
pub use text::{style, tokens};
pub use training::{
    ComparedSpace, MAX_TRIALS, Progress, Search, SharedSampleError, SharedTrainingSample,
    TenantModel, TierKind, TierModel, TrainError, TrainSettings, choose_space, fit_global,
    shared_sample_of, train_tenant, train_tier,
};
