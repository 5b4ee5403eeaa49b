//! Numerical solvers: what fits the models.

pub mod cholesky;
