//! Jobs that answer ahead of questions, and that erase.

use std::collections::BTreeMap;

use domain::JobKind;
use domain::cost::{Meter, Service};
use serde::{Deserialize, Serialize};

use crate::{JobCost, JobSpec};

/// Computes the answers of items that nobody has answered yet, before they are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precompute {}

/// Erases a tenant. It has to come to its end: it is tried for as long as it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseTenant {}

/// What was computed ahead.
#[derive(Debug, Serialize)]
pub struct Precomputed {
    /// Answers that were computed.
    pub computed: usize,
    /// Answers of before that still hold.
    pub held: usize,
    /// Answers of items that are not open any more.
    pub removed: usize,
}

/// What an erasure removed.
#[derive(Debug, Serialize)]
pub struct Erased {
    /// Points of the vector store.
    pub vectors: u64,
    /// Files of models and samples.
    pub model_files: u64,
    /// Rows, by table.
    #[serde(flatten)]
    pub rows: BTreeMap<String, u64>,
}

impl JobSpec for Precompute {
    const KIND: JobKind = JobKind::Precompute;
    const COST: JobCost = JobCost::of(Service::Router, Meter::RequestCpu);
    type Outcome = Precomputed;
}

impl JobSpec for EraseTenant {
    const KIND: JobKind = JobKind::EraseTenant;
    const MAX_ATTEMPTS: u32 = 100;
    // Nothing of the tenant is left by it: what it consumes is the platform's.
    const COST: JobCost = JobCost {
        of_tenant: false,
        ..JobCost::of(Service::Tenants, Meter::RequestCpu)
    };
    type Outcome = Erased;
}
