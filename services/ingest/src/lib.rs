//! `IngestService`: experts, items, quarantine, datasets; and the indexer that makes what was
//! ingested findable.

mod batch;
mod crowd;
mod datasets;
mod handlers;
mod indexer;
mod labels;
mod people;
mod reconcile;
mod space_index;
mod stream;
mod switch;

use api::v1::ingest_service_server::IngestServiceServer;
use domain::{Clock, TenantContext};
use server::{Gatekeeper, MAX_MESSAGE_BYTES, ServiceError};
use storage::{Store, TenantTx};
use tokio_util::sync::CancellationToken;

use crate::crowd::Crowds;

pub use indexer::Indexer;
pub use reconcile::reconcile;
pub use switch::SpaceSwitcher;

use std::sync::Arc;

use vectors::VectorStore;

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.IngestService";

/// What the handlers need.
#[derive(Clone)]
pub struct Ingest {
    store: Store,
    vectors: Arc<dyn VectorStore>,
    gate: Gatekeeper,
    clock: Clock,
    crowds: Crowds,
    /// Cancelled at shutdown: streams end after the batch they are at.
    stop: CancellationToken,
}

/// What makes an [`Ingest`].
pub struct IngestParts {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The gate that handlers pass.
    pub gate: Gatekeeper,
    /// The clock.
    pub clock: Clock,
    /// Cancelled at shutdown.
    pub stop: CancellationToken,
}

impl Ingest {
    /// Handlers on these parts.
    #[must_use]
    pub fn new(parts: IngestParts) -> Self {
        let IngestParts {
            store,
            vectors,
            gate,
            clock,
            stop,
        } = parts;
        Self {
            store,
            vectors,
            gate,
            clock,
            crowds: Crowds::default(),
            stop,
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(self) -> IngestServiceServer<Self> {
        IngestServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    }

    async fn begin(&self, ctx: &TenantContext) -> Result<TenantTx, ServiceError> {
        Ok(self.store.begin(ctx).await?)
    }
}
