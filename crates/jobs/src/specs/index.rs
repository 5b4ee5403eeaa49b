//! Jobs that keep the vector index. It is derived from the items and can always be made later, so these are
//! tried many times. Indexing is tried again whatever the error was: acknowledged items wait for it. A switch
//! to a space that this server cannot make fails at once, since the space before it serves on.

use domain::JobKind;
use domain::cost::{Meter, Service};
use serde::{Deserialize, Serialize};

use crate::{JobCost, JobSpec};

const ATTEMPTS: u32 = 1_000;
const COST: JobCost = JobCost::of(Service::Ingest, Meter::RequestCpu);

/// Embeds and indexes what the index of a tenant has not seen; one that waits is enough for all that
/// was committed before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexItems {}

/// Makes a tenant's index again from its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildIndex {}

/// Brings a tenant into the embedding space that it wants. It takes no input: it looks at what is
/// wanted and what is there, so one that waits is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchSpace {}

/// What indexing did.
#[derive(Debug, Serialize)]
pub struct Indexed {
    /// Items that were written.
    pub indexed_items: u64,
}

/// What a switch did.
#[derive(Debug, Default, Serialize)]
pub struct SpaceSwitched {
    /// The space that questions are asked in now.
    pub active: String,
    /// The space before it, if it was another one.
    pub left: Option<String>,
    /// Items that were written in the new space.
    pub indexed_items: Option<u64>,
    /// Spaces of before that are gone now, separated by commas.
    pub dropped: Option<String>,
}

impl JobSpec for IndexItems {
    const KIND: JobKind = JobKind::IndexItems;
    const MAX_ATTEMPTS: u32 = ATTEMPTS;
    const COST: JobCost = COST;
    type Outcome = Indexed;
}

impl JobSpec for RebuildIndex {
    const KIND: JobKind = JobKind::RebuildIndex;
    const MAX_ATTEMPTS: u32 = ATTEMPTS;
    const COST: JobCost = COST;
    type Outcome = Indexed;
}

impl JobSpec for SwitchSpace {
    const KIND: JobKind = JobKind::SwitchSpace;
    const MAX_ATTEMPTS: u32 = ATTEMPTS;
    const COST: JobCost = COST;
    type Outcome = SpaceSwitched;
}
