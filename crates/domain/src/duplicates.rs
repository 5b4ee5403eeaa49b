//! Items that say the same, items that contradict each other, and ids that look alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{ItemContent, Target, TaskDefinition, TaskKind, folded, normalized};

/// The most groups that are told, and the most ids of one group.
pub const EXAMPLE_GROUPS: usize = 20;

/// Items with the same text: case, blanks, punctuation and the form of letters do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateGroup {
    /// Their ids, in the order they happened; at most 20.
    pub item_ids: Vec<String>,
    /// How many items there are.
    pub items: u64,
    /// In what they contradict each other: `labels`, `experts`; empty where they agree.
    pub differ_in: Vec<String>,
}

/// What was found among a list of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Items whose text another item has too.
    pub repeated: u64,
    /// Texts that more than one item has.
    pub texts: u64,
    /// Of those texts, the ones whose items have other labels.
    pub other_labels: Vec<DuplicateGroup>,
    /// Of those texts, the ones whose items have no expert in common.
    pub other_experts: Vec<DuplicateGroup>,
    /// All groups, the largest first.
    pub groups: Vec<DuplicateGroup>,
}

impl Duplicates {
    /// Looks through `items`, which are in the order they happened.
    #[must_use]
    pub fn among<'a>(items: impl IntoIterator<Item = &'a ItemContent>) -> Self {
        let mut by_text: HashMap<String, Vec<&ItemContent>> = HashMap::new();
        for item in items {
            let text = normalized(&item.text);
            // Signs alone have no words to be the same.
            if !text.is_empty() {
                by_text.entry(text).or_default().push(item);
            }
        }
        let mut found = Self::default();
        for same in by_text.into_values().filter(|same| same.len() > 1) {
            found.repeated += same.len() as u64;
            found.texts += 1;
            found.groups.push(group(&same));
        }
        found
            .groups
            .sort_by(|a, b| b.items.cmp(&a.items).then(a.item_ids.cmp(&b.item_ids)));
        let differ = |what: &str| {
            let groups = found.groups.iter();
            let differ = groups.filter(|group| group.differ_in.iter().any(|d| d == what));
            differ.cloned().collect()
        };
        found.other_labels = differ(LABELS);
        found.other_experts = differ(EXPERTS);
        found
    }

    /// The groups that contradict themselves, the largest first.
    #[must_use]
    pub fn contradictions(&self) -> Vec<DuplicateGroup> {
        let groups = self.groups.iter();
        groups
            .filter(|group| !group.differ_in.is_empty())
            .cloned()
            .collect()
    }
}

/// Sentences on texts for which items of the task say different things, with the items' ids.
#[must_use]
pub fn contradicting_targets<'a>(
    task: &TaskDefinition,
    items: impl IntoIterator<Item = &'a ItemContent>,
) -> Option<String> {
    let mut by_text: HashMap<String, Vec<(&ItemContent, Target)>> = HashMap::new();
    for item in items {
        let text = normalized(&item.text);
        if let Some(target) = task.target(item).filter(|_| !text.is_empty()) {
            by_text.entry(text).or_default().push((item, target));
        }
    }
    let mut groups: Vec<Vec<String>> = by_text
        .into_values()
        .filter(|same| same.iter().any(|(_, target)| !agree(target, &same[0].1)))
        .map(|same| same.iter().map(|(item, _)| item.id.to_string()).collect())
        .collect();
    groups.sort();
    let what = match task.kind {
        TaskKind::SingleLabel => "two labels or more",
        TaskKind::MultiLabel => "different sets of labels",
        TaskKind::Regression => "different numbers",
    };
    let texts = counted(groups.len(), "text has", "texts have");
    let some = named_examples(groups.iter().map(Vec::as_slice));
    (!groups.is_empty()).then(|| format!("{texts} {what}, for example {some}"))
}

/// Whether both say the same; the order and the case of labels do not count.
fn agree(one: &Target, other: &Target) -> bool {
    let set = |labels: &[String]| -> BTreeSet<String> {
        labels.iter().map(|label| label.to_lowercase()).collect()
    };
    match (one, other) {
        (Target::Labels(one), Target::Labels(other)) => set(one) == set(other),
        (one, other) => one == other,
    }
}

/// A number with the words for one and for more.
#[must_use]
pub fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

const LABELS: &str = "labels";
const EXPERTS: &str = "experts";

