//! Datasets: immutable, numbered versions of a tenant's items.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::DuplicateGroup;

/// The number of a dataset inside its tenant, from 1.
pub type DatasetNumber = u64;

/// The most items of a tenant that are learned from and held to answer: of those that somebody has answered the
/// ones that happened last, and as many that nobody has. It bounds what a tenant takes, to train and to serve. Older
/// items stay in the store, and what they said of experts counts no more: at the half-lives of histories this long
/// it hardly did.
pub const HISTORY_ITEMS: u64 = 50_000;

/// What a look over a dataset's items found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationReport {
    /// Items without an expert: they cannot train the `experts` task.
    pub items_without_expert: u64,
    /// Experts named by items who are not in the tenant's list of experts.
    pub unknown_experts: u64,
    /// Experts with fewer than five items.
    pub thin_experts: u64,
    /// Items whose normalized text another item has too.
    pub repeated_texts: u64,
    /// The share of the busiest expert, in per mille of the items with an expert.
    pub top_expert_per_mille: u32,
    /// Texts that more than one item has.
    #[serde(default)]
    pub duplicate_texts: u64,
    /// Some of them with their items, the largest groups first.
    #[serde(default)]
    pub duplicates: Vec<DuplicateGroup>,
    /// Texts whose items have other labels, or no expert in common.
    #[serde(default)]
    pub contradictory_texts: u64,
    /// Some of them with their items, the largest groups first.
    #[serde(default)]
    pub contradictions: Vec<DuplicateGroup>,
    /// Sentences for people: what to look at before training on it.
    pub warnings: Vec<String>,
}

/// An immutable version of a tenant's items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// From 1, inside the tenant.
    pub number: DatasetNumber,
    /// All changes up to this one are in it.
    pub watermark: u64,
    /// BLAKE3 over the items' ids, revisions and contents in order of time, in hex.
    pub content_hash: String,
    /// Items in it.
    pub items: u64,
    /// Distinct experts named by them.
    pub experts: u64,
    /// The oldest item's time.
    pub first_at: Option<DateTime<Utc>>,
    /// The newest item's time.
    pub last_at: Option<DateTime<Utc>>,
    /// What a look over it found.
    pub report: ValidationReport,
    /// When it was pinned.
    pub created_at: DateTime<Utc>,
}
