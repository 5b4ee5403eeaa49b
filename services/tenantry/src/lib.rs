//! All services in one process, and the command line.

pub mod cli;
mod metered_jobs;
mod parts;
pub mod serve;
