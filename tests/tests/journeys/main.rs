//! What users do, over real gRPC, each against a server of its own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::needless_update,
    clippy::type_complexity,
    reason = "tests: a step that fails ends the test, and what is skipped is said"
)]

mod classify;
mod clients;
mod crash;
mod dirty;
mod drift;
mod edges;
mod files;
mod ids;
mod isolation;
mod labels;
mod learn;
mod metering;
mod metrics;
mod people;
mod precomputed;
mod questionnaire;
mod registry;
mod routing;
mod similar;
mod snapshots;
mod spaces;
mod tiers;
