//! The vocabulary for searching all items of a tenant, with experts or without.
//!
//! The features of rankers weigh words by the items that experts answered ([`Statistics::query_weights`]),
//! because those are what rankers were fitted on. Who searches wants every item, so here words weigh by all
//! of them, and a question's compounds are found in their parts, and its parts in compounds, as far as the
//! tenant writes them.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::io;

use super::corpus::Corpus;
use super::statistics::Statistics;
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter, Texts};
use crate::text::{Numbers, tokens};

/// What a word that the text does not have, but a compound or part of it, weighs beside its own weight.
const RELATED: f32 = 0.5;
/// Parts of compounds have at least so many characters.
const PART: usize = 4;
/// Compounds that one word of a text may be found in.
const MOST_COMPOUNDS: usize = 8;
/// Compounds that are remembered; a tenant's vocabulary beyond is cut.
const MOST_WORDS: usize = 50_000;

/// The words of all items of a tenant. Items with experts are counted by the corpus already; the rest is
/// counted here.
#[derive(Debug, Clone, Default)]
pub struct SearchWords {
    /// Items without experts.
    others: usize,
    /// Of them, those that have a word, in a snapshot: words, ascending, and how many.
    words: Column<u32>,
    counts: Column<u32>,
    /// Those since.
    frequencies: HashMap<u32, u32, BuildHasherDefault<Numbers>>,
    /// Long words of all items, in a snapshot, ascending.
    known_long: Texts,
    /// Those since.
    long: BTreeSet<String>,
}

impl SearchWords {
    /// Of the texts of all items, each with whether it is in the corpus.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let mut made = Self::default();
        for (text, in_corpus) in texts {
            made.push(text, in_corpus);
        }
        made
    }

    /// Adds the text of an item, with whether it is in the corpus.
    pub fn push(&mut self, text: &str, in_corpus: bool) {
        if !in_corpus {
            self.others += 1;
            for (word, _) in tokens::count(text) {
                *self.frequencies.entry(word).or_default() += 1;
            }
        }
        if self.known_long.len() + self.long.len() < MOST_WORDS {
            for word in long_words(text) {
                if !self.is_long(&word) {
                    self.long.insert(word);
                }
            }
        }
    }

    /// The query that finds the items sharing words with a text: each word with its inverse document
    /// frequency over all items, and, weighing less, compounds of the tenant's that a word is a part of,
    /// parts of a compound, and two words written as one. Unknown words are left out.
    #[must_use]
    pub fn query(
        &self,
        corpus: &Corpus,
        statistics: &Statistics,
        text: &str,
    ) -> (Vec<u32>, Vec<f32>) {
        let known = Known {
            words: self,
            corpus,
            statistics,
        };
        let mut found: HashMap<u32, f32> = HashMap::new();
        let mut own = Vec::new();
        tokens::cut(text, &mut |word| own.push(word.to_owned()));
        for word in &own {
            if let Some(weight) = known.weight(word) {
                found.insert(tokens::number(word), weight);
            }
        }
        let mut related = Vec::new();
        for pair in own.windows(2) {
            related.push(pair.concat());
        }
        let mut seen = BTreeSet::new();
        for word in own.iter().filter(|word| seen.insert(word.as_str())) {
            related.extend(self.compounds_with(word));
            related.extend(known.parts_of(word));
        }
        for word in related {
            if let Some(weight) = known.weight(&word) {
                found
                    .entry(tokens::number(&word))
                    .or_insert(RELATED * weight);
            }
        }
        let mut found: Vec<(u32, f32)> = found.into_iter().collect();
        found.sort_unstable_by_key(|(word, _)| *word);
        found.into_iter().unzip()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let long: usize = self.long.iter().map(|word| word.len() + 40).sum();
        self.frequencies.len() * 16 + long
    }

    /// Writes it.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.others as u64])?;
        let since = self.frequencies.keys().copied();
        let mut words: Vec<u32> = self.words.iter().chain(since).collect();
        words.sort_unstable();
        words.dedup();
        let counts: Vec<u32> = words.iter().map(|word| self.frequency(*word)).collect();
        to.values(&words)?;
        to.values(&counts)?;
        let mut long: Vec<&str> = self.all_long().collect();
        long.sort_unstable();
        long.into_iter().collect::<Texts>().save(to)
    }

    /// Reads what was written, where it lies.
    ///
    /// # Errors
    /// Sections are not those that are written.
    pub fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        let [others] = Column::<u64>::load_array(from)?;
        Ok(Self {
            others: others as usize,
            words: Column::load(from)?,
            counts: Column::load(from)?,
            frequencies: HashMap::default(),
            known_long: Texts::load(from)?,
            long: BTreeSet::new(),
        })
    }

    /// How many items without experts have a word.
    fn frequency(&self, word: u32) -> u32 {
        let known = self.words.as_slice().binary_search(&word);
        let known = known.map_or(0, |at| self.counts.at(at));
        known + self.frequencies.get(&word).copied().unwrap_or_default()
    }

    /// The long words, each once.
    fn all_long(&self) -> impl Iterator<Item = &str> {
        let since = self.long.iter().map(String::as_str);
        self.known_long.iter().chain(since)
    }

    /// Whether a long word lies in the snapshot.
    fn is_long(&self, word: &str) -> bool {
        let (mut from, mut to) = (0, self.known_long.len());
        while from < to {
            let middle = from.midpoint(to);
            match self.known_long.at(middle).cmp(word) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return true,
            }
        }
        false
    }

    /// The shortest long words that begin or end with the word.
    fn compounds_with(&self, word: &str) -> Vec<String> {
        let letters = word.chars().count();
        if letters < PART || !word.chars().all(char::is_alphabetic) {
            return Vec::new();
        }
        let in_it = |long: &&str| {
            let rest = long.strip_prefix(word).or_else(|| long.strip_suffix(word));
            rest.is_some_and(|rest| rest.chars().count() >= PART)
        };
        let mut found: Vec<&str> = self.all_long().filter(in_it).collect();
        found.sort_unstable_by_key(|long| (long.len(), *long));
        found.truncate(MOST_COMPOUNDS);
        found.into_iter().map(str::to_owned).collect()
    }
}

