//! Lists that are used where they lie: those of a snapshot in its file, and those that came since in memory.
//!
//! A tenant's learned state is lists of plain numbers. A `Column` is one of them: its beginning may lie in
//! a snapshot, its end is what was pushed since. `Rows` are lists of lists. A snapshot ([`SnapshotWriter`],
//! [`Snapshot`]) is a file of such lists, one section each, in the order in which they are written and read
//! again; there are no names in it and nothing to decode. Numbers are in the order of this machine's bytes.

mod column;
mod rows;
mod snapshot;

pub(crate) use column::Column;
pub(crate) use rows::Rows;
pub use rows::Texts;
pub use snapshot::{LayoutError, Part, Sections, Snapshot, SnapshotFile, SnapshotWriter};
