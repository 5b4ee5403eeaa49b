//! The relational store over SeaORM: SQLite and PostgreSQL, tenant-bound repositories, the job queue.
//!
//! The truth of Tenantry lives here; the vector index and the model files are derived from it.
//!
//! - [`Store::begin`] opens a transaction bound to the tenant of a [`domain::TenantContext`]. Its
//!   repositories take no tenant argument, so none can forget it. Nothing is kept, and nobody is
//!   told, before [`TenantTx::commit`].
//! - [`Store::platform`] is for what goes across tenants, and demands an operator's proof;
//!   [`Store::maintenance`] is the same for background work, by its [`Purpose`].
//! - [`Store::shared_with`] is what the platform shares with a tenant, read-only; [`Store::keys`] and
//!   [`Store::audit_events`] follow the scope of the caller.
//! - [`Store::changes`] tells what was committed, here or (on PostgreSQL) by another process.
//!
//! Invariants:
//!
//! - What was committed survives the end of the process and of the machine (`synchronous=FULL`).
//! - On SQLite all writes go through one connection, so callers never see `SQLITE_BUSY`; reads go
//!   through others and never wait for a writer.
//! - One tenant's changes are committed in the order of their numbers and without gaps: who has
//!   read up to a number has missed nothing before it.
//! - Nothing is written for a tenant that is being erased, and an erased id never comes back.
//! - On PostgreSQL row-level security is the second wall: a query that forgets the tenant sees
//!   nothing.
//!
//! To add a repository: a migration in `migrations`, a row in `rows/`, a file in `tenant/` with the
//! methods, an accessor on [`TenantTx`], the table's name in `platform/erase.rs`, and its cases in
//! `tests/contract/`, with one named "tenant B cannot see A".

mod changes;
mod connect;
mod convert;
mod error;
mod insert;
mod listen;
mod platform;
mod purpose;
mod rows;
mod session;
mod store;
mod tenant;

pub use changes::Changes;
pub use error::{CorruptRow, Result, StorageError};
pub use platform::{
    Booked, ErasedTenant, ErasureCertificate, ErasureCounts, FoundKey, Keys, LeaseStatus,
    LeaseToken, LeasedJob, NewKey, NewTenant, Outcome, Platform, Prices, Queue, Retain,
    SharedWithTenant, SpaceJobs, Stored, StoredPriceBook, TierModels, Tiers, Usage,
};
pub use purpose::Purpose;
pub use store::{StorageConfig, Store};
pub use tenant::{
    AliasEvent, AliasMove, Answer, Answers, AnswersOfModel, Audit, Classification,
    ClassificationOutcome, Classifications, Corrections, CorrectionsStamp, CountedAnswers,
    Datasets, DeleteOutcome, Embeddings, Experts, Feedback, FeedbackLog, IndexState, ItemChange,
    ItemQuery, Items, Jobs, JudgedAnswer, Merges, Models, Moved, NewAnswer, NewDataset,
    NewFeedback, NewJob, NewModel, NewRejection, NoUsageKey, OpenPosition, PrecomputedAnswer,
    PrecomputedAnswers, PruneNote, Rejections, Requests, Rewritten, RoutingPolicies, ServingState,
    Shadow, SharedSignal, Signal, Signals, SpaceSwitch, Spaces, StoredPolicy, StoredTrial,
    StoredVerdict, TakenBack, Tasks, TenantTx, TenantUsage, TrainingInputs, Trials, UpsertOutcome,
    UsageHour, UsageKey, Values, VersionSummary,
};
