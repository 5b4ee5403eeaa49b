//! All services in one process, and the program with the command line of a client.

mod parts;
pub mod program;
pub mod serve;
pub mod serve_args;
mod usage;
