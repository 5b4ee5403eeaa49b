//! Keyword rules as a person would write them down after looking at the examples: for each label, or
//! each expert, a few words that stand out in its texts.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::postings::Numbers;

/// Words that each label's texts add to the rules.
pub(crate) const WORDS: usize = 12;
/// Labels by word, with weights.
pub(crate) type Rules = HashMap<u32, Vec<(u16, f32)>>;

/// The words that stand out in each label's texts, by how much likelier they are there. An example is its
/// distinct words and its labels, which are below `labels`.
pub(crate) fn standing_out<'a, W: IntoIterator<Item = u32>>(
    labels: usize,
    examples: impl IntoIterator<Item = (W, &'a [u16])>,
) -> Rules {
    type Counts = HashMap<u32, f32, BuildHasherDefault<Numbers>>;
    let mut everywhere = Counts::default();
    let mut by_label: Vec<Counts> = vec![Counts::default(); labels];
    let (mut n, mut n_label) = (0.0_f32, vec![0.0_f32; labels]);
    for (words, own) in examples {
        n += 1.0;
        own.iter()
            .for_each(|&label| n_label[usize::from(label)] += 1.0);
        for word in words {
            *everywhere.entry(word).or_default() += 1.0;
            for &label in own {
                *by_label[usize::from(label)].entry(word).or_default() += 1.0;
            }
        }
    }
    let mut found = Rules::new();
    for (label, own) in by_label.into_iter().enumerate() {
        let base = (n_label[label] + 0.5) / (n + 1.0);
        let mut best: Vec<(u32, f32)> = own
            .into_iter()
            .filter(|(_, count)| *count >= 2.0)
            .map(|(word, count)| {
                let share = (count + base) / (everywhere[&word] + 1.0);
                (word, (share / base).ln() * count / n_label[label])
            })
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (word, weight) in best.into_iter().take(WORDS) {
            found.entry(word).or_default().push((label as u16, weight));
        }
    }
    found
}

/// How much the rules say for each of `labels` labels: the weights of the words that are there.
pub(crate) fn apply(
    rules: &Rules,
    words: impl IntoIterator<Item = u32>,
    labels: usize,
) -> Vec<f32> {
    let mut scores = vec![0.0_f32; labels];
    for word in words {
        for &(label, weight) in rules.get(&word).into_iter().flatten() {
            scores[usize::from(label)] += weight;
        }
    }
    scores
}
