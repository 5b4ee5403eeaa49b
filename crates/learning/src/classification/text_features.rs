//! The terms of a text: words, bigrams, and character n-grams, weighted by inverse document frequency.
//!
//! Unlike [`crate::text::tokens`], no word is left out here: for an intent, "who" and "when" say a lot.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::recipe::TermRecipe;
use super::surface_features::heading;

/// Longer texts are read up to here; what a text is about stands at its beginning.
const MAX_WORDS: usize = 400;

/// The vocabulary of a classifier: which terms count, where they stand, and what they weigh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Terms {
    pairs: bool,
    letters: bool,
    words_scale: f32,
    letters_scale: f32,
    heading_words_scale: f32,
    heading_letters_scale: f32,
    /// Hashes of the terms, ascending; a term's place is its column.
    known: Vec<u32>,
    /// Inverse document frequencies, by column.
    rarity: Vec<f32>,
}

/// The kinds of terms: each makes a block of a row with a length of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Block {
    Words,
    Letters,
    HeadingWords,
    HeadingLetters,
}

impl Terms {
    /// The vocabulary of `texts`: terms of enough texts, at most `most` of them, the frequent ones.
    pub(super) fn fit<'a>(
        recipe: &TermRecipe,
        texts: impl ExactSizeIterator<Item = &'a str>,
        most: usize,
    ) -> Self {
        let n = texts.len();
        let mut made = Self {
            pairs: recipe.pairs,
            letters: recipe.letters,
            words_scale: recipe.words_scale,
            letters_scale: recipe.letters_scale,
            heading_words_scale: recipe.heading_words_scale,
            heading_letters_scale: recipe.heading_letters_scale,
            known: Vec::new(),
            rarity: Vec::new(),
        };
        let mut frequencies: HashMap<u32, u32> = HashMap::new();
        for text in texts {
            let mut own = Vec::new();
            made.cut(text, &mut |_, term| own.push(term));
            own.sort_unstable();
            own.dedup();
            own.into_iter()
                .for_each(|term| *frequencies.entry(term).or_default() += 1);
        }
        let mut kept: Vec<(u32, u32)> = frequencies
            .into_iter()
            .filter(|(_, count)| *count as usize >= recipe.min_texts)
            .collect();
        if kept.len() > most {
            kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            kept.truncate(most);
        }
        kept.sort_unstable();
        let rarity = |count: u32| ((1.0 + n as f32) / (1.0 + count as f32)).ln() + 1.0;
        made.rarity = kept.iter().map(|(_, count)| rarity(*count)).collect();
        made.known = kept.into_iter().map(|(term, _)| term).collect();
        made
    }

    /// Columns.
    pub(super) fn width(&self) -> usize {
        self.known.len()
    }

    /// The text's terms by column, ascending.
    pub(super) fn row(&self, text: &str) -> Vec<(u32, f32)> {
        let mut counts: HashMap<(Block, u32), f32> = HashMap::new();
        self.cut(text, &mut |block, term| {
            if let Ok(column) = self.known.binary_search(&term) {
                *counts.entry((block, column as u32)).or_default() += 1.0;
            }
        });
        let mut row = Vec::with_capacity(counts.len());
        let scales = [
            (Block::Words, self.words_scale),
            (Block::Letters, self.letters_scale),
            (Block::HeadingWords, self.heading_words_scale),
            (Block::HeadingLetters, self.heading_letters_scale),
        ];
        for (kind, scale) in scales {
            let own = counts.iter().filter(|((block, _), _)| *block == kind);
            let weigh = |((_, column), n): (&(Block, u32), &f32)| {
                (*column, (1.0 + n.ln()) * self.rarity[*column as usize])
            };
            let mut own: Vec<(u32, f32)> = own.map(weigh).collect();
            own.sort_unstable_by_key(|(column, _)| *column);
            let length = own.iter().map(|(_, w)| w * w).sum::<f32>().sqrt();
            if length > 0.0 {
                row.extend(
                    own.into_iter()
                        .map(|(column, w)| (column, w * scale / length)),
                );
            }
        }
        row.sort_unstable_by_key(|(column, _)| *column);
        row
    }

    fn cut(&self, text: &str, sink: &mut impl FnMut(Block, u32)) {
        let lower = text.to_lowercase();
        let letters = self.letters.then_some(Block::Letters);
        self.cut_part(&lower, (Some(Block::Words), letters), sink);
        let words = (self.heading_words_scale > 0.0).then_some(Block::HeadingWords);
        let letters = (self.heading_letters_scale > 0.0).then_some(Block::HeadingLetters);
        if words.is_some() || letters.is_some() {
            let mut sink = |block, term| sink(block, term ^ HEADING);
            self.cut_part(heading(&lower), (words, letters), &mut sink);
        }
    }

    /// Cuts words, and pairs of them, and character n-grams, where there is a block for them.
    fn cut_part(
        &self,
        lower: &str,
        (words, letters): (Option<Block>, Option<Block>),
        sink: &mut impl FnMut(Block, u32),
    ) {
        let mut before = START;
        let all = lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        for word in all.take(MAX_WORDS) {
            let own = hash(START, word.bytes());
            if let Some(block) = words {
                sink(block, fold(own));
                if self.pairs {
                    sink(block, fold(pair(before, own)));
                }
            }
            if let Some(block) = letters {
                char_ngrams(word, 3..=5, &mut |term| sink(block, term));
            }
            before = own;
        }
        if let Some(block) = words.filter(|_| self.pairs && before != START) {
            sink(block, fold(pair(before, START)));
        }
    }

    /// Whether columns and weights are of one length: an artifact can be anything.
    pub(super) fn is_sound(&self) -> bool {
        let scales = [
            self.words_scale,
            self.letters_scale,
            self.heading_words_scale,
            self.heading_letters_scale,
        ];
        let mut numbers = scales.iter().chain(&self.rarity);
        self.known.len() == self.rarity.len()
            && self.known.is_sorted()
            && numbers.all(|number| number.is_finite())
    }
}