/// Word statistics of all items.
struct Known<'a> {
    words: &'a SearchWords,
    corpus: &'a Corpus,
    statistics: &'a Statistics,
}

impl Known<'_> {
    /// The inverse document frequency of a word; none for an unknown one.
    fn weight(&self, word: &str) -> Option<f32> {
        let number = tokens::number(word);
        let items = self.statistics.items();
        let others = self.words.frequency(number) as usize;
        let answered = self.corpus.words().before(number, items).len();
        match answered + others {
            0 => None,
            df => Some(tokens::inverse_document_frequency(
                items + self.words.others,
                df,
            )),
        }
    }

    /// The two parts of a compound that the tenant writes apart, those of the most even length, without an
    /// `s` between them.
    fn parts_of(&self, word: &str) -> Vec<String> {
        if !word.chars().all(char::is_alphabetic) {
            return Vec::new();
        }
        let letters = word.chars().count();
        let ends = word.char_indices().map(|(at, _)| at).enumerate();
        let inside = ends.filter(|(place, _)| *place >= PART && letters - place >= PART);
        let mut best: Option<(usize, [&str; 2])> = None;
        for (place, at) in inside {
            let (first, second) = word.split_at(at);
            let bare = first
                .strip_suffix('s')
                .filter(|bare| bare.chars().count() >= PART);
            let mut firsts = std::iter::once(first).chain(bare);
            let Some(first) = firsts.find(|first| self.weight(first).is_some()) else {
                continue;
            };
            let even = place.min(letters - place);
            if self.weight(second).is_some() && best.is_none_or(|(most, _)| even > most) {
                best = Some((even, [first, second]));
            }
        }
        best.map_or_else(Vec::new, |(_, parts)| parts.map(str::to_owned).into())
    }
}

