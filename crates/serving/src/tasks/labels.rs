//! What a task knows of its labels: the labelled items, the words of the labels, the values.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Item, ItemId, Target, Task};
use learning::classification::{Keywords, LabelSet, ZeroShot};

/// Labelled items that stay resident, the newest.
const EXAMPLES: usize = 200_000;

/// A task's labelled items, as numbers.
pub(super) struct Examples {
    pub labels: LabelSet,
    /// By the point that stands for the item in the vector store.
    pub items: HashMap<u64, LabelledItem>,
    /// Labelled items, by label.
    pub counts: Vec<u32>,
    pub keywords: Keywords,
    pub zero_shot: ZeroShot,
    /// The middle one of all values.
    pub median: Option<f64>,
}

/// A labelled item.
pub(super) struct LabelledItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
    pub labels: Box<[u16]>,
    pub value: f64,
}

impl Examples {
    /// Reads the items of a task and the targets of its corrections. Thousands of texts are cut into
    /// words: not on a thread that others wait for. The labels' vectors come later.
    pub(super) fn build(task: &Task, items: &[Item], corrected: &[Target]) -> Self {
        let definition = &task.definition;
        let newest = items.len().saturating_sub(EXAMPLES);
        let found: Vec<(&Item, Target)> = items[newest..]
            .iter()
            .filter_map(|item| Some((item, definition.target(&item.content)?)))
            .collect();
        let targets = found.iter().map(|(_, target)| target).chain(corrected);
        let labels = LabelSet::new(definition, targets);
        let known: Vec<(&Item, Vec<u16>, f64)> = found
            .iter()
            .map(|(item, target)| (*item, labels.numbers(target), value_of(target)))
            .filter(|(_, own, value)| !own.is_empty() || value.is_finite())
            .collect();
        let examples = known
            .iter()
            .map(|(item, own, _)| (item.content.text.as_str(), own.as_slice()));
        let keywords = Keywords::new(definition, &labels, examples);
        let mut counts = vec![0; labels.len()];
        for label in known.iter().flat_map(|(_, own, _)| own) {
            counts[usize::from(*label)] += 1;
        }
        let mut values: Vec<f64> = known.iter().map(|(_, _, value)| *value).collect();
        values.extend(corrected.iter().map(value_of));
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let items = known.iter().map(|(item, own, value)| {
            let labelled = LabelledItem {
                id: item.content.id.clone(),
                occurred_at: item.content.occurred_at,
                labels: own.as_slice().into(),
                value: *value,
            };
            (item.point, labelled)
        });
        Self {
            items: items.collect(),
            counts,
            keywords,
            zero_shot: ZeroShot::default(),
            median: values.get(values.len() / 2).copied(),
            labels,
        }
    }

    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let words = self.labels.bytes() + self.keywords.bytes() + self.zero_shot.bytes();
        self.items.len() * 128 + words
    }
}

/// The number, or what is none.
pub(super) fn value_of(target: &Target) -> f64 {
    match target {
        Target::Value(value) => *value,
        Target::Labels(_) => f64::NAN,
    }
}
