//! What a tenant knows: experts, items, labels, datasets, and the index over them.

pub mod datasets;
pub mod experts;
pub mod index;
pub mod items;
pub mod labels;
mod people;