/// The long words of a text, as [`tokens::cut`] has them: runs of letters without a change of case.
fn long_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for run in tokens::folded(text).split(|c: char| !c.is_alphabetic()) {
        // Bytes are no fewer than letters: a cheap look first.
        if run.len() < 2 * PART || run.chars().skip(1).any(char::is_uppercase) {
            continue;
        }
        let lower = run.to_lowercase();
        if lower.chars().count() >= 2 * PART {
            found.push(lower);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items that a text finds among texts without experts, best first.
    fn search(texts: &[&str], asked: &str) -> Vec<(usize, f32)> {
        let corpus = Corpus::default();
        let statistics = Statistics::as_of(&corpus, 0);
        let words = SearchWords::new(texts.iter().map(|text| (*text, false)));
        let (numbers, weights) = words.query(&corpus, &statistics, asked);
        let mut found: Vec<(usize, f32)> = texts
            .iter()
            .map(|text| tokens::document_weights(&tokens::count(text)))
            .map(|own| {
                let has = |number: &u32| own.iter().find(|(word, _)| word == number);
                let both = numbers.iter().zip(&weights);
                both.filter_map(|(number, weight)| Some(weight * has(number)?.1))
                    .sum()
            })
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    #[test]
    fn words_of_items_without_experts_count() {
        let machines: Vec<String> = (0..60)
            .map(|at| {
                format!(
                    "Pump {at}: the seal of stand {at} is worn, order part QX{}",
                    9_000 + at
                )
            })
            .collect();
        let texts: Vec<&str> = machines.iter().map(String::as_str).collect();
        assert_eq!(search(&texts, "stand 41")[0].0, 41);
        assert_eq!(search(&texts, "QX9017")[0].0, 17);
        assert_eq!(search(&texts, "qx 9017")[0].0, 17);
        assert_eq!(search(&texts, "the seal").len(), 60);
        assert!(search(&texts, "propeller").is_empty());
    }

    #[test]
    fn compounds_and_their_parts_find_each_other() {
        let texts = [
            "Unser Datenschutzbeauftragter heißt Meier",
            "Der Beauftragte für Datenschutz kommt",
            "Kaffee und Kuchen",
            "A ZeroTrust network",
            "The zero-trust policy",
            "zerotrust everywhere",
        ];
        let found = |asked: &str| -> Vec<usize> {
            let mut all: Vec<usize> = search(&texts, asked).into_iter().map(|one| one.0).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(found("Datenschutz"), [0, 1]);
        assert_eq!(
            search(&texts, "Datenschutz")[0].0,
            1,
            "the very word comes first"
        );
        assert_eq!(
            found("Vertrauensdatenschutz"),
            [] as [usize; 0],
            "one known part is not enough"
        );
        for asked in ["Zero Trust", "zero-trust", "ZeroTrust", "zerotrust"] {
            assert_eq!(found(asked), [3, 4, 5], "{asked}");
        }
        assert_eq!(found("Datenschutz-Beauftragte"), [0, 1]);
        assert_eq!(found("Kaffeekuchen"), [2]);
    }

    #[test]
    fn scripts_without_blanks_are_found_inside_a_sentence() {
        let texts = [
            "お客様のデータは暗号化されますか",
            "休日の営業時間を教えてください",
        ];
        assert_eq!(search(&texts, "データの暗号化")[0].0, 0);
        assert_eq!(search(&texts, "営業時間")[0].0, 1);
        let texts = ["Zu\u{308}rich office", "Genève office"];
        assert_eq!(search(&texts, "Zürich")[0].0, 0);
        assert_eq!(search(&texts, "geneve")[0].0, 1);
    }

    #[test]
    fn items_with_experts_are_counted_by_the_corpus() {
        let words = SearchWords::new([("Where is the boiler?", true), ("a boiler", false)]);
        assert_eq!(words.others, 1);
        assert_eq!(words.frequencies.get(&tokens::number("boiler")), Some(&1));
        assert!(words.bytes() > 0);
    }
}
