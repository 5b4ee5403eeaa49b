//! Model files on an object store, checksummed; and the cache of resident models.
//!
//! An artifact is written once under a path that names its owner, is never changed, and is only
//! handed out when its bytes still have the checksum that the registry holds. A snapshot
//! ([`ArtifactStore::replace`]) takes the place of the one before and holds its own checksums: it is made of
//! what the database has, so it may be lost.

mod error;
mod mapped;
mod resident;
mod store;

pub use error::ArtifactError;
pub use mapped::ArtifactFile;
pub use resident::{Resident, ResidentCache};
pub use store::{ArtifactStore, ArtifactsConfig, Stored, checksum};
