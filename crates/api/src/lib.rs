//! The public gRPC contract of Tenantry: generated code, and conversions between domain and wire.
//!
//! The proto files under `proto/` are the source; nothing generated is kept in the tree. Requests
//! become commands in the services (the only place of validation); this room converts what goes
//! out, and the small pieces that every service reads.

mod costs;
mod ingest;
mod names;
mod resources;
mod router;
pub mod rules;
mod tasks;
mod tenants;
mod training;

pub use costs::decimal;
pub use resources::{Malformed, from_timestamp, page_limit, timestamp};

/// Messages and services of `tenantry.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        rustdoc::all
    )]
    tonic::include_proto!("tenantry.v1");
}

/// The encoded `FileDescriptorSet` of the whole contract: for reflection, and for tests that must
/// hold for every RPC.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The path of every RPC of the contract, for example `/tenantry.v1.TenantService/GetTenant`.
#[must_use]
pub fn method_paths() -> Vec<String> {
    use prost::Message as _;
    // The bytes are made by this crate's build script; if they were broken, nothing would start.
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
    let files = set
        .file
        .iter()
        .filter(|file| file.package() == "tenantry.v1");
    files
        .flat_map(|file| &file.service)
        .flat_map(|service| {
            service
                .method
                .iter()
                .map(|m| format!("/tenantry.v1.{}/{}", service.name(), m.name()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_descriptors_name_every_service() {
        let paths = super::method_paths();
        for path in [
            "/tenantry.v1.TenantService/CreateTenant",
            "/tenantry.v1.RouterService/SendFeedback",
        ] {
            assert!(paths.iter().any(|p| p == path), "{path}");
        }
        assert!(paths.len() > 35, "{}", paths.len());
    }
}
