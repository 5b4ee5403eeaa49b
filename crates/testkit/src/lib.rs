//! What tests and measurements share: a server as a child process, clients of it, a PostgreSQL
//! server, and content.
//!
//! [`process`] and [`clients`] return errors, for programs; [`TestServer`] and the steps of journeys
//! on [`Client`] panic instead, which ends a test with its name.

#![allow(
    clippy::expect_used,
    reason = "for tests: a step that fails ends the test with its name"
)]

pub mod clients;
pub mod content;
mod journey;
mod models;
mod postgres;
pub mod process;

pub use clients::{Client, Keyed};
pub use content::made_up::{content, row};
pub use journey::{TestServer, program};
pub use models::{
    BASE_MODELS, STATIC_MODEL, default_model_files, has_second_model, has_static_model,
};
pub use postgres::Postgres;
pub use process::ServerProcess;
