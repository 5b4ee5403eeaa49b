//! The service on a store of its own.
