//! Which labelled examples can be learned from, and what a person should know about them.

use domain::TaskKind;

use super::{LabelSet, TaskInput, TaskTrainError};

/// Fewer examples than this train nothing.
pub(super) const MIN_EXAMPLES: usize = 10;

/// The examples that can be learned from.
pub(super) struct Labelled {
    /// Positions of the examples.
    pub kept: Vec<usize>,
    /// Their labels.
    pub truth: Vec<Vec<u16>>,
    /// Examples left out because they have several labels where a task has one.
    ambiguous: usize,
    /// Examples left out because none of their labels is known.
    unknown: usize,
}

impl Labelled {
    pub(super) fn new(input: &TaskInput<'_>) -> Result<Self, TaskTrainError> {
        let mut made = Self {
            kept: Vec::new(),
            truth: Vec::new(),
            ambiguous: 0,
            unknown: 0,
        };
        for (at, example) in input.examples.iter().enumerate() {
            let own = input.labels.numbers(&example.target);
            match own.len() {
                0 => made.unknown += 1,
                n if n > 1 && input.task.kind == TaskKind::SingleLabel => made.ambiguous += 1,
                _ => {
                    made.kept.push(at);
                    made.truth.push(own);
                }
            }
        }
        match made.kept.len() {
            found if found < MIN_EXAMPLES => Err(TaskTrainError::TooFew { found }),
            _ => Ok(made),
        }
    }

    /// What a person should know about the data; an error where all examples have one label.
    pub(super) fn warnings(&self, labels: &LabelSet) -> Result<Vec<String>, TaskTrainError> {
        let mut seen: Vec<u16> = self.truth.iter().flatten().copied().collect();
        seen.sort_unstable();
        let same = seen.chunk_by(|a, b| a == b);
        let once = same.filter(|same| same.len() == 1).count();
        seen.dedup();
        if let [only] = seen[..] {
            let label = labels.names()[usize::from(only)].clone();
            return Err(TaskTrainError::OneLabel { label });
        }
        let counted = [
            (
                self.ambiguous,
                "items have more than one label of this task and were left out",
            ),
            (self.unknown, "items have only labels that were left out"),
            (
                labels.dropped(),
                "labels are more than a task may have; the rarest were left out",
            ),
            (
                once,
                "labels have a single example; they cannot be evaluated, so the classifier is never more than \
                 half sure of them",
            ),
            (
                labels.len() - seen.len(),
                "listed labels have no example, so the classifier is never more than half sure of them",
            ),
        ];
        let found = counted.into_iter().filter(|(count, _)| *count > 0);
        Ok(found
            .map(|(count, what)| format!("{count} {what}"))
            .collect())
    }
}
