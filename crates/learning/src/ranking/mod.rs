//! Ranking: the features of candidate experts, the scorers behind them, and the ranker that weighs them.

mod baselines;
mod built_in;
mod calibration;
mod conditional_logit;
mod expert_rows;
mod features;
mod fit;
mod neighbor_votes;
mod online;
mod recipe;
mod replays;
mod ridge;
mod ridge_replay;
mod ridge_sums;
mod softmax;
mod weights;

pub use baselines::Baseline;
pub use built_in::{GLOBAL_RANKER, global_ranker};
pub use calibration::Calibration;
pub use conditional_logit::{Contribution, FitSettings, Query, Ranker, Scored};
pub(crate) use features::FEATURE_SET;
pub use features::HISTORY_FORM;
pub use features::{FEATURES, FeatureInputs, FeatureMatrix, Features};
pub(crate) use fit::fit_each;
pub use online::OnlineClassifier;
pub(crate) use online::replay as replay_online;
pub use recipe::RankerRecipe;
pub(crate) use ridge::RIDGE_SCORERS;
pub use ridge::RidgeScorer;
pub(crate) use ridge_replay::{RidgePrediction, RidgeReplay};
