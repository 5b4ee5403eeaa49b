//! `TrainingService`: jobs, the registry of models, and the trainer that makes them.

mod commands;
mod compare;
mod compute;
mod convert;
mod handlers;
mod low_priority;
mod memory;
mod monitoring;
mod prune;
mod reproduce;
mod scope;
mod space_choice;
mod start;
mod task_report;
mod task_trainer;
mod tasks;
mod tenant_trainer;
mod tiers;
mod trainer;
mod trials;
mod watch;

use api::v1::training_service_server::TrainingServiceServer;
use domain::{Clock, TenantContext};
use server::{Gatekeeper, MAX_MESSAGE_BYTES, ServiceError};
use storage::{Store, TenantTx};
use tokio_util::sync::CancellationToken;

pub use prune::{Pruner, run_retention};
pub use tenant_trainer::TenantTrainer;
pub use tiers::TierTrainer;
pub use trainer::Trainer;

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.TrainingService";

/// What the handlers need.
#[derive(Clone)]
pub struct Training {
    store: Store,
    gate: Gatekeeper,
    clock: Clock,
    /// Cancelled at shutdown: watchers end.
    stop: CancellationToken,
}

impl Training {
    /// Handlers on `store`.
    #[must_use]
    pub fn new(store: Store, gate: Gatekeeper, clock: Clock, stop: CancellationToken) -> Self {
        Self {
            store,
            gate,
            clock,
            stop,
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(self) -> TrainingServiceServer<Self> {
        TrainingServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    }

    async fn begin(&self, ctx: &TenantContext) -> Result<TenantTx, ServiceError> {
        Ok(self.store.begin(ctx).await?)
    }
}
