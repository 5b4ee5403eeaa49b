//! `TenantService`: tenants, keys, the audit trail, export and erasure.

mod bootstrap;
mod commands;
mod directory;
mod erasure;
mod export;
mod handlers;
mod keys;
mod spaces;

use std::sync::Arc;

use api::v1::tenant_service_server::TenantServiceServer;
use domain::Clock;
use embedding::Embedders;
use server::{Gatekeeper, MAX_MESSAGE_BYTES};
use storage::Store;
use vectors::VectorStore;

pub use bootstrap::ensure_operator_key;
pub use directory::Directory;
pub use erasure::Eraser;

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.TenantService";

/// What the handlers need.
#[derive(Clone)]
pub struct Tenants {
    store: Store,
    gate: Gatekeeper,
    clock: Clock,
    embedders: Embedders,
    vectors: Arc<dyn VectorStore>,
}

/// What makes a [`Tenants`].
pub struct TenantsParts {
    /// The relational store.
    pub store: Store,
    /// The gate that handlers pass.
    pub gate: Gatekeeper,
    /// The clock.
    pub clock: Clock,
    /// The embedding models that tenants may choose among.
    pub embedders: Embedders,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
}

impl Tenants {
    /// Handlers on these parts.
    #[must_use]
    pub fn new(parts: TenantsParts) -> Self {
        let TenantsParts {
            store,
            gate,
            clock,
            embedders,
            vectors,
        } = parts;
        Self {
            store,
            gate,
            clock,
            embedders,
            vectors,
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(self) -> TenantServiceServer<Self> {
        TenantServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    }
}
