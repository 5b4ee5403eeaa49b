//! Numerical solvers: what fits the models.

mod cholesky;
mod growing_factor;
mod lbfgs;
mod logistic_regression;
mod logit;
mod rows;

pub(crate) use cholesky::{factor, solve};
pub(crate) use growing_factor::GrowingFactor;
pub use lbfgs::GoOn;
pub use logistic_regression::{FitOptions, LogisticRegression, Targets, sigmoid, softmax};
pub use logit::{Inputs, Logit, log_odds};
pub use rows::Rows;
pub(crate) use rows::one;
