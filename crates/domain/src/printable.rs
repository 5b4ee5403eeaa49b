//! Names that tenants give: what of a text is printable, and its one spelling.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use crate::{IdError, NAME_MAX_BYTES};

/// A label or an area as it is kept: in NFC, line breaks and tabs as blanks, without marks that cannot be
/// seen (joiners inside words stay: some scripts need them), trimmed.
#[must_use]
pub fn clean_name(text: &str) -> String {
    let blank =
        |c: char| c.is_whitespace() && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    let mut clean = String::with_capacity(text.len());
    for c in nfc(text).chars() {
        match c {
            _ if blank(c) && clean.ends_with(' ') => {}
            _ if blank(c) => clean.push(' '),
            '\u{200C}' | '\u{200D}' => clean.push(c),
            _ if c.general_category() == GeneralCategory::Format => {}
            _ => clean.push(c),
        }
    }
    trim(&clean).to_owned()
}

/// Checks a cleaned label or area.
///
/// # Errors
/// What is wrong with it and what to do, to be read after the name of its field.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.len() > NAME_MAX_BYTES {
        let found = name.len();
        return Err(format!(
            "has {found} bytes in UTF-8, more than the {NAME_MAX_BYTES} that are kept; shorten it"
        ));
    }
    let joiner = |c: char| matches!(c, '\u{200C}' | '\u{200D}');
    match name.chars().find(|c| !is_printable(*c) && !joiner(*c)) {
        Some(found) => Err(format!(
            "has U+{:04X}, which cannot be seen in print; remove it",
            u32::from(found)
        )),
        None => Ok(()),
    }
}

/// The text without what looks the same: the letters' case, their width and other forms of the same
/// letters (NFKC), and marks that cannot be seen.
#[must_use]
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Through upper case, so that `ß` is `ss`.
    let upper: String = text.nfkc().flat_map(char::to_uppercase).collect();
    upper
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| c.general_category() != GeneralCategory::Format)
        .nfkc()
        .collect()
}

/// The identifier that a tenant means by `text`.
pub(crate) fn id(text: String, what: &'static str) -> Result<String, IdError> {
    let text = match (trim(&text), nfc(trim(&text))) {
        (trimmed, Cow::Borrowed(_)) if trimmed.len() == text.len() => text,
        (_, normal) => normal.into_owned(),
    };
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > NAME_MAX_BYTES {
        return Err(IdError::TooManyBytes {
            what,
            max: NAME_MAX_BYTES,
            found: text.len(),
        });
    }
    match text.chars().find(|c| !is_printable(*c)) {
        Some(found) => Err(IdError::Unprintable { what, found }),
        None => Ok(text),
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace() || c.general_category() == GeneralCategory::Format
    })
}

/// The text in NFC.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    match text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfc().collect()),
    }
}

fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Letters and marks by category that show nothing: fillers and joiners of scripts.
    let shows_nothing = matches!(
        c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'
            ..='\u{180F}' | '\u{3164}' | '\u{FFA0}'
    );
    !shows_nothing
        && !matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Surrogate
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cleaned_as_a_person_reads_them() {
        assert_eq!(clean_name(" Zugriff\n(SSO)\u{200b} "), "Zugriff (SSO)");
        assert_eq!(clean_name("Pru\u{308}fung"), "Prüfung");
        assert_eq!(clean_name("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(clean_name("\u{feff} \t"), "");
    }

    #[test]
    fn names_that_cannot_be_kept_say_why() {
        assert_eq!(check_name("Zugriff (SSO)"), Ok(()));
        assert!(
            check_name(&"x".repeat(257))
                .unwrap_err()
                .contains("257 bytes")
        );
        assert!(check_name("a\u{7}b").unwrap_err().contains("U+0007"));
    }

    #[test]
    fn folding_forgets_case_and_width() {
        assert_eq!(folded("Ａ-1"), folded("a-1"));
        assert_eq!(folded("Straße"), folded("STRASSE"));
        assert_ne!(folded("a-1"), folded("a-2"));
    }

    proptest! {
        #[test]
        fn parsing_an_id_again_changes_nothing(text in any::<String>()) {
            if let Ok(once) = id(text, "item id") {
                prop_assert_eq!(id(once.clone(), "item id"), Ok(once));
            }
        }

        #[test]
        fn cleaning_a_name_again_changes_nothing(text in any::<String>()) {
            let once = clean_name(&text);
            prop_assert_eq!(clean_name(&once), once);
        }
    }
}
