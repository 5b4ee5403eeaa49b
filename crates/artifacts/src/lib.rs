//! Model files on an object store, checksummed; and the cache of resident models.
//!
//! An artifact is written once under a path that names its owner, is never changed, and is only
//! handed out when its bytes still have the checksum that the registry holds.

mod error;
mod resident;
mod store;

pub use error::ArtifactError;
pub use resident::{Resident, ResidentCache};
pub use store::{ArtifactStore, ArtifactsConfig, Stored, checksum};
