//! What keeps a head of a task from answering.

use domain::{ModelVersion, TaskDefinition};
use encoding::Encoder;
use learning::classification::{LabelSet, LinearClassifier, TaskReport, is_of_task};
use registry::load::Unusable;

use crate::route::Stale;

/// Why a version may not answer though its artifact can be used. That its labels were renamed or deleted
/// is known only when the task's labels are: see [`has_lost_labels`].
pub(super) fn stale(
    version: &ModelVersion,
    definition: &TaskDefinition,
    encoder: &Encoder,
) -> Option<Stale> {
    let lineage = &version.lineage;
    if !is_of_task(&lineage.parameters, definition) {
        return Some(Stale::Task);
    }
    let elsewhere = lineage.space != encoder.name();
    elsewhere.then(|| Stale::Space(lineage.space.clone()))
}

/// The head, where it is one of the task's kind for the space's vectors.
pub(super) fn fitting(
    loaded: Result<LinearClassifier, Unusable>,
    definition: &TaskDefinition,
    encoder: &Encoder,
) -> Result<LinearClassifier, Unusable> {
    let dimensions = encoder.space().dimensions;
    let fits = |head: &LinearClassifier| head.kind() == definition.kind && head.fits(dimensions);
    match loaded {
        Ok(head) if !fits(&head) => Err(Unusable::Incompatible),
        loaded => loaded,
    }
}

/// Whether a label that a head was judged on, and that more than one row in a hundred had, is neither listed
/// nor at any item any more: it was renamed or deleted, and the head would go on answering it.
pub(super) fn has_lost_labels(report: &str, labels: &LabelSet) -> bool {
    let Some(report) = TaskReport::from_json(report) else {
        return false;
    };
    let most = (report.rows / 100).max(1);
    let mut classes = report.classes.iter();
    classes.any(|class| class.support > most && labels.number(&class.label).is_none())
}
