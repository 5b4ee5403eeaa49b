//! What every service shares: configuration, authentication and the tenant context, errors to
//! status, telemetry, the gRPC server itself, and shutdown.

mod access;
mod auth;
mod background;
mod clock;
pub mod config;
mod deadline;
mod error;
mod grpc;
mod metered;
mod pagination;
mod panics;
#[cfg(test)]
mod reference;
mod telemetry;

pub use access::{Authorized, Gatekeeper, TenantDirectory};
pub use auth::{AuthLayer, Caller, KeyDirectory, KeyRecord, KeySecret, operator};
pub use background::Background;
pub use clock::system_clock;
pub use deadline::deadline;
pub use error::ServiceError;
pub use grpc::{BoundAddresses, MAX_MESSAGE_BYTES, Server, ServerError, shutdown_signal};
pub use metered::MeterLayer;
pub use pagination::{PAGE_BYTES, Page, PageBuilder, fitting, page, parse_page_token, sendable};
pub use telemetry::{TelemetryGuard, TraceLayer, init_logs, init_metrics};

/// What a handler returns.
pub type Reply<T> = Result<tonic::Response<T>, tonic::Status>;
