//! How a text is written: its punctuation, its pairs of words, and the tag it begins with.
//!
//! Words say what a text is about; this says who works with such texts. Teams have habits: a change
//! that begins with `net/mlx5:`, a questionnaire that numbers its questions, a department that
//! writes in capitals. Stop words and punctuation, which [`crate::text::tokens`] drops, are kept here.

use std::collections::HashSet;

use super::tokens::number;

/// Longer tokens are cut.
const TOKEN_CHARS: usize = 20;
/// What a tag may hold, and its length in characters.
const TAG_CHARS: std::ops::RangeInclusive<usize> = 2..=40;

/// How one text is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Its distinct tokens (case, punctuation and line breaks kept) and pairs of neighbouring words,
    /// as numbers, ascending.
    pub tokens: Vec<u32>,
    /// What it begins with, coarse and fine: the tag before the first line's colon, cut at its first
    /// slash or comma; and the first word of the first line, slashes and dots included.
    pub opening: [Option<u32>; 2],
}

/// Reads how a text is written.
#[must_use]
pub fn read(text: &str) -> Style {
    let mut numbers = HashSet::new();
    let mut before: Option<String> = None;
    for token in tokens(text) {
        let cut: String = token.chars().take(TOKEN_CHARS).collect();
        numbers.insert(number(&format!("t:{cut}")));
        if token.starts_with(is_word) {
            let lower = token.to_lowercase();
            if let Some(before) = before {
                numbers.insert(number(&format!("p:{before} {lower}")));
            }
            before = Some(lower);
        }
    }
    let mut tokens: Vec<u32> = numbers.into_iter().collect();
    tokens.sort_unstable();
    let line = text.split('\n').next().unwrap_or_default();
    Style {
        tokens,
        opening: [tag(line), first_word(line)],
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Runs of word characters, of punctuation, and of line breaks; other spaces separate.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    #[derive(PartialEq)]
    enum Kind {
        Word,
        Break,
        Space,
        Mark,
    }
    let kind = |c: char| match c {
        '\n' => Kind::Break,
        c if is_word(c) => Kind::Word,
        c if c.is_whitespace() => Kind::Space,
        _ => Kind::Mark,
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = kind(rest.chars().next()?);
            let end = rest.find(|c| kind(c) != first).unwrap_or(rest.len());
            let (token, after) = rest.split_at(end);
            rest = after;
            if first != Kind::Space {
                return Some(token);
            }
        }
    })
}

/// The tag before the first colon: `net/mlx5: fix` gives `net`, `[Docs] Setup:` nothing.
fn tag(line: &str) -> Option<u32> {
    let (before, _) = line.split_once(':')?;
    let tag = before.trim();
    let tag = tag.strip_prefix('[').unwrap_or(tag);
    let tag = tag.strip_suffix(']').unwrap_or(tag);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_./-, ".contains(c);
    if !TAG_CHARS.contains(&tag.chars().count()) || !tag.chars().all(allowed) {
        return None;
    }
    let coarse = tag.trim().split(['/', ',']).next()?.trim();
    (!coarse.is_empty()).then(|| number(&coarse.to_lowercase()))
}

fn first_word(line: &str) -> Option<u32> {
    let lower = line.to_lowercase();
    let inside = |c: char| c.is_ascii_alphanumeric() || "_/.-'".contains(c);
    let start = lower.find(inside)?;
    let word = &lower[start..];
    let end = word.find(|c| !inside(c)).unwrap_or(word.len());
    Some(number(&word[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_what_words_drop() {
        let all: Vec<_> = tokens("Hi, you: a_b\n\n(ÜBER)  x").collect();
        assert_eq!(
            all,
            ["Hi", ",", "you", ":", "a_b", "\n\n", "(", "ÜBER", ")", "x"]
        );
        assert!(tokens(" \t ").next().is_none());
    }

    #[test]
    fn the_opening_is_read_coarse_and_fine() {
        let opening = |text: &str| read(text).opening;
        let named = |word: &str| Some(number(word));
        assert_eq!(
            opening("net/mlx5: fix it\nx: y"),
            [named("net"), named("net/mlx5")]
        );
        assert_eq!(opening("[Docs]: more"), [named("docs"), named("docs")]);
        assert_eq!(opening("Who pays? Say: us"), [None, named("who")]);
        assert_eq!(opening("a: b"), [None, named("a")]);
        assert_eq!(opening("…"), [None, None]);
        assert_eq!(opening(""), [None, None]);
    }

    #[test]
    fn case_and_order_count_here() {
        assert_ne!(read("Encrypt data").tokens, read("encrypt data").tokens);
        assert_ne!(read("alpha beta").tokens, read("beta alpha").tokens);
        assert_eq!(read("alpha beta"), read("alpha beta"));
    }
}
