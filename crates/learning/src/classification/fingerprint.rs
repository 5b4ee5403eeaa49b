//! The fingerprint of a task: its labels, its kind, and where items have the truth. A classifier with another
//! fingerprint answers another question.

use domain::{TaskDefinition, TaskSource};

/// The lineage parameter with the fingerprint of the task that a classifier was trained for.
pub const TASK_FINGERPRINT: &str = "task_fingerprint";

/// The fingerprint of a task. Descriptions, keywords, display name, target precision, the order of labels
/// and their case do not count.
#[must_use]
pub fn task_fingerprint(task: &TaskDefinition) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(&format!("{:?}", task.kind));
    match &task.source {
        TaskSource::Labels { prefix } => ["labels", prefix].map(&mut part),
        TaskSource::Area => ["area", ""].map(&mut part),
        TaskSource::Attribute(name) => ["attribute", name].map(&mut part),
    };
    let outside = task.out_of_scope_label.as_deref().unwrap_or_default();
    part(&outside.to_lowercase());
    let mut labels: Vec<String> = task.labels.iter().map(|l| l.name.to_lowercase()).collect();
    labels.sort_unstable();
    labels.iter().for_each(|label| part(label));
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Whether a classifier with these lineage parameters was trained for the task as it is. One that has none,
/// of an earlier version of the code, is accepted.
#[must_use]
pub fn is_of_task(parameters: &[(String, String)], task: &TaskDefinition) -> bool {
    let mut named = parameters.iter().filter(|(key, _)| key == TASK_FINGERPRINT);
    named
        .next()
        .is_none_or(|(_, own)| *own == task_fingerprint(task))
}

#[cfg(test)]
mod tests {
    use domain::{TaskKind, TaskLabel};

    use super::super::train::tests::task;
    use super::*;

    fn with_labels(names: &[&str]) -> TaskDefinition {
        let mut made = task(TaskKind::SingleLabel);
        let label = |name: &&str| TaskLabel {
            name: (*name).to_owned(),
            ..TaskLabel::default()
        };
        made.labels = names.iter().map(label).collect();
        made
    }

    #[test]
    fn what_says_the_same_in_other_words_has_the_same_fingerprint() {
        let before = with_labels(&["parking", "catering"]);
        let mut after = with_labels(&["Catering", "parking"]);
        after.labels[0].description = "food and drink".to_owned();
        after.labels[1].keywords = vec!["garage".to_owned()];
        after.display_name = "Front desk".to_owned();
        after.target_precision = 0.8;
        assert_eq!(task_fingerprint(&before), task_fingerprint(&after));
        let parameters = [(TASK_FINGERPRINT.to_owned(), task_fingerprint(&before))];
        assert!(is_of_task(&parameters, &after));
        assert!(
            is_of_task(&[], &after),
            "an older classifier has none and is accepted"
        );
    }

    #[test]
    fn another_question_has_another_fingerprint() {
        let before = with_labels(&["parking", "catering"]);
        let parameters = [(TASK_FINGERPRINT.to_owned(), task_fingerprint(&before))];
        let changed = |change: fn(&mut TaskDefinition)| {
            let mut after = before.clone();
            change(&mut after);
            !is_of_task(&parameters, &after)
        };
        assert!(changed(|task| task.kind = TaskKind::MultiLabel));
        assert!(changed(|task| task.source = TaskSource::Area));
        assert!(changed(
            |task| task.source = TaskSource::Attribute("desk".into())
        ));
        assert!(changed(|task| {
            task.source = TaskSource::Labels {
                prefix: "desk:".into(),
            };
        }));
        assert!(changed(|task| task.labels[0].name = "garage".into()));
        assert!(changed(|task| task.labels.truncate(1)));
        assert!(changed(
            |task| task.out_of_scope_label = Some("other".into())
        ));
        assert!(!changed(|_| ()));
    }
}
