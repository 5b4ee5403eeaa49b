//! Training of rankers: a tenant's own, and those of the tiers above.

mod progress;
mod random_search;
mod recipe_search;
mod shared_sample;
mod space_choice;
mod tenant;
mod tier;

pub use progress::{Progress, TrainError};
pub use random_search::{MAX_TRIALS, Search};
pub(crate) use random_search::{SearchSpace, between};
pub use shared_sample::{SharedSampleError, SharedTrainingSample};
pub use space_choice::{ComparedSpace, choose_space};
pub use tenant::{TenantModel, TrainSettings, shared_sample_of, train_tenant};
pub use tier::{TierKind, TierModel, fit_global, train_tier};
