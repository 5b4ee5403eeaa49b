//! Ids, value types and decisions of Tenantry.
//!
//! Everything here is pure: no I/O, no async, no clock, no randomness. Other rooms depend on this
//! one; it depends on none of them.

mod access;
mod change;
mod clock;
mod confidence_sequence;
pub mod cost;
mod dataset;
mod duplicates;
mod error;
mod escape;
mod expert;
mod feedback;
mod gate;
mod ids;
mod item;
mod job;
mod label_list;
mod model;
mod names;
mod number;
mod people;
mod policy;
mod printable;
mod recommendation;
mod relabel;
mod retention;
mod routing;
mod score;
mod slug;
mod space;
mod task;
mod tenant;
mod text;

pub use access::{AccessScope, ApiKey, OperatorContext, Permission, Role, TenantContext};
pub use change::Change;
pub use clock::Clock;
pub use confidence_sequence::{Estimate, LEAST_OBSERVATIONS, RunningMean};
pub use dataset::{Dataset, DatasetNumber, HISTORY_ITEMS, ValidationReport};
pub use duplicates::{
    DuplicateGroup, Duplicates, EXAMPLE_GROUPS, contradicting_targets, counted, look_alikes,
    named_examples,
};
pub use error::{ErrorKind, Fault, FieldViolation, error_chain};
pub use escape::{escape_id, unescape_id};
pub use expert::{
    EXPERT_PROFILE_MAX_CHARS, Expert, ExpertPatch, MAX_EXPERTS, MAX_NAMED_EXPERTS, NewExpert,
};
pub use feedback::{FeedbackEvent, FeedbackVerdict, resolve_assignees};
pub use gate::{GateEvidence, GateRules, Verdict, champion_holds, decide};
pub use ids::{
    ExpertId, IdError, ItemId, JobId, KeyId, NAME_MAX_BYTES, RequestId, TaskId, TenantId,
    VerticalId,
};
pub use item::{
    ITEM_TEXT_MAX_CHARS, Item, ItemContent, MAX_ATTRIBUTES, MAX_EXPERTS_PER_ITEM, MAX_LABELS,
    Rejection, RejectionReason, RowIssue,
};
pub use job::{Job, JobKind, JobProgress, JobState};
pub use label_list::{join_labels, split_labels};
pub use model::{Alias, AliasMoveCause, INPUTS, Lineage, ModelMetrics, ModelVersion, Tier, Trial};
pub use names::{ModelName, ModelOwner, NameError, ResourceName};
pub use number::read_number;
pub use people::{ExpertMerge, MergeState, replaced, restored};
pub use policy::{RoutingMode, RoutingPolicy};
pub use printable::{check_name, clean_name, folded};
pub use recommendation::{Evidence, FeatureContribution, RankedExpert, Recommended, ServedBy};
pub use relabel::Relabelling;
pub use retention::{ModelRetention, prunable};
pub use routing::{
    Candidate, FallbackNote, ModelHealth, ModelRole, NoChampionReason, Route, RouteReason,
    RouteRequest, bucket, choose_route,
};
pub use score::{Comparison, OnlineEvaluation, SIGNIFICANCE_LEVEL, Tally};
pub use space::{
    AUTO_EMBEDDING_MODEL, DEFAULT_EMBEDDING_MODEL, SpaceChoice, SpaceComparison, SpaceState,
    SpaceTrial, TenantSpace,
};
pub use task::{
    AbstainReason, Correction, DEFAULT_TARGET_PRECISION, MAX_TASK_LABELS, MAX_TASKS, Target, Task,
    TaskDefinition, TaskKind, TaskLabel, TaskSource,
};
pub use tenant::{AuditEvent, Tenant, TenantSettings, TenantState};
pub use text::{clean_text, has_usable_text, normalized};