/// Hashes of the word's character n-grams of these lengths, with its ends marked.
pub(super) fn char_ngrams(word: &str, lengths: RangeInclusive<usize>, sink: &mut impl FnMut(u32)) {
    let marked: Vec<char> = std::iter::once(' ')
        .chain(word.chars())
        .chain([' '])
        .collect();
    for length in lengths {
        for run in marked.windows(length) {
            let mut buffer = [0; 4];
            let seed = START ^ 0x9e37_79b9_7f4a_7c15;
            let end = run
                .iter()
                .fold(seed, |h, c| hash(h, c.encode_utf8(&mut buffer).bytes()));
            sink(fold(end));
        }
    }
}

/// Keeps the terms of a heading apart from those of the whole text.
const HEADING: u32 = 0x85eb_ca6b;

const START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: see [`crate::text::tokens`].
fn hash(from: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(from, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn pair(first: u64, second: u64) -> u64 {
    hash(
        first.rotate_left(17) ^ 0x5bd1_e995,
        second.to_le_bytes().into_iter(),
    )
}

fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: TermRecipe = TermRecipe {
        pairs: true,
        letters: true,
        min_texts: 1,
        words_scale: 2.0,
        letters_scale: 1.0,
        heading_words_scale: 0.0,
        heading_letters_scale: 0.0,
    };

    #[test]
    fn blocks_have_their_length_and_order_counts() {
        let texts = ["when is it due", "is it due when", "who knows"];
        let terms = Terms::fit(&RECIPE, texts.into_iter(), 1_000);
        let length: f32 = terms.row(texts[0]).iter().map(|(_, w)| w * w).sum();
        assert!((length - 5.0).abs() < 1e-4, "2² and 1²: {length}");
        assert_ne!(
            terms.row(texts[0]),
            terms.row(texts[1]),
            "pairs know the order"
        );
        assert!(terms.row("§§§ zzz").is_empty());
        assert!(terms.is_sound());
    }

    #[test]
    fn a_heading_counts_by_itself() {
        let recipe = TermRecipe {
            letters: false,
            heading_words_scale: 1.0,
            heading_letters_scale: 3.0,
            ..RECIPE
        };
        let texts = ["river\n\nby the river", "by the river"];
        let terms = Terms::fit(&recipe, texts.into_iter(), 1_000);
        let length = |text: &str| -> f32 { terms.row(text).iter().map(|(_, w)| w * w).sum() };
        let (with, without) = (length(texts[0]), length(texts[1]));
        assert!((with - 14.0).abs() < 1e-4, "2², 1² and 3²: {with}");
        assert!((without - 4.0).abs() < 1e-4, "2²: {without}");
        assert!(length("rivers\n§") > 0.0, "by the letters that it shares");
    }

    #[test]
    fn rare_terms_go_first() {
        let texts = ["a b", "a c", "a b"];
        let recipe = TermRecipe {
            pairs: false,
            letters: false,
            ..RECIPE
        };
        let terms = Terms::fit(&recipe, texts.into_iter(), 2);
        assert_eq!(terms.width(), 2);
        assert!(terms.row("c").is_empty() && !terms.row("b").is_empty());
    }
}
