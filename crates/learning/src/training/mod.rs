//! Training of rankers: a tenant's own, and those of the tiers above.

pub mod shared_sample;
pub mod tenant;
pub mod tier;
