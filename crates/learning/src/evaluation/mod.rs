//! Evaluation: backtests, hold-out comparisons, metrics, and the evidence for the gate.

pub mod backtest;
pub mod bootstrap;
pub mod comparison;
pub mod holdout;
pub mod metrics;
pub mod monitoring;
