//! `RouterService`: chooses a model for each request and answers with it.
//!
//! The hot path touches no database: a tenant's history is resident as a view, refreshed in the
//! background after each change.

mod answers;
mod chain;
mod classify;
mod classify_commands;
mod commands;
mod considered;
mod corrections;
mod feedback;
mod give;
mod handlers;
mod history;
mod items;
mod places;
mod policy;
mod precompute;
mod questionnaire;
mod questions;
mod recommend;
mod residents;
mod similar;
mod space;
mod task_models;
mod task_view;
mod tasks;
mod unknown;
mod view;
mod wire;

use std::sync::Arc;

use api::v1::router_service_server::RouterServiceServer;
use artifacts::ArtifactStore;
use domain::Clock;
use server::{Gatekeeper, MAX_MESSAGE_BYTES};
use storage::Store;
use tokio_util::sync::CancellationToken;
use vectors::VectorStore;

use crate::places::Places;
use crate::questions::Questions;

pub use answers::AnswerLog;
pub use precompute::{PrecomputeSettings, Precomputer};
pub use residents::Residents;
pub use task_view::TaskSources;
pub use tasks::ResidentTasks;

/// The full name of the service, for the health service.
pub const SERVICE_NAME: &str = "tenantry.v1.RouterService";

/// What the handlers need. Clones are the same router.
#[derive(Clone)]
pub struct Router {
    pub(crate) parts: Arc<RouterParts>,
    pub(crate) questions: Questions,
    pub(crate) places: Places,
}

/// What makes a [`Router`].
pub struct RouterParts {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The tenants that are resident.
    pub residents: Residents,
    /// The tasks that are resident.
    pub tasks: ResidentTasks,
    /// Where answers are kept for feedback to join.
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
            questions: Questions::new(),
            places: Places::new(),
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
