//! Jobs about model versions: training, checking, making again, pruning.

use domain::cost::{Meter, Service};
use domain::{DatasetNumber, JobKind, ModelName, ModelOwner, TaskId};
use serde::{Deserialize, Serialize};

use crate::{JobCost, JobSpec};

const COST: JobCost = JobCost::of(Service::Trainer, Meter::TrainingCpu);
const TRAINING: JobCost = COST.counted(Meter::Retrains);

/// Trains a task of a tenant and decides whether the version serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrain {
    /// What is predicted.
    pub task: TaskId,
    /// None pins the items as they are when the job starts.
    pub dataset: Option<DatasetNumber>,
    /// 0 takes the usual one.
    pub seed: u64,
    /// Settings to try; 0 tries none.
    #[serde(default)]
    pub search: u32,
}

/// Trains a version that no single tenant owns, and decides whether it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainTier {
    /// The tier, or the vertical.
    pub owner: ModelOwner,
    /// What is predicted.
    pub task: TaskId,
    /// 0 takes the usual one.
    pub seed: u64,
}

/// Weighs a tenant's champion against the tier above on what came after its training; one that waits
/// is enough for all that came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckChampion {}

/// Trains a version again from its lineage and compares the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReproduceModel {
    /// The version.
    pub model: ModelName,
}

/// Deletes versions that nothing needs any more and, for the platform, what else only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneModels {
    /// The tier, or the vertical; none means the tenant that the job works for or, for the platform,
    /// all tiers and everything else that only grows.
    pub owner: Option<ModelOwner>,
    /// Newest versions that stay; none means the server's setting.
    pub keep: Option<u32>,
    /// Only says what would go.
    pub dry_run: bool,
}

/// Compares embedding spaces on a tenant's own past, where the tenant lets the platform choose. It takes no
/// input: it looks at what is there, so one that waits is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareSpaces {}

/// What a comparison of spaces found.
#[derive(Debug, Default, Serialize)]
pub struct SpacesCompared {
    /// The space that is to serve.
    pub chosen: Option<String>,
    /// Why.
    pub reason: String,
    /// Held-out questions that each space was asked.
    pub questions: Option<u64>,
    /// MRR in each space, with its difference from the best, separated by commas.
    pub mrr: Option<String>,
}

/// What a training made.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// The version.
    pub model: String,
    /// What the gate decided.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Whether it answers requests now.
    pub serves: bool,
    /// Why the champion of before keeps its place, where it does although the gate was passed.
    pub champion_stays: Option<String>,
    /// What a tenant's version was trained on.
    pub dataset: Option<u64>,
    /// Settings that a search tried.
    pub trials: Option<usize>,
    /// Why a search tried none.
    pub search: Option<String>,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Why nothing was weighed.
    pub checked: Option<String>,
    /// The champion that was weighed.
    pub champion: Option<String>,
    /// Its gain over the tier above, and on how many questions.
    pub champion_gain: Option<String>,
    /// The challenger that was weighed.
    pub challenger: Option<String>,
    /// Its gain over the tier above, and on how many questions.
    pub challenger_gain: Option<String>,
    /// Set when the champion fell behind and serves no more.
    pub stepped_back: Option<bool>,
}

/// How a version made again compares.
#[derive(Debug, Serialize)]
pub struct Reproduced {
    /// The version.
    pub model: String,
    /// Whether the bytes are the same.
    pub reproduced: bool,
    /// `SAME_BYTES`, or the code of what stands in the way.
    pub reason: String,
    /// The same in a sentence.
    pub explanation: String,
    /// BLAKE3 of the stored bytes.
    pub stored_checksum: String,
    /// BLAKE3 of the bytes made now; empty when none were made.
    pub made_checksum: String,
    /// The build that trained it.
    pub stored_code_version: String,
    /// The build that trained it again.
    pub code_version: String,
}

/// What pruning did, or would do.
#[derive(Debug, Serialize)]
pub struct Pruned {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Versions that went.
    pub pruned: usize,
    /// Their names, the first of them.
    pub versions: String,
    /// Versions that stay.
    pub kept: usize,
    /// Bytes of the artifacts.
    pub bytes: u64,
    /// Files that were deleted.
    pub files: u64,
    /// Answers that were too old to wait for their feedback.
    pub forgotten_answers: Option<u64>,
    /// Jobs that ended long ago.
    pub forgotten_jobs: Option<u64>,
    /// Requests that nobody repeats any more.
    pub forgotten_requests: Option<u64>,
}

impl Retrain {
    /// Trains `task` on the items as they are when it starts.
    #[must_use]
    pub fn of(task: TaskId) -> Self {
        Self {
            task,
            dataset: None,
            seed: 0,
            search: 0,
        }
    }
}

impl JobSpec for Retrain {
    const KIND: JobKind = JobKind::Retrain;
    const COST: JobCost = TRAINING;
    type Outcome = Trained;
}

impl JobSpec for TrainTier {
    const KIND: JobKind = JobKind::TrainTier;
    const COST: JobCost = TRAINING;
    type Outcome = Trained;
}

impl JobSpec for CheckChampion {
    const KIND: JobKind = JobKind::CheckChampion;
    const MAX_ATTEMPTS: u32 = 3;
    const COST: JobCost = COST;
    type Outcome = Checked;
}

impl JobSpec for CompareSpaces {
    const KIND: JobKind = JobKind::CompareSpaces;
    const MAX_ATTEMPTS: u32 = 3;
    const COST: JobCost = COST;
    type Outcome = SpacesCompared;
}

impl JobSpec for ReproduceModel {
    const KIND: JobKind = JobKind::ReproduceModel;
    const MAX_ATTEMPTS: u32 = 3;
    const COST: JobCost = COST;
    type Outcome = Reproduced;
}

impl JobSpec for PruneModels {
    const KIND: JobKind = JobKind::PruneModels;
    const COST: JobCost = COST;
    type Outcome = Pruned;
}
