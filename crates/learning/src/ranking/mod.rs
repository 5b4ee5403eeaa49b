//! Ranking: the features of candidate experts, the scorers behind them, and the ranker that weighs them.

pub mod baselines;
pub mod built_in;
pub mod calibration;
pub mod conditional_logit;
pub mod features;
pub mod neighbor_votes;
pub mod online;
pub mod recipe;
pub mod ridge;
