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
mod solvers;
mod text;
mod training;

pub use classification as classify;
use evaluation::{
    backtest as exam, bootstrap as gate, comparison as report, holdout as judgement,
    metrics as evaluation_metrics, monitoring as check,
};
use history::{
    corpus, dataset, forecast as recency, retrieval, search_words as search, statistics, windows,
};
use parallel as helpers;
use ranking::{
    baselines, built_in as global, calibration, conditional_logit as ranker, features,
    neighbor_votes as votes, online, recipe, ridge as heads,
};
use solvers::cholesky as linear;
use text::{keywords, postings};
pub use text::{style, tokens as words};
use training::{shared_sample as signal, tenant, tier};

pub use baselines::Baseline;
pub use calibration::Calibration;
pub use check::score_since;
pub use corpus::{Corpus, CorpusError, CorpusItem, Document};
pub use dataset::{DatasetDescription, describe};
pub use evaluation_metrics::{
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
pub use tenant::{
    Champion, Progress, TenantModel, TrainError, TrainSettings, fit_global, signal_of, train_tenant,
};
pub use windows::Window;
