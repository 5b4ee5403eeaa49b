//! Jobs: long work outside of the request that caused it.
//!
//! - [`specs`] has one type for each job: its payload of ids, how often it may be taken, its dedup
//!   key, whose cost it is, and what it says when it is done. It is enqueued in the transaction that
//!   causes it, as `tx.jobs().enqueue(Retrain { … }.new_job(), now)`.
//! - [`JobHandler`] does the jobs of one type. What it does may be done a second time after a crash,
//!   so it must have the same effect when it is repeated.
//! - [`Worker`] takes jobs by lease, runs them outside any transaction beside the renewal of their
//!   lease, measures them, and settles them.
//! - [`JobFailure`] says whether a failed job is tried again; of an error it is made by its kind.

mod failure;
mod handlers;
mod outcome;
mod spec;
pub mod specs;
mod work;
mod worker;

pub use failure::JobFailure;
pub use handlers::{Handlers, JobHandler};
pub use spec::{JobCost, JobSpec};
pub use specs::{
    CheckChampion, CompareSpaces, EraseTenant, IndexItems, Precompute, PruneModels, RebuildIndex,
    ReproduceModel, Retrain, SwitchSpace, TrainTier,
};
pub use work::JobWork;
pub use worker::{Worker, WorkerSettings};
