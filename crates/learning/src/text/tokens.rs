//! Words: how text is cut, and what a word weighs (BM25).
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with
//! one change: the length of a text is measured against a fixed length, not against the tenant's
//! mean, so that what was indexed once stays right while the tenant's content grows. The inverse
//! document frequency is the tenant's own and is multiplied into the query: no tenant's words weigh
//! differently because of another's.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Saturation of a word's repeats.
const K1: f32 = 1.2;
/// How much a long text is discounted.
const B: f32 = 0.75;
/// The length, in words, that counts as neither long nor short.
const REFERENCE_LENGTH: f32 = 60.0;
/// Words of the first line count this often: it says what a text is about.
const TITLE_BOOST: f32 = 2.0;

/// Words too common in English to tell anything.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "for", "from",
    "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no",
    "not", "of", "on", "or", "so", "some", "such", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "to", "was", "we", "were", "what", "when", "where", "which",
    "who", "will", "with", "you", "your",
];

/// The words of a text with how often each occurs, by the word's number, ascending.
///
/// A number is a hash of the word: 32 bits over some ten thousand words of a tenant collide rarely,
/// and a collision costs no more than one word's meaning.
#[must_use]
pub fn count(text: &str) -> Vec<(u32, f32)> {
    let mut counts: HashMap<u32, f32> = HashMap::new();
    let title_end = text.find('\n');
    let (title, rest) = text.split_at(title_end.unwrap_or(0));
    let boost = if title.is_empty() { 1.0 } else { TITLE_BOOST };
    for (part, weight) in [(title, boost), (rest, 1.0)] {
        cut(part, &mut |word| {
            *counts.entry(number(word)).or_default() += weight;
        });
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|(word, _)| *word);
    counts
}

/// What each word of a text weighs in the index, by [`count`]'s numbers.
#[must_use]
pub fn document_weights(counts: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let length: f32 = counts.iter().map(|(_, n)| n).sum();
    let norm = K1 * (1.0 - B + B * length / REFERENCE_LENGTH);
    counts
        .iter()
        .map(|&(word, n)| (word, n * (K1 + 1.0) / (n + norm)))
        .collect()
}

/// The inverse document frequency of a word that `df` of `n` texts have.
#[must_use]
pub fn inverse_document_frequency(n: usize, df: usize) -> f32 {
    let (n, df) = (n as f32, df as f32);
    (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
}

/// Calls `sink` with each word: runs of letters and digits, lower-cased, cut at underscores and at
/// changes of case (`LogCleanerTest` gives `log`, `cleaner`, `test` and `logcleanertest`), without
/// the words that say nothing. Scripts that put no blanks between words give their pairs of neighbouring
/// characters (`暗号化` gives `暗号` and `号化`).
pub(crate) fn cut(text: &str, sink: &mut impl FnMut(&str)) {
    let mut parts: Vec<String> = Vec::new();
    let mut emit = |word: &str| {
        if !STOP.contains(&word) {
            sink(word);
        }
    };
    let text = folded(text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || is_combining_mark(c);
    for run in text.split(|c: char| !is_word(c)) {
        for run in by_script(run) {
            if run.starts_with(is_unspaced) {
                pairs(run, &mut emit);
                continue;
            }
            parts.clear();
            for piece in run.split('_').filter(|piece| !piece.is_empty()) {
                split_case(piece, &mut parts);
            }
            parts.iter().for_each(|part| emit(part));
            if parts.len() > 1 {
                emit(&parts.concat());
            }
        }
    }
}

/// The text as words are compared in it: composed, of one width (`ＺＸ４７` is `ZX47`), without the accents
/// of Latin, Greek and Cyrillic letters, as the embedding model's tokenizer has it, and with `ss` for `ß`.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let plain: String = text.nfkd().filter(|c| !is_accent(c)).nfc().collect();
    Cow::Owned(plain.replace('ß', "ss"))
}

/// Whether the character is of a script that puts no blanks between words: Han, Kana, Thai, Lao, Khmer,
/// Burmese.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}')
}

/// A run cut where scripts without blanks begin and end.
fn by_script(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let own = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| is_unspaced(c) != own).unwrap_or(rest.len());
        let (run, others) = rest.split_at(end);
        rest = others;
        Some(run)
    })
}

/// Each pair of neighbouring characters; a character that stands alone is a word.
fn pairs(run: &str, emit: &mut impl FnMut(&str)) {
    let starts: Vec<usize> = run
        .char_indices()
        .map(|(at, _)| at)
        .chain([run.len()])
        .collect();
    match starts.len() {
        0..=2 => emit(run),
        _ => starts
            .windows(3)
            .for_each(|ends| emit(&run[ends[0]..ends[2]])),
    }
}

