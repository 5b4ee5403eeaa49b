//! Use case: the model versions of any owner, a tenant or a tier above the tenants.
//!
//! - [`Owner`]: whose versions are meant, the one place that chooses between a tenant's tables and a
//!   tier's.
//! - [`resolve`]: which versions may serve a tenant and a task, its own and those of the tiers above,
//!   and the built-in model that serves where nothing else does.
//! - [`load`]: a version's artifact, checked against its checksum, as a ranker or a head; or a typed
//!   reason why it gives none.
//! - [`alias`]: moves of the champion and the challenger, each with its cause.
//!
//! Everything here returns domain and learning types. Errors are [`RegistryError`], which knows its
//! kind ([`domain::Fault`]): services and jobs turn that into what their callers see.

pub mod alias;
mod error;
pub mod load;
pub mod resolve;
mod scope;
#[cfg(test)]
mod test_store;

pub use error::{RegistryError, Result};
pub use scope::Owner;
