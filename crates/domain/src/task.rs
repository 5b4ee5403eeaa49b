//! Tasks that tenants define: what is predicted of a text, and where items say what is right.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::printable::nfc;
use crate::{
    FieldViolation, ItemContent, TaskId, clean_name, clean_text, read_number, split_labels,
};

/// The most labels that a task lists.
pub const MAX_TASK_LABELS: usize = 2_000;
/// The most tasks of one tenant.
pub const MAX_TASKS: usize = 200;
/// How often an answer should be right unless the task says otherwise.
pub const DEFAULT_TARGET_PRECISION: f64 = 0.95;

const NAME_MAX_CHARS: usize = 256;
const DESCRIPTION_MAX_CHARS: usize = 2_000;
const MAX_KEYWORDS: usize = 100;
/// Of the texts of all labels: a task is one message, and has to stay below what a client takes.
const LABELS_MAX_BYTES: usize = 2 * 1024 * 1024;

/// What kind of thing is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskKind {
    /// Exactly one label a text.
    SingleLabel,
    /// Any number of labels a text.
    MultiLabel,
    /// A number a text.
    Regression,
}

/// A label that a task lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLabel {
    /// Its name.
    pub name: String,
    /// What it means, in words.
    pub description: String,
    /// Words and phrases that speak for it.
    pub keywords: Vec<String>,
}

/// Where an item says what is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskSource {
    /// Its labels that begin with the prefix, without it.
    Labels {
        /// Empty when all labels count.
        prefix: String,
    },
    /// Its area.
    Area,
    /// The attribute of this name.
    Attribute(String),
}

/// A task as its tenant defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Its id, unique inside the tenant.
    pub id: TaskId,
    /// Name for people.
    pub display_name: String,
    /// What is predicted.
    pub kind: TaskKind,
    /// Where items say what is right.
    pub source: TaskSource,
    /// Labels that need no example.
    pub labels: Vec<TaskLabel>,
    /// How often an answer that is given should be right.
    pub target_precision: f64,
    /// Items with this label are texts that the task has no label for.
    pub out_of_scope_label: Option<String>,
}

/// A task as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What the tenant wants.
    pub definition: TaskDefinition,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What is right for one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// These labels: one for a single-label task.
    Labels(Vec<String>),
    /// This number.
    Value(f64),
}

/// What a person said is right for a text that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// The answer that was corrected.
    pub request_id: String,
    /// What was asked.
    pub text: String,
    /// What is right.
    pub target: Target,
    /// When it was said.
    pub given_at: DateTime<Utc>,
}

/// Why an answer should not be acted upon; stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbstainReason {
    /// The confidence is below what the target precision needs.
    LowConfidence,
    /// The task probably has no label for the text.
    OutOfScope,
    /// There are neither labels nor labelled items to answer from.
    NoExamples,
}

impl AbstainReason {
    /// The stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::LowConfidence => "LOW_CONFIDENCE",
            Self::OutOfScope => "OUT_OF_SCOPE",
            Self::NoExamples => "NO_EXAMPLES",
        }
    }
}

impl TaskLabel {
    /// The bytes of its texts once they are cleaned, in which NUL takes three.
    fn bytes(&self) -> usize {
        let of = |text: &String| text.len() + 2 * text.matches('\0').count();
        of(&self.name) + of(&self.description) + self.keywords.iter().map(of).sum::<usize>()
    }
}

