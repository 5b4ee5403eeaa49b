//! The labelled examples nearest to a text.

use domain::normalized;
use vectors::Hit;

use super::labels::LabelledItem;
use super::view::TaskView;

/// A labelled example near the text.
pub(super) struct Near<'a> {
    pub similarity: f32,
    pub labels: &'a [u16],
    pub value: f64,
    /// None for a correction.
    pub item: Option<&'a LabelledItem>,
    /// A person has corrected this very text.
    pub corrected: bool,
}

/// The nearest first. Where a person has corrected the very same text, that alone counts.
pub(super) fn near<'a>(
    view: &'a TaskView,
    hits: &[Hit],
    text: &str,
    vector: &[f32],
) -> Vec<Near<'a>> {
    let text = normalized(text);
    let mut near: Vec<Near<'a>> = view
        .corrections
        .iter()
        .map(|one| Near {
            similarity: one.vector.iter().zip(vector).map(|(a, b)| a * b).sum(),
            labels: &one.labels,
            value: one.value,
            item: None,
            // Signs alone have no words to be the same.
            corrected: !text.is_empty() && *one.text == *text,
        })
        .collect();
    if let Some(at) = near.iter().position(|one| one.corrected) {
        return vec![near.swap_remove(at)];
    }
    near.extend(hits.iter().filter_map(|hit| {
        let item = view.base.examples.items.get(&hit.id)?;
        Some(Near {
            similarity: hit.score,
            labels: &item.labels,
            value: item.value,
            item: Some(item),
            corrected: false,
        })
    }));
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    near
}