fn group(same: &[&ItemContent]) -> DuplicateGroup {
    let labels: BTreeSet<&[String]> = same
        .iter()
        .map(|item| item.labels.as_slice())
        .filter(|labels| !labels.is_empty())
        .collect();
    let mut answered = same.iter().filter(|item| !item.experts.is_empty());
    let experts_differ = answered.next().is_some_and(|first| {
        let mut common: Vec<_> = first.experts.iter().collect();
        answered.any(|item| {
            common.retain(|expert| item.experts.contains(expert));
            common.is_empty()
        })
    });
    let differ = [(LABELS, labels.len() > 1), (EXPERTS, experts_differ)];
    DuplicateGroup {
        item_ids: same
            .iter()
            .take(EXAMPLE_GROUPS)
            .map(|item| item.id.to_string())
            .collect(),
        items: same.len() as u64,
        differ_in: differ
            .into_iter()
            .filter(|(_, differ)| *differ)
            .map(|(what, _)| what.to_owned())
            .collect(),
    }
}

/// Ids that are the same but for case, width or marks that cannot be seen: groups of two and more.
#[must_use]
pub fn look_alikes<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<Vec<String>> {
    let mut by_form: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for id in ids {
        by_form.entry(folded(id)).or_default().insert(id);
    }
    let alike = by_form.into_values().filter(|alike| alike.len() > 1);
    alike
        .map(|alike| alike.into_iter().map(str::to_owned).collect())
        .collect()
}

/// Ids of some groups for a sentence: `a-1 and a-7; b-2 and b-9`.
#[must_use]
pub fn named_examples<'a>(groups: impl IntoIterator<Item = &'a [String]>) -> String {
    let groups = groups.into_iter().take(3).map(|ids| {
        let some: Vec<&str> = ids.iter().take(3).map(String::as_str).collect();
        some.join(" and ")
    });
    groups.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExpertId, ItemId};

    fn item(id: &str, text: &str, labels: &[&str], experts: &[&str]) -> ItemContent {
        ItemContent {
            id: ItemId::parse(id).unwrap(),
            text: text.to_owned(),
            answer: None,
            area: None,
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            attributes: BTreeMap::new(),
            experts: experts
                .iter()
                .map(|e| ExpertId::parse(*e).unwrap())
                .collect(),
            occurred_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_words_are_the_same_text() {
        let items = [
            item("1", "Who keeps the keys?", &["crypto"], &["ada"]),
            item("2", "who keeps  the KEYS", &["crypto"], &["ada", "bob"]),
            item("3", "Ｗho keeps the keys!", &[], &[]),
            item("4", "Where are the keys?", &["crypto"], &["eve"]),
            item("5", "…", &["a"], &[]),
            item("6", "!!", &["b"], &[]),
        ];
        let found = Duplicates::among(&items);
        assert_eq!((found.repeated, found.texts), (3, 1));
        assert_eq!(found.groups[0].item_ids, ["1", "2", "3"]);
        assert!(found.contradictions().is_empty());
    }

    #[test]
    fn other_labels_and_other_experts_contradict() {
        let items = [
            item("1", "Cancel it", &["refund"], &[]),
            item("2", "cancel it.", &["churn"], &[]),
            item("3", "Send the form", &[], &["ada"]),
            item("4", "send the form!", &[], &["bob"]),
        ];
        let found = Duplicates::among(&items);
        assert_eq!(found.other_labels.len(), 1);
        assert_eq!(found.other_labels[0].item_ids, ["1", "2"]);
        assert_eq!(found.other_experts.len(), 1);
        assert_eq!(found.other_experts[0].item_ids, ["3", "4"]);
        assert_eq!(found.contradictions().len(), 2);
    }

    #[test]
    fn a_tasks_contradictions_are_said_with_ids() {
        let task = TaskDefinition {
            id: crate::TaskId::parse("topic").unwrap(),
            display_name: String::new(),
            kind: TaskKind::SingleLabel,
            source: crate::TaskSource::Labels {
                prefix: "t:".into(),
            },
            labels: Vec::new(),
            target_precision: 0.9,
            out_of_scope_label: None,
        };
        let mut items = vec![
            item("1", "Close my account", &["t:churn"], &[]),
            item("2", "close my account!", &["t:support"], &[]),
            item("3", "Open a ticket", &["t:support"], &[]),
            item("4", "open a ticket", &["t:Support", "vip"], &[]),
            item("5", "open a ticket", &["vip"], &[]),
        ];
        let said = contradicting_targets(&task, &items);
        assert_eq!(
            said.as_deref(),
            Some("1 text has two labels or more, for example 1 and 2")
        );
        items.remove(1);
        assert_eq!(contradicting_targets(&task, &items), None);
    }

    #[test]
    fn ids_that_look_alike_are_found() {
        let ids = ["a-1", "A-1", "Ａ-1", "b", "c", "c"];
        assert_eq!(look_alikes(ids), [["A-1", "a-1", "Ａ-1"]]);
        let groups = look_alikes(ids);
        let said = named_examples(groups.iter().map(Vec::as_slice));
        assert_eq!(said, "A-1 and a-1 and Ａ-1");
    }
}
