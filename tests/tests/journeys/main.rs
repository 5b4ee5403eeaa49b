//! What users do, over real gRPC, each against a server of its own.

mod crash;
mod dirty;
mod isolation;
mod learn;
