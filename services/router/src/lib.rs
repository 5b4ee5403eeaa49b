//! `RouterService`: handlers, commands and conversions over [`serving`], which chooses a model for each
//! request and answers with it; the answer log, and the feedback that joins it.

mod admission;
mod answer_log;
mod classify_commands;
mod commands;
mod convert;
mod corrections;
mod feedback;
mod handlers;
mod policy;
mod precompute;
mod questionnaire;
mod respond;
mod unknown_expert;

use std::sync::Arc;

use api::v1::router_service_server::RouterServiceServer;
use domain::Clock;
use server::{Gatekeeper, MAX_MESSAGE_BYTES};
use serving::experts::Experts;
use serving::tasks::Tasks;
use storage::Store;
use tokio_util::sync::CancellationToken;

use crate::admission::AdmissionLimits;

pub use answer_log::AnswerLog;
pub use precompute::{PrecomputeSettings, Precomputer};

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.RouterService";

/// What the handlers need. Clones are the same router.
#[derive(Clone)]
pub struct Router {
    pub(crate) parts: Arc<RouterParts>,
    pub(crate) limits: AdmissionLimits,
}

/// What makes a [`Router`].
pub struct RouterParts {
    /// The relational store.
    pub store: Store,
    /// Recommends experts.
    pub experts: Experts,
    /// Classifies texts.
    pub tasks: Tasks,
    /// Where answers are logged for feedback to join.
    pub answers: AnswerLog,
    /// The gate that handlers pass.
    pub gate: Gatekeeper,
    /// The clock.
    pub clock: Clock,
    /// Cancelled at shutdown: streams end.
    pub stop: CancellationToken,
}

impl Router {
    /// Handlers on these parts.
    #[must_use]
    pub fn new(parts: RouterParts) -> Self {
        Self {
            parts: Arc::new(parts),
            limits: AdmissionLimits::new(),
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(self) -> RouterServiceServer<Self> {
        RouterServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
    }
}
