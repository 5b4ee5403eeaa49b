//! The public gRPC contract of Tenantry: generated code, and conversions between domain and wire.
//!
//! The proto files under `proto/` are the source; nothing generated is kept in the tree. Requests
//! become commands in the services (the only place of validation); this crate converts what goes
//! out, and the small pieces that every service reads.

mod costs;
mod ingest;
mod methods;
mod names;
mod resources;
mod router;
pub mod rules;
mod tasks;
mod tenants;
mod training;

pub use costs::decimal;
pub use methods::{HasParent, Method, method, methods};
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_descriptors_name_every_service() {
        for path in [
            "/tenantry.v1.TenantService/CreateTenant",
            "/tenantry.v1.RouterService/SendFeedback",
        ] {
            assert!(super::method(path).is_some(), "{path}");
        }
        assert!(super::method("/tenantry.v1.TenantService/Nothing").is_none());
        assert!(super::methods().len() > 35);
    }

    #[test]
    fn every_rpc_declares_its_permission() {
        for method in super::methods() {
            assert!(method.permission.is_some(), "{} declares none", method.path);
        }
    }

    #[test]
    fn requests_name_their_parent() {
        use super::HasParent as _;
        let request = super::v1::ListItemsRequest {
            parent: "tenants/acme".to_owned(),
            ..Default::default()
        };
        assert_eq!(request.parent(), "tenants/acme");
    }
}