impl TaskDefinition {
    /// Cleans the texts and checks all bounds.
    ///
    /// # Errors
    /// Every field that cannot be accepted, as paths below `task`.
    pub fn validate(mut self) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Vec::new();
        let mut note = |field: &str, message: String| {
            violations.push(FieldViolation::new(format!("task.{field}"), message));
        };
        self.display_name = clean_text(&self.display_name);
        if self.display_name.is_empty() {
            self.display_name = self.id.to_string();
        }
        if too_long(&self.display_name, NAME_MAX_CHARS) {
            note(
                "display_name",
                format!("at most {NAME_MAX_CHARS} characters"),
            );
        }
        if !(self.target_precision > 0.0 && self.target_precision < 1.0) {
            note(
                "target_precision",
                "must lie between 0 and 1, for example 0.95".into(),
            );
        }
        self.check_source(&mut note);
        self.check_labels(&mut note);
        self.out_of_scope_label = self
            .out_of_scope_label
            .map(|label| clean_name(&label))
            .filter(|label| !label.is_empty());
        if self.out_of_scope_label.is_some() && self.kind != TaskKind::SingleLabel {
            note(
                "out_of_scope_label",
                "is for SINGLE_LABEL tasks only".into(),
            );
        }
        match violations.is_empty() {
            true => Ok(self),
            false => Err(violations),
        }
    }

    fn check_source(&mut self, note: &mut impl FnMut(&str, String)) {
        if let TaskSource::Labels { prefix } = &mut self.source {
            // As labels are kept; a blank at its end belongs to it.
            *prefix = nfc(prefix).into_owned();
        }
        match &mut self.source {
            TaskSource::Labels { prefix } if too_long(prefix, NAME_MAX_CHARS) => {
                note(
                    "source.prefix",
                    format!("at most {NAME_MAX_CHARS} characters"),
                );
            }
            TaskSource::Attribute(name) if name.is_empty() || too_long(name, NAME_MAX_CHARS) => {
                let message = format!("name the attribute, in 1 to {NAME_MAX_CHARS} characters");
                note("source.attribute", message);
            }
            TaskSource::Labels { .. } | TaskSource::Area if self.kind == TaskKind::Regression => {
                let message = "a REGRESSION reads its numbers from an ATTRIBUTE";
                note("source.field", message.into());
            }
            TaskSource::Labels { .. } | TaskSource::Area | TaskSource::Attribute(_) => {}
        }
    }

    fn check_labels(&mut self, note: &mut impl FnMut(&str, String)) {
        if self.kind == TaskKind::Regression && !self.labels.is_empty() {
            note("labels", "a REGRESSION has none".into());
        }
        if self.labels.len() > MAX_TASK_LABELS {
            note("labels", format!("at most {MAX_TASK_LABELS}"));
        }
        let bytes: usize = self.labels.iter().map(TaskLabel::bytes).sum();
        if bytes > LABELS_MAX_BYTES {
            let message = format!(
                "have {bytes} bytes of names, descriptions and keywords; at most \
                 {LABELS_MAX_BYTES} are kept with one task"
            );
            note("labels", message);
        }
        let mut seen = std::collections::HashSet::new();
        for (at, label) in self.labels.iter_mut().enumerate() {
            label.name = clean_name(&label.name);
            label.description = clean_text(&label.description);
            for keyword in &mut label.keywords {
                *keyword = clean_text(keyword);
            }
            label.keywords.retain(|keyword| !keyword.is_empty());
            if label.name.is_empty() || too_long(&label.name, NAME_MAX_CHARS) {
                let message = format!("must have 1 to {NAME_MAX_CHARS} characters");
                note(&format!("labels[{at}].name"), message);
            } else if !seen.insert(label.name.to_lowercase()) {
                let message = "is there already; names that differ only by case are the same";
                note(&format!("labels[{at}].name"), message.into());
            }
            if too_long(&label.description, DESCRIPTION_MAX_CHARS) {
                let message = format!("at most {DESCRIPTION_MAX_CHARS} characters");
                note(&format!("labels[{at}].description"), message);
            }
            let long = |keyword: &String| too_long(keyword, NAME_MAX_CHARS);
            if label.keywords.len() > MAX_KEYWORDS || label.keywords.iter().any(long) {
                let message =
                    format!("at most {MAX_KEYWORDS}, each of at most {NAME_MAX_CHARS} characters");
                note(&format!("labels[{at}].keywords"), message);
            }
        }
    }

    /// What the item says is right; none when it says nothing that can be read. For a regression an
    /// attribute that is not a number, or could be either of two ([`read_number`]), says nothing.
    #[must_use]
    pub fn target(&self, item: &ItemContent) -> Option<Target> {
        match (&self.source, self.kind) {
            (TaskSource::Attribute(name), TaskKind::Regression) => {
                read_number(item.attributes.get(name)?).map(Target::Value)
            }
            (_, TaskKind::Regression) => None,
            (TaskSource::Labels { prefix }, _) => {
                let own = item
                    .labels
                    .iter()
                    .filter_map(|l| l.strip_prefix(prefix.as_str()));
                labels(own)
            }
            (TaskSource::Area, _) => labels(item.area.as_deref().into_iter()),
            (TaskSource::Attribute(name), TaskKind::MultiLabel) => {
                let all = split_labels(item.attributes.get(name)?);
                labels(all.iter().map(String::as_str))
            }
            (TaskSource::Attribute(name), TaskKind::SingleLabel) => {
                labels(std::iter::once(item.attributes.get(name)?.as_str()))
            }
        }
    }

    /// The item's value of a regression's attribute, where it cannot be read as a number; a blank one is
    /// none at all.
    #[must_use]
    pub fn unreadable_number<'a>(&self, item: &'a ItemContent) -> Option<&'a str> {
        let (TaskSource::Attribute(name), TaskKind::Regression) = (&self.source, self.kind) else {
            return None;
        };
        let value = item.attributes.get(name)?.trim();
        (!value.is_empty() && read_number(value).is_none()).then_some(value)
    }

    /// Whether the label is the one of texts that are out of scope; case does not count.
    #[must_use]
    pub fn is_out_of_scope(&self, label: &str) -> bool {
        self.out_of_scope_label
            .as_ref()
            .is_some_and(|own| own.to_lowercase() == label.to_lowercase())
    }
}

