//! The heads of a task that may answer, and what keeps one from it.

use artifacts::ArtifactStore;
use domain::{ModelName, RouteReason, Standing};
use learning::classification::{LabelSet, LinearClassifier, TaskReport};

use crate::chain::Unusable;

/// A head that the policy may want.
pub(crate) struct TaskModel {
    pub name: ModelName,
    pub standing: Standing,
    /// The space it was trained in, when the tenant has left that: it says nothing about vectors of
    /// another.
    pub left_behind: Option<String>,
    /// The task's labels, source or kind are not those that it was trained for.
    pub changed: bool,
    /// None when the artifact is missing, damaged, or made for something else.
    pub head: Option<LinearClassifier>,
}

impl TaskModel {
    /// Why it may not answer though its artifact can be used.
    pub(crate) fn outdated(&self) -> Option<RouteReason> {
        match self {
            Self { changed: true, .. } => Some(RouteReason::TaskChanged),
            Self {
                left_behind: Some(_),
                ..
            } => Some(RouteReason::SpaceChanged),
            _ => None,
        }
    }
}

/// Whether a label that a head was judged on, and that more than one row in a hundred had, is neither listed
/// nor at any item any more: it was renamed or deleted, and the head would go on answering it.
pub(crate) fn has_gone_labels(report: &str, labels: &LabelSet) -> bool {
    let Some(report) = TaskReport::from_json(report) else {
        return false;
    };
    let most = (report.rows / 100).max(1);
    let mut classes = report.classes.iter();
    classes.any(|class| class.support > most && labels.number(&class.label).is_none())
}

/// The head in an artifact; one that cannot be used leaves a line in the log.
pub(crate) async fn load_head(
    artifacts: &ArtifactStore,
    path: &str,
    checksum: &str,
) -> Result<LinearClassifier, Unusable> {
    let bytes = artifacts.get(path, checksum).await.map_err(|error| {
        tracing::error!(%error, path, "a model cannot be used; a method without training serves");
        Unusable::of(&error)
    })?;
    let head = LinearClassifier::from_bytes(&bytes);
    if head.is_none() {
        tracing::error!(
            path,
            "a model has another form; a method without training serves"
        );
    }
    head.ok_or(Unusable { passing: false })
}
