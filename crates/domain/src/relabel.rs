//! Labels that get another name: where a task's items say them, and where it lists them.

use std::collections::HashSet;

use crate::{ItemContent, Target, TaskDefinition, TaskKind, TaskSource, join_labels, split_labels};

/// Labels that become another one; case does not count.
#[derive(Debug, Clone)]
pub struct Relabelling {
    from: HashSet<String>,
    into: String,
}

impl Relabelling {
    /// `from` become `into`; all are cleaned names.
    #[must_use]
    pub fn new(from: &[String], into: String) -> Self {
        Self {
            from: from.iter().map(|label| label.to_lowercase()).collect(),
            into,
        }
    }

    /// What they become.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.into
    }

    /// What the label is called now; none where it stays as it is.
    #[must_use]
    pub fn of(&self, label: &str) -> Option<&str> {
        let meant = self.from.contains(&label.to_lowercase());
        (meant && label != self.into).then_some(self.into.as_str())
    }

    /// The same labels as items have them that say the task's with a prefix.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let lower = prefix.to_lowercase();
        Self {
            from: self.from.iter().map(|l| format!("{lower}{l}")).collect(),
            into: format!("{prefix}{}", self.into),
        }
    }

    /// The labels of a task that this renames in items, as the task calls them: those with its prefix,
    /// where all of them have it.
    #[must_use]
    pub fn without_prefix(&self, prefix: &str) -> Option<Self> {
        let lower = prefix.to_lowercase();
        let from = self.from.iter().map(|l| l.strip_prefix(&lower));
        let from: Option<HashSet<String>> = from.map(|l| l.map(str::to_owned)).collect();
        Some(Self {
            from: from?,
            into: self.into.strip_prefix(prefix)?.to_owned(),
        })
    }

    /// The list with other names, nobody twice; none where it stays as it is.
    #[must_use]
    pub fn of_list(&self, labels: &[String]) -> Option<Vec<String>> {
        labels
            .iter()
            .any(|label| self.of(label).is_some())
            .then(|| {
                let mut list: Vec<String> = Vec::with_capacity(labels.len());
                for label in labels {
                    let label = self.of(label).unwrap_or(label);
                    if !list.iter().any(|known| known == label) {
                        list.push(label.to_owned());
                    }
                }
                list
            })
    }

    /// A correction's target with other names; none where it stays as it is.
    #[must_use]
    pub fn of_target(&self, target: &Target) -> Option<Target> {
        match target {
            Target::Labels(labels) => self.of_list(labels).map(Target::Labels),
            Target::Value(_) => None,
        }
    }

    /// The item with other labels, as they stand in it; none where it stays as it is.
    #[must_use]
    pub fn of_labels(&self, item: &ItemContent) -> Option<ItemContent> {
        let mut labels = self.of_list(&item.labels)?;
        labels.sort_unstable();
        Some(ItemContent {
            labels,
            ..item.clone()
        })
    }

    /// The item with other labels where `task` reads them; none where it stays as it is.
    #[must_use]
    pub fn of_item(&self, task: &TaskDefinition, item: &ItemContent) -> Option<ItemContent> {
        match &task.source {
            TaskSource::Labels { prefix } => self.prefixed(prefix).of_labels(item),
            TaskSource::Area => {
                let area = self.of(item.area.as_deref()?)?.to_owned();
                Some(ItemContent {
                    area: Some(area),
                    ..item.clone()
                })
            }
            TaskSource::Attribute(name) => {
                let value = item.attributes.get(name)?;
                let value = match task.kind {
                    TaskKind::MultiLabel => join_labels(&self.of_list(&split_labels(value))?),
                    TaskKind::SingleLabel => self.of(value.trim())?.to_owned(),
                    TaskKind::Regression => return None,
                };
                let mut item = item.clone();
                item.attributes.insert(name.clone(), value);
                Some(item)
            }
        }
    }

    /// The task with other names in its list and for what is out of scope; none where it stays as it is.
    /// Of listed labels that become one, the one that has the name already stays, else the first.
    #[must_use]
    pub fn of_task(&self, task: &TaskDefinition) -> Option<TaskDefinition> {
        let mut changed = task.clone();
        let own = self.into.to_lowercase();
        let listed = |label: &&crate::TaskLabel| label.name.to_lowercase() == own;
        let kept = task
            .labels
            .iter()
            .find(listed)
            .map(|label| label.name.clone());
        let mut seen = HashSet::new();
        changed.labels.retain_mut(|label| {
            let becomes = self.of(&label.name).map(str::to_owned);
            let is_kept = kept.as_ref() == Some(&label.name);
            if becomes.is_some() && kept.is_some() && !is_kept {
                return false;
            }
            if let Some(name) = becomes {
                label.name = name;
            }
            seen.insert(label.name.to_lowercase())
        });
        if let Some(label) = &mut changed.out_of_scope_label
            && let Some(name) = self.of(label)
        {
            *label = name.to_owned();
        }
        (changed != *task).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_TARGET_PRECISION, ItemId, TaskId, TaskLabel};

    fn task(kind: TaskKind, source: TaskSource, labels: &[&str]) -> TaskDefinition {
        TaskDefinition {
            id: TaskId::parse("intent").unwrap(),
            display_name: String::new(),
            kind,
            source,
            labels: labels
                .iter()
                .map(|name| TaskLabel {
                    name: (*name).to_owned(),
                    ..TaskLabel::default()
                })
                .collect(),
            target_precision: DEFAULT_TARGET_PRECISION,
            out_of_scope_label: Some("Other".into()),
        }
    }

    fn item() -> ItemContent {
        ItemContent {
            id: ItemId::parse("q").unwrap(),
            text: "why?".into(),
            answer: None,
            area: Some("Billing".into()),
            labels: vec!["intent:refund".into(), "refund".into()],
            attributes: [(
                "topics".to_owned(),
                "\"refund, partial\", Billing".to_owned(),
            )]
            .into(),
            experts: Vec::new(),
            occurred_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn rename(from: &[&str], into: &str) -> Relabelling {
        let from: Vec<String> = from.iter().map(|l| (*l).to_owned()).collect();
        Relabelling::new(&from, into.to_owned())
    }

    #[test]
    fn labels_change_where_the_task_reads_them() {
        let prefix = TaskSource::Labels {
            prefix: "intent:".into(),
        };
        let own = task(TaskKind::SingleLabel, prefix, &[]);
        let changed = rename(&["REFUND"], "money back")
            .of_item(&own, &item())
            .unwrap();
        assert_eq!(changed.labels, ["intent:money back", "refund"]);
        let areas = task(TaskKind::SingleLabel, TaskSource::Area, &[]);
        let changed = rename(&["billing"], "Invoices")
            .of_item(&areas, &item())
            .unwrap();
        assert_eq!(changed.area.as_deref(), Some("Invoices"));
        let topics = TaskSource::Attribute("topics".into());
        let topics = task(TaskKind::MultiLabel, topics, &[]);
        let both = rename(&["refund, partial", "billing"], "Refunds (partial, full)");
        let changed = both.of_item(&topics, &item()).unwrap();
        assert_eq!(changed.attributes["topics"], "\"Refunds (partial, full)\"");
        assert!(
            both.of_item(&topics, &changed).is_none(),
            "again is nothing"
        );
        assert!(rename(&["none"], "x").of_item(&topics, &item()).is_none());
    }

    #[test]
    fn the_list_of_a_task_follows() {
        let prefix = String::new();
        let own = task(
            TaskKind::SingleLabel,
            TaskSource::Labels { prefix },
            &["a", "b", "C"],
        );
        let names =
            |task: TaskDefinition| task.labels.into_iter().map(|l| l.name).collect::<Vec<_>>();
        assert_eq!(
            names(rename(&["a"], "d").of_task(&own).unwrap()),
            ["d", "b", "C"]
        );
        assert_eq!(
            names(rename(&["a", "b"], "c").of_task(&own).unwrap()),
            ["C"]
        );
        assert_eq!(
            names(rename(&["a", "b"], "d").of_task(&own).unwrap()),
            ["d", "C"]
        );
        assert_eq!(
            names(rename(&["c"], "c").of_task(&own).unwrap()),
            ["a", "b", "c"]
        );
        let other = rename(&["other"], "none of these").of_task(&own).unwrap();
        assert_eq!(other.out_of_scope_label.as_deref(), Some("none of these"));
        assert!(rename(&["x"], "y").of_task(&own).is_none());
    }

    #[test]
    fn a_tasks_labels_are_known_by_its_prefix() {
        let in_items = rename(&["intent:refund"], "intent:money back");
        let own = in_items.without_prefix("intent:").unwrap();
        assert_eq!(own.of("Refund"), Some("money back"));
        assert!(in_items.without_prefix("topic:").is_none());
        let back = own.prefixed("intent:").without_prefix("").unwrap();
        assert_eq!(back.of("intent:refund"), Some("intent:money back"));
    }
}
