//! Use case: answers from what is resident of a tenant.
//!
//! - `residency`: one frame for everything that is resident: loaded once, refreshed after changes,
//!   dropped when the tenant is not active.
//! - `route`: the models that may answer a task, and which of them does.
//! - [`experts`]: who should answer a question, from a tenant's whole history.
//! - [`tasks`]: what a tenant's task says of a text: labels or a number.
//!
//! The two kinds of answers share the frame, the routing and the deadline, and nothing else: their
//! candidates differ. Everything here returns domain types; errors are [`ServingError`], which knows
//! its kind ([`domain::Fault`]).

mod considered;
mod deadline;
mod error;
pub mod experts;
mod residency;
mod route;
pub mod tasks;
mod warm;

#[cfg(test)]
mod test_world;

use std::time::Duration;

pub use error::{Result, ServingError};

/// Where the time of one request went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Waiting for the embedding model.
    pub embedding_queued: Duration,
    /// Computing the embedding.
    pub embedding: Duration,
    /// Searching by meaning.
    pub search: Duration,
    /// Features, ranking and explanation.
    pub ranking: Duration,
    /// All of it, from when the request came.
    pub total: Duration,
}
