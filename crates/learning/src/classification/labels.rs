//! The labels of a task: those it lists and those its examples have.

use std::collections::{BTreeMap, HashMap};

use domain::{MAX_TASK_LABELS, Target, TaskDefinition};

/// The labels of a task, numbered. Names that differ only by case are one label: spelled as the
/// task lists it, or as most examples have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    numbers: HashMap<String, u16>,
    dropped: usize,
}

impl LabelSet {
    /// The labels of `task` and of examples with `targets`. The listed ones come first, then the
    /// most frequent; of more than [`MAX_TASK_LABELS`] the rarest are left out.
    pub fn new<'a>(task: &TaskDefinition, targets: impl IntoIterator<Item = &'a Target>) -> Self {
        let mut spellings: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
        for target in targets {
            let Target::Labels(labels) = target else {
                continue;
            };
            for label in labels {
                let known = spellings.entry(label.to_lowercase()).or_default();
                *known.entry(label.as_str()).or_default() += 1;
            }
        }
        let mut names: Vec<String> = task.labels.iter().map(|label| label.name.clone()).collect();
        for name in &names {
            spellings.remove(&name.to_lowercase());
        }
        let mut found: Vec<(usize, &str)> = spellings
            .values()
            .map(|known| {
                let count = known.values().sum();
                // Of equally frequent spellings the first in the alphabet.
                let best = known.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
                (count, best.map_or("", |(name, _)| *name))
            })
            .collect();
        found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        names.extend(found.into_iter().map(|(_, name)| name.to_owned()));
        let dropped = names.len().saturating_sub(MAX_TASK_LABELS);
        names.truncate(MAX_TASK_LABELS);
        Self::of(names, dropped)
    }

    /// The labels of these names, which differ by more than case.
    pub(super) fn of(names: Vec<String>, dropped: usize) -> Self {
        let numbers = names
            .iter()
            .enumerate()
            // Fits: there are at most `MAX_TASK_LABELS`.
            .map(|(at, name)| (name.to_lowercase(), at as u16))
            .collect();
        Self {
            names,
            numbers,
            dropped,
        }
    }

    /// Their names, by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Labels that were left out because there are too many.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The label's number, whatever its case.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u16> {
        self.numbers.get(&name.to_lowercase()).copied()
    }

    /// The numbers of a target's labels, each once, ascending; unknown ones are passed over.
    #[must_use]
    pub fn numbers(&self, target: &Target) -> Vec<u16> {
        let Target::Labels(labels) = target else {
            return Vec::new();
        };
        let mut numbers: Vec<u16> = labels.iter().filter_map(|l| self.number(l)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// What stands for each label where only names and descriptions are known.
    #[must_use]
    pub fn texts(&self, task: &TaskDefinition) -> Vec<String> {
        let described: HashMap<&str, &str> = task
            .labels
            .iter()
            .map(|label| (label.name.as_str(), label.description.as_str()))
            .collect();
        let text = |name: &String| {
            let words = name.replace(['_', '-', ':', '/'], " ");
            match described.get(name.as_str()) {
                Some(said) if !said.is_empty() => format!("{words}: {said}"),
                _ => words,
            }
        };
        self.names.iter().map(text).collect()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.names.iter().map(|name| 2 * name.len() + 80).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::train::tests::task;
    use super::*;
    use domain::TaskKind;

    fn targets(all: &[&str]) -> Vec<Target> {
        all.iter()
            .map(|l| Target::Labels(vec![(*l).to_owned()]))
            .collect()
    }

    #[test]
    fn names_that_differ_by_case_are_one_label() {
        let task = task(TaskKind::SingleLabel);
        let labels = LabelSet::new(&task, &targets(&["Refund", "refund", "Refund", "bug"]));
        assert_eq!(labels.names(), ["Refund", "bug"]);
        assert_eq!(labels.number("REFUND"), Some(0));
        let both = Target::Labels(vec![
            "bug".into(),
            "refund".into(),
            "Refund".into(),
            "?".into(),
        ]);
        assert_eq!(labels.numbers(&both), [0, 1]);
    }

    #[test]
    fn listed_labels_come_first_and_keep_their_spelling() {
        let mut task = task(TaskKind::SingleLabel);
        task.labels.push(domain::TaskLabel {
            name: "BUG".into(),
            description: "something is broken".into(),
            keywords: Vec::new(),
        });
        let labels = LabelSet::new(&task, &targets(&["bug", "feature_request", "bug"]));
        assert_eq!(labels.names(), ["BUG", "feature_request"]);
        assert_eq!(
            labels.texts(&task),
            ["BUG: something is broken", "feature request"]
        );
    }

    #[test]
    fn there_is_a_bound() {
        let many: Vec<String> = (0..MAX_TASK_LABELS + 50).map(|n| format!("l{n}")).collect();
        let many: Vec<Target> = many.into_iter().map(|l| Target::Labels(vec![l])).collect();
        let labels = LabelSet::new(&task(TaskKind::MultiLabel), &many);
        assert_eq!((labels.len(), labels.dropped()), (MAX_TASK_LABELS, 50));
    }
}
