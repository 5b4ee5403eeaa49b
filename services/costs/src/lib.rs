//! `CostService`: what tenants cost, and what they earn.
//!
//! The arithmetic is `domain::cost`'s; this room reads what it needs from the store, asks it, and
//! keeps the verdict on each tenant's own model where the router finds it.

mod alerts;
mod currency;
mod error;
mod export;
mod handlers;
mod month;
mod prices;
mod report;
mod scope;
mod usage;
mod value;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use api::v1::cost_service_server::CostServiceServer;
use domain::Clock;
use server::{Gatekeeper, MAX_MESSAGE_BYTES};
use storage::Store;
use tokio::sync::Semaphore;

pub use watch::watch_loop;

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.CostService";

/// What the handlers need.
#[derive(Clone)]
pub struct Costs {
    store: Store,
    gate: Gatekeeper,
    clock: Clock,
    /// Who makes a report.
    turns: Arc<Semaphore>,
}

impl Costs {
    /// Handlers on `store`.
    #[must_use]
    pub fn new(store: Store, gate: Gatekeeper, clock: Clock) -> Self {
        Self {
            store,
            gate,
            clock,
            turns: Arc::new(Semaphore::new(1)),
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(self) -> CostServiceServer<Self> {
        CostServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .send_compressed(tonic::codec::CompressionEncoding::Gzip)
    }
}
