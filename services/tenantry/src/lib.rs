//! All services in one process, and the command line.

pub mod cli;
mod parts;
pub mod serve;
mod usage;
