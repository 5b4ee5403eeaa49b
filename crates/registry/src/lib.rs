//! Use case: the model versions of any owner, a tenant or a tier above the tenants.
//!
//! - [`Owner`]: whose versions are meant, the one place that chooses between a tenant's tables and a
//!   tier's.
//! - [`resolve`]: which versions may serve a tenant and a task, its own and those of the tiers above,
//!   and the built-in model that serves where nothing else does.
//! - [`load`]: a version's artifact, checked against its checksum, as a ranker or a head; or a typed
//!   reason why it gives none.
//! - [`publish`]: a trained version becomes part of the registry, in one way for all owners, from what
//!   [`dataset`] pins and [`inputs`] keeps.
//! - [`alias`]: moves of the champion and the challenger, each with its cause.
//! - [`prune`]: versions that nothing needs go. [`reproduce`]: whether a version that was made again is
//!   the same.
//!
//! Everything here returns domain and learning types. Errors are [`RegistryError`], which knows its
//! kind ([`domain::Fault`]): services and jobs turn that into what their callers see.

pub mod alias;
pub mod dataset;
mod error;
pub mod inputs;
pub mod load;
pub mod prune;
pub mod publish;
pub mod reproduce;
pub mod resolve;
mod scope;
#[cfg(test)]
mod test_store;

pub use error::{RegistryError, Result};
pub use scope::Owner;
