//! Evaluation: backtests, hold-out comparisons, metrics, and the evidence for the gate.

mod backtest;
mod bootstrap;
mod comparison;
mod holdout;
mod metrics;
mod monitoring;
mod report;

pub use backtest::BacktestWindow;
pub(crate) use backtest::{backtest, questions};
pub(crate) use bootstrap::{Interval, TENANT_RULES, bootstrap, ranking_evidence};
pub use comparison::Champion;
pub(crate) use comparison::{against_champion, methods, slices};
pub(crate) use holdout::{HOLDOUTS, HoldoutEvaluation, INTERPOLATION_WEIGHTS, evaluate_on_holdout};
pub use metrics::{first_right, metrics};
pub(crate) use metrics::{reciprocal, reliability};
pub use monitoring::score_since;
pub use report::{AgainstChampion, EvaluationReport, MethodReport, Reliability, SliceReport};