fn labels<'a>(found: impl Iterator<Item = &'a str>) -> Option<Target> {
    let found: Vec<String> = found
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect();
    (!found.is_empty()).then_some(Target::Labels(found))
}

fn too_long(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemId;

    fn task(kind: TaskKind, source: TaskSource) -> TaskDefinition {
        TaskDefinition {
            id: TaskId::parse("intent").unwrap(),
            display_name: String::new(),
            kind,
            source,
            labels: Vec::new(),
            target_precision: DEFAULT_TARGET_PRECISION,
            out_of_scope_label: None,
        }
    }

    fn all_labels() -> TaskSource {
        TaskSource::Labels {
            prefix: String::new(),
        }
    }

    fn item() -> ItemContent {
        ItemContent {
            id: ItemId::parse("q-1").unwrap(),
            text: "why?".into(),
            answer: None,
            area: Some("billing".into()),
            labels: vec!["intent:refund".into(), "vip".into()],
            attributes: [
                ("points", "3.5"),
                ("size", "large"),
                ("tags", "a, \"b, c\",,"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
            experts: Vec::new(),
            occurred_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn targets_are_read_where_the_task_says() {
        let labels = |source| task(TaskKind::MultiLabel, source).target(&item());
        let some = |names: &[&str]| {
            Some(Target::Labels(
                names.iter().map(|n| (*n).to_owned()).collect(),
            ))
        };
        let prefix = TaskSource::Labels {
            prefix: "intent:".into(),
        };
        assert_eq!(labels(prefix), some(&["refund"]));
        assert_eq!(labels(all_labels()), some(&["intent:refund", "vip"]));
        assert_eq!(labels(TaskSource::Area), some(&["billing"]));
        assert_eq!(
            labels(TaskSource::Attribute("tags".into())),
            some(&["a", "b, c"])
        );
        assert_eq!(labels(TaskSource::Attribute("none".into())), None);
        let number = |name: &str| {
            task(TaskKind::Regression, TaskSource::Attribute(name.into())).target(&item())
        };
        assert_eq!(number("points"), Some(Target::Value(3.5)));
        assert_eq!(number("size"), None, "not a number");
        let unreadable = |name: &str, kind| {
            let task = task(kind, TaskSource::Attribute(name.into()));
            task.unreadable_number(&item()).map(str::to_owned)
        };
        assert_eq!(
            unreadable("size", TaskKind::Regression),
            Some("large".into())
        );
        assert_eq!(unreadable("points", TaskKind::Regression), None);
        assert_eq!(unreadable("missing", TaskKind::Regression), None);
        assert_eq!(unreadable("size", TaskKind::SingleLabel), None);
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let mut bad = task(TaskKind::Regression, all_labels());
        bad.target_precision = f64::NAN;
        bad.labels = ["A", "a"]
            .map(|name| TaskLabel {
                name: name.into(),
                ..TaskLabel::default()
            })
            .to_vec();
        let fields: Vec<String> = bad
            .validate()
            .unwrap_err()
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        for field in [
            "target_precision",
            "source.field",
            "labels",
            "labels[1].name",
        ] {
            assert!(
                fields.contains(&format!("task.{field}")),
                "{field}: {fields:?}"
            );
        }
        let fine = task(TaskKind::SingleLabel, all_labels())
            .validate()
            .unwrap();
        assert_eq!(fine.display_name, "intent");
    }
}
