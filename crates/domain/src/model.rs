//! Model versions, their lineage, and the aliases that point at them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{DatasetNumber, ModelName, Verdict};

/// Whose data a model learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// All consenting tenants.
    Global,
    /// The consenting tenants of one vertical.
    Vertical,
    /// One tenant.
    Tenant,
}

impl Tier {
    /// The stable text of the tier, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "GLOBAL",
            Self::Vertical => "VERTICAL",
            Self::Tenant => "TENANT",
        }
    }

    /// The tier that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Global, Self::Vertical, Self::Tenant]
            .into_iter()
            .find(|t| t.as_str() == text)
    }
}

/// A name that points at a version and can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Alias {
    /// The version that serves.
    Champion,
    /// The version that is tried against it.
    Challenger,
}

impl Alias {
    /// The stable text of the alias, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
        }
    }
}

/// Why an alias was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AliasMoveCause {
    /// The gate found a new version better.
    GatePassed,
    /// The gate did not find a new version better: it is tried as the challenger, and what it was
    /// weighed against speaks about an older champion too.
    GateRejected,
    /// An administrator chose the version.
    PromotedByAdmin,
    /// An administrator took the last move back.
    RolledBackByAdmin,
    /// The champion fell behind on what came after its training.
    SteppedBack,
    /// The task was deleted, and its aliases with it.
    TaskDeleted,
}

impl AliasMoveCause {
    /// All causes.
    pub const ALL: [Self; 6] = [
        Self::GatePassed,
        Self::GateRejected,
        Self::PromotedByAdmin,
        Self::RolledBackByAdmin,
        Self::SteppedBack,
        Self::TaskDeleted,
    ];

    /// The stable text of the cause, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GatePassed => "GATE_PASSED",
            Self::GateRejected => "GATE_REJECTED",
            Self::PromotedByAdmin => "PROMOTED_BY_ADMIN",
            Self::RolledBackByAdmin => "ROLLED_BACK_BY_ADMIN",
            Self::SteppedBack => "STEPPED_BACK",
            Self::TaskDeleted => "TASK_DELETED",
        }
    }

    /// The cause that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Where a model comes from: enough to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The dataset it was fitted on.
    pub dataset: DatasetNumber,
    /// That dataset's content hash.
    pub dataset_hash: String,
    /// The version of the code that fitted it.
    pub code_version: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The embedding space of its features.
    pub space: String,
    /// Parameters as key and value.
    pub parameters: Vec<(String, String)>,
    /// The model it was shrunk towards.
    pub parent: Option<String>,
}

/// The key of the parameter that names the kept inputs of a training: what it read besides its
/// dataset.
pub const INPUTS: &str = "inputs";

impl Lineage {
    /// The parameter of this name.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        let mut named = self.parameters.iter().filter(|(name, _)| name == key);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// One trial of a search over hyper-parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number in the search, from 0; number 0 is what is taken without a search.
    pub number: u32,
    /// The parameters that were tried, as key and value.
    pub parameters: Vec<(String, String)>,
    /// The seed of the search.
    pub seed: u64,
    /// How it did on the validation windows, as name and value; the first one decided.
    pub metrics: Vec<(String, f64)>,
    /// How long it took.
    pub seconds: f64,
    /// The model was trained with these parameters.
    pub chosen: bool,
}

/// How well one method ranked experts over a set of queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelMetrics {
    /// Queries it was asked.
    pub queries: u64,
    /// Share of queries with a right expert first.
    pub hit_at_1: f64,
    /// Share of queries with a right expert among the first five.
    pub hit_at_5: f64,
    /// Mean reciprocal rank of the first right expert.
    pub mrr: f64,
    /// Normalized discounted cumulative gain over the first ten.
    pub ndcg_at_10: f64,
}

/// One immutable version of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelVersion {
    /// Its name.
    pub name: ModelName,
    /// Where the artifact lies in the artifact store.
    pub artifact_path: String,
    /// SHA-256 of the artifact, in hex.
    pub checksum: String,
    /// Bytes of the artifact.
    pub size: u64,
    /// Where it comes from.
    pub lineage: Lineage,
    /// What the gate decided when it was made.
    pub verdict: Verdict,
    /// The evaluation report, serialized; opaque to this room, written and read by `learning`.
    pub report: String,
    /// The aliases that point at it now.
    pub aliases: Vec<Alias>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
