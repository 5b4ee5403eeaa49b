//! Jobs: long work as a resource that can be watched and cancelled.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{JobId, TenantId};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobKind {
    /// Embeds and indexes what the index has not seen.
    IndexItems,
    /// Drops a tenant's vectors and makes them again from the database.
    RebuildIndex,
    /// Trains a tenant's model and decides whether it serves.
    Retrain,
    /// Erases a tenant.
    EraseTenant,
    /// Trains a model that no single tenant owns and decides whether it serves.
    TrainTier,
    /// Weighs the champion against the tier above on what came after its training.
    CheckChampion,
    /// Trains a version again from its lineage and compares the bytes.
    ReproduceModel,
    /// Deletes versions that nothing needs any more, and what else only grows.
    PruneModels,
    /// Computes the answers of items that nobody has answered yet, before they are asked for.
    Precompute,
    /// Makes a tenant's vectors in the embedding space that it wants, switches to it, and drops the
    /// spaces it has left.
    SwitchSpace,
    /// Compares embedding spaces on a tenant's own past, for one that lets the platform choose.
    CompareSpaces,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::IndexItems,
        Self::RebuildIndex,
        Self::Retrain,
        Self::EraseTenant,
        Self::TrainTier,
        Self::CheckChampion,
        Self::ReproduceModel,
        Self::PruneModels,
        Self::Precompute,
        Self::SwitchSpace,
        Self::CompareSpaces,
    ];

    /// The stable text of the kind, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IndexItems => "INDEX_ITEMS",
            Self::RebuildIndex => "REBUILD_INDEX",
            Self::Retrain => "RETRAIN",
            Self::EraseTenant => "ERASE_TENANT",
            Self::TrainTier => "TRAIN_TIER",
            Self::CheckChampion => "CHECK_CHAMPION",
            Self::ReproduceModel => "REPRODUCE_MODEL",
            Self::PruneModels => "PRUNE_MODELS",
            Self::Precompute => "PRECOMPUTE",
            Self::SwitchSpace => "SWITCH_SPACE",
            Self::CompareSpaces => "COMPARE_SPACES",
        }
    }

    /// The kind that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Done.
    Succeeded,
    /// Given up, with an error.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stable text of the state, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a running job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobProgress {
    /// From 0 to 1.
    pub fraction: f32,
    /// What it does now, in words.
    pub step: String,
}

/// A unit of long work.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The tenant it works for; none when it works for the platform.
    pub tenant: Option<TenantId>,
    /// What it does.
    pub kind: JobKind,
    /// Where it is in its life.
    pub state: JobState,
    /// How far it is.
    pub progress: JobProgress,
    /// How often a worker took it.
    pub attempts: u32,
    /// What came out, as key and value, once it succeeded.
    pub outcome: Vec<(String, String)>,
    /// Why it failed, in words that are safe to show.
    pub error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When a worker took it first.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}
