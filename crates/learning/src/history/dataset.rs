//! What a dataset is: its content hash, its counts, and what a look over it finds.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{
    DuplicateGroup, Duplicates, EXAMPLE_GROUPS, ExpertId, Item, ValidationReport, counted,
    look_alikes, named_examples,
};

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
    }
    let duplicates = Duplicates::among(items.iter().map(|item| &item.content));
    let contradictions = duplicates.contradictions();
    let labelled = items.len() as u64 - unlabelled;
    let top = per_expert.values().copied().max().unwrap_or(0);
    let mut report = ValidationReport {
        items_without_expert: unlabelled,
        unknown_experts: per_expert.keys().filter(|e| !known.contains(**e)).count() as u64,
        thin_experts: per_expert.values().filter(|n| **n < THIN).count() as u64,
        repeated_texts: duplicates.repeated,
        top_expert_per_mille: (top * 1000).checked_div(labelled).unwrap_or(0) as u32,
        duplicate_texts: duplicates.texts,
        duplicates: examples(&duplicates.groups),
        contradictory_texts: contradictions.len() as u64,
        contradictions: examples(&contradictions),
        warnings: Vec::new(),
    };
    report.warnings = warnings(&report, items.len() as u64, per_expert.len() as u64);
    report.warnings.extend(contradicting(&duplicates));
    let named = per_expert
        .keys()
        .copied()
        .chain(known)
        .map(ExpertId::as_str);
    report.warnings.extend(alike("experts", named));
    let ids = items.iter().map(|item| item.content.id.as_str());
    report.warnings.extend(alike("items", ids));
    DatasetDescription {
        content_hash: hasher.finalize().to_hex().to_string(),
        items: items.len() as u64,
        experts: per_expert.len() as u64,
        first_at: items.iter().map(|item| item.content.occurred_at).min(),
        last_at: items.iter().map(|item| item.content.occurred_at).max(),
        report,
    }
}

fn examples(groups: &[DuplicateGroup]) -> Vec<DuplicateGroup> {
    groups.iter().take(EXAMPLE_GROUPS).cloned().collect()
}

/// Sentences on texts whose items contradict each other.
fn contradicting(found: &Duplicates) -> Vec<String> {
    let kinds = [
        (
            &found.other_labels,
            ["text has", "texts have"],
            "items with different labels",
        ),
        (
            &found.other_experts,
            ["text was", "texts were"],
            "answered by different experts",
        ),
    ];
    let said = kinds.into_iter().filter(|(groups, ..)| !groups.is_empty());
    said.map(|(groups, [one, more], what)| {
        let some = named_examples(groups.iter().map(|group| group.item_ids.as_slice()));
        let texts = counted(groups.len(), one, more);
        format!("{texts} {what}, for example {some}")
    })
    .collect()
}

/// A sentence on ids that differ by case or width only.
fn alike<'a>(what: &str, ids: impl Iterator<Item = &'a str>) -> Option<String> {
    let groups = look_alikes(ids);
    (!groups.is_empty()).then(|| {
        let ids: usize = groups.iter().map(Vec::len).sum();
        let some = named_examples(groups.iter().map(Vec::as_slice));
        format!(
            "{ids} {what} have ids that differ from another by case or width only, for example {some}"
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ItemContent, ItemId};

    fn item(id: &str, text: &str, label: &str, expert: &str) -> Item {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Item {
            content: ItemContent {
                id: ItemId::parse(id).unwrap(),
                text: text.to_owned(),
                answer: None,
                area: None,
                labels: some(label).into_iter().collect(),
                attributes: Default::default(),
                experts: some(expert)
                    .map(|id| ExpertId::parse(id).unwrap())
                    .into_iter()
                    .collect(),
                occurred_at: DateTime::UNIX_EPOCH,
            },
            revision: 1,
            change: 1,
            point: 1,
            ingested_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn contradictions_and_look_alikes_are_warned_of_by_name() {
        let items = [
            item("R-1", "Return my parcel", "return", "Ida"),
            item("r-1", "return my PARCEL!", "complaint", "Ida"),
            item("s-1", "Change my address", "", "ida"),
            item("s-2", "change my address", "", "kim"),
        ];
        let report = describe(&items, &HashSet::new()).report;
        assert_eq!((report.repeated_texts, report.duplicate_texts), (4, 2));
        assert_eq!(report.contradictory_texts, 2);
        assert_eq!(report.contradictions[0].item_ids, ["R-1", "r-1"]);
        assert_eq!(report.contradictions[0].differ_in, ["labels"]);
        assert_eq!(report.contradictions[1].differ_in, ["experts"]);
        for said in [
            "1 text has items with different labels, for example R-1 and r-1",
            "1 text was answered by different experts, for example s-1 and s-2",
            "2 experts have ids that differ from another by case or width only, for example Ida and ida",
            "2 items have ids that differ from another by case or width only, for example R-1 and r-1",
        ] {
            assert!(
                report.warnings.iter().any(|w| w == said),
                "{said}: {:?}",
                report.warnings
            );
        }
    }
}