/// What a character is for the splitting of words.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Upper,
    Lower,
    Digit,
}

fn kind(c: char) -> Kind {
    if c.is_numeric() {
        Kind::Digit
    } else if c.is_uppercase() {
        Kind::Upper
    } else {
        // Letters without case (other scripts) go on like lower case.
        Kind::Lower
    }
}

fn split_case(piece: &str, parts: &mut Vec<String>) {
    let chars: Vec<char> = piece.chars().collect();
    let mut start = 0;
    for at in 1..=chars.len() {
        if at < chars.len() && !boundary(&chars, at) {
            continue;
        }
        parts.push(
            chars[start..at]
                .iter()
                .flat_map(|c| c.to_lowercase())
                .collect(),
        );
        start = at;
    }
}

/// Whether a word ends before `chars[at]`.
fn boundary(chars: &[char], at: usize) -> bool {
    let (before, here) = (kind(chars[at - 1]), kind(chars[at]));
    match (before, here) {
        (Kind::Digit, Kind::Digit) | (Kind::Lower, Kind::Lower) | (Kind::Upper, Kind::Lower) => {
            false
        }
        // `HTTPServer`: the last capital belongs to the next word.
        (Kind::Upper, Kind::Upper) => chars
            .get(at + 1)
            .is_some_and(|&next| kind(next) == Kind::Lower),
        _ => true,
    }
}

/// FNV-1a (Fowler, Noll, Vo), folded to 32 bits: stable over platforms and versions, as an index
/// that outlives the process needs.
pub(crate) fn number(word: &str) -> u32 {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        cut(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_are_cut_where_people_cut_them() {
        assert_eq!(
            cut_all("Do you encrypt data at rest?"),
            ["encrypt", "data", "rest"]
        );
        assert_eq!(
            cut_all("LogCleanerTest"),
            ["log", "cleaner", "test", "logcleanertest"]
        );
        assert_eq!(
            cut_all("HTTPServer v2"),
            ["http", "server", "httpserver", "v", "2", "v2"]
        );
        assert_eq!(cut_all("snake_case"), ["snake", "case", "snakecase"]);
        assert!(cut_all("— … !").is_empty());
    }

    #[test]
    fn scripts_without_blanks_give_pairs() {
        assert_eq!(
            cut_all("SAMLの暗号化"),
            ["saml", "の暗", "暗号", "号化"],
            "a name in Latin letters stays whole"
        );
        assert_eq!(cut_all("水 ガス"), ["水", "ガス"]);
        assert_eq!(cut_all("ｶﾞｽ"), cut_all("ガス"), "half width");
        let thai = cut_all("การเข้ารหัส");
        assert!(
            thai.contains(&"รห".to_owned()) && thai.len() > 5,
            "{thai:?}"
        );
        assert_eq!(cut_all("हिन्दी में"), ["हिन्दी", "में"], "a mark ends no word");
        assert_eq!(cut_all("보안 정책"), ["보안", "정책"], "Hangul has blanks");
    }

    #[test]
    fn letters_are_compared_without_accents_and_widths() {
        assert_eq!(cut_all("ÜBER Straße"), ["uber", "strasse"]);
        assert_eq!(cut_all("Zu\u{308}rich"), cut_all("Zürich"), "decomposed");
        assert_eq!(cut_all("ＺＸ４７１１"), cut_all("ZX4711"));
        assert_eq!(cut_all("ﬁrewall"), ["firewall"]);
    }

    #[test]
    fn the_title_counts_twice_and_order_does_not_matter() {
        let counts = count("backup policy\nthe backup runs");
        let backup = counts.iter().find(|(w, _)| *w == number("backup")).unwrap();
        assert!((backup.1 - 3.0).abs() < f32::EPSILON);
        assert_eq!(count("alpha beta"), count("beta alpha"));
    }

    #[test]
    fn rare_words_weigh_more_and_long_texts_less() {
        assert!(inverse_document_frequency(1000, 2) > inverse_document_frequency(1000, 500));
        assert!(inverse_document_frequency(10, 10) > 0.0);
        let short = document_weights(&count("encryption"));
        let long = document_weights(&count(&format!(
            "encryption {}",
            "filler word ".repeat(200)
        )));
        let weight = |all: &[(u32, f32)]| {
            all.iter()
                .find(|(w, _)| *w == number("encryption"))
                .unwrap()
                .1
        };
        assert!(weight(&short) > weight(&long));
    }
}
