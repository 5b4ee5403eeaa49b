//! Which rows are held out together: by a hash of their text, so that a text and its copies never
//! stand on both sides, spread evenly over each label.

use std::collections::{BTreeMap, HashMap};

use domain::normalized;

/// The fold of each row, from 0; `group` is what folds are spread over, for example the label.
pub(super) fn folds(rows: &[(&str, usize)], count: usize) -> Vec<usize> {
    let keys: Vec<u64> = rows.iter().map(|(text, _)| key(text)).collect();
    let mut groups: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for ((_, group), key) in rows.iter().zip(&keys) {
        groups.entry(*group).or_default().push(*key);
    }
    let mut fold_of: HashMap<u64, usize> = HashMap::with_capacity(rows.len());
    let mut turn = 0;
    for (_, mut own) in groups {
        own.sort_unstable();
        own.dedup();
        for key in own {
            fold_of.entry(key).or_insert_with(|| {
                turn += 1;
                (turn - 1) % count
            });
        }
    }
    keys.iter().map(|key| fold_of[key]).collect()
}

fn key(text: &str) -> u64 {
    let hash = blake3::hash(normalized(text).as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_together_and_labels_are_spread() {
        let texts: Vec<String> = (0..30).map(|n| format!("text {}", n % 15)).collect();
        let rows: Vec<(&str, usize)> = texts
            .iter()
            .enumerate()
            .map(|(at, t)| (t.as_str(), at % 15 / 5))
            .collect();
        let found = folds(&rows, 5);
        for at in 0..15 {
            assert_eq!(found[at], found[at + 15], "copies");
        }
        for group in 0..3 {
            let mut own: Vec<usize> = (0..5).map(|at| found[group * 5 + at]).collect();
            own.sort_unstable();
            assert_eq!(own, [0, 1, 2, 3, 4], "each label is in each fold");
        }
    }
}
