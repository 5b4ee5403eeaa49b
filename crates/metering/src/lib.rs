//! Usage on its way to the store, and costs on their way out.
//!
//! [`Journal`] keeps what each piece of work consumed, in microseconds and without the database.

mod journal;

pub use journal::{Journal, Segment};
