//! Training of rankers: a tenant's own, and those of the tiers above.

mod progress;
mod search;
mod shared_sample;
mod tenant;
mod tier;

pub use progress::{Progress, TrainError};
pub use search::{MAX_TRIALS, Search};
pub(crate) use search::{best_of, between};
pub use shared_sample::{Signal, SignalError};
pub use tenant::{TenantModel, TrainSettings, signal_of, train_tenant};
pub use tier::{TierKind, TierModel, fit_global, train_tier};
