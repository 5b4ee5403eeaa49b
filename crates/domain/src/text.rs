//! What counts as text, and what is made of it before it is stored.

use unicode_normalization::UnicodeNormalization as _;

/// Text as it is stored: NUL, which relational stores cannot hold, becomes U+FFFD; white space at
/// both ends goes.
#[must_use]
pub fn clean_text(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
        .replace('\0', "\u{FFFD}")
}

/// Whether there is anything to read in `text`: a character that is neither white space nor
/// invisible.
#[must_use]
pub fn has_usable_text(text: &str) -> bool {
    text.chars()
        .any(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(c))
}

/// The text with its case folded, letters in one form (NFKC) and everything but letters and digits made
/// one space: two texts with the same normal form say the same.
#[must_use]
pub fn normalized(text: &str) -> String {
    match text.is_ascii() {
        true => words_of(text.chars(), text.len()),
        false => words_of(text.nfkc(), text.len()),
    }
}

fn words_of(text: impl Iterator<Item = char>, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes);
    for c in text {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Zero-width and formatting characters (Unicode categories Cf that appear in pasted text).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_is_not_usable() {
        for text in ["", "   \t\n", "\u{200B}\u{FEFF}\u{2060}", "\u{0}"] {
            assert!(!has_usable_text(text), "{text:?}");
        }
        for text in ["?", "a", "日本", "🙂", "\u{202E}abc"] {
            assert!(has_usable_text(text), "{text:?}");
        }
    }

    #[test]
    fn nul_survives_as_a_visible_mark() {
        assert_eq!(clean_text(" a\0b\n"), "a\u{FFFD}b");
    }

    #[test]
    fn normal_form_ignores_case_and_punctuation() {
        assert_eq!(
            normalized("  Do you  encrypt\ndata? "),
            "do you encrypt data"
        );
        assert_eq!(normalized("…"), "");
        assert_eq!(normalized("Pru\u{308}fung Ａ"), normalized("prüfung a"));
    }
}
