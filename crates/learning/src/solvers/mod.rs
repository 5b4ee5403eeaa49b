//! Numerical solvers: what fits the models.

mod cholesky;
mod lbfgs;
mod logistic;

pub(crate) use cholesky::solve;
pub(crate) use lbfgs::{GoOn, minimize};
pub(crate) use logistic::{Inputs, Logit, log_odds};
