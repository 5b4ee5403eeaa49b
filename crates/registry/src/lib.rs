//! Use case: the model versions of any owner, a tenant or a tier above the tenants.
//!
//! - [`resolve`]: which versions may serve a tenant and a task, its own and those of the tiers above,
//!   and the built-in model that serves where nothing else does.
//! - [`load`]: a version's artifact, checked against its checksum, as a ranker or a head; or a typed
//!   reason why it gives none.
//!
//! Everything here returns domain and learning types. Errors are [`RegistryError`], which knows its
//! kind ([`domain::Fault`]): services and jobs turn that into what their callers see.

mod error;
pub mod load;
pub mod resolve;
#[cfg(test)]
mod test_store;

pub use error::{RegistryError, Result};
