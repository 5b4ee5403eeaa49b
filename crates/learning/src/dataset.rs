//! What a dataset is: its content hash, its counts, and what a look over it finds.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{ExpertId, Item, ValidationReport, normalized};

/// An expert with fewer items than this is thin: there is little to learn of.
const THIN: u64 = 5;

/// What is known of a list of items as a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetDescription {
    /// BLAKE3 over ids, revisions and contents in the order given, in hex.
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
}

/// Describes `items`, which are in order of time; `known` are the tenant's listed experts.
#[must_use]
pub fn describe(items: &[Item], known: &HashSet<ExpertId>) -> DatasetDescription {
    let mut hasher = blake3::Hasher::new();
    let mut per_expert: HashMap<&ExpertId, u64> = HashMap::new();
    let mut texts: HashMap<String, u64> = HashMap::new();
    let mut unlabelled = 0;
    for item in items {
        // JSON of the content: fields in the order of the type, maps sorted.
        let content = serde_json::to_vec(&item.content).unwrap_or_default();
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(&item.revision.to_le_bytes());
        hasher.update(&content);
        item.content
            .experts
            .iter()
            .for_each(|e| *per_expert.entry(e).or_default() += 1);
        unlabelled += u64::from(item.content.experts.is_empty());
        *texts.entry(normalized(&item.content.text)).or_default() += 1;
    }
    let labelled = items.len() as u64 - unlabelled;
    let top = per_expert.values().copied().max().unwrap_or(0);
    let mut report = ValidationReport {
        items_without_expert: unlabelled,
        unknown_experts: per_expert.keys().filter(|e| !known.contains(**e)).count() as u64,
        thin_experts: per_expert.values().filter(|n| **n < THIN).count() as u64,
        repeated_texts: texts.values().filter(|n| **n > 1).sum(),
        top_expert_per_mille: (top * 1000).checked_div(labelled).unwrap_or(0) as u32,
        warnings: Vec::new(),
    };
    report.warnings = warnings(&report, items.len() as u64, per_expert.len() as u64);
    DatasetDescription {
        content_hash: hasher.finalize().to_hex().to_string(),
        items: items.len() as u64,
        experts: per_expert.len() as u64,
        first_at: items.iter().map(|item| item.content.occurred_at).min(),
        last_at: items.iter().map(|item| item.content.occurred_at).max(),
        report,
    }
}

fn warnings(report: &ValidationReport, items: u64, experts: u64) -> Vec<String> {
    let mut all = Vec::new();
    let mut warn = |when: bool, text: String| {
        if when {
            all.push(text);
        }
    };
    let unlabelled = report.items_without_expert;
    warn(
        unlabelled > 0,
        format!("{unlabelled} of {items} items name no expert; training leaves them out"),
    );
    warn(
        experts == 1,
        "all items name the same expert; there is nothing to choose between".into(),
    );
    let unknown = report.unknown_experts;
    warn(
        unknown > 0,
        format!("{unknown} experts named by items are not in the list of experts"),
    );
    let thin = report.thin_experts;
    warn(
        thin > 0,
        format!("{thin} experts have fewer than {THIN} items"),
    );
    let repeated = report.repeated_texts;
    warn(
        repeated * 10 > items,
        format!("{repeated} items share their text with another"),
    );
    let top = report.top_expert_per_mille;
    warn(
        top > 500,
        format!("one expert answered {} % of the items", top / 10),
    );
    all
}
