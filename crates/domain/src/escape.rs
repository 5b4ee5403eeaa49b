//! Ids in resource names: percent-encoded, so that a `/` in an id is never one between two segments.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is escaped: all but the letters, digits and marks that ids have always had, and `~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'+');

/// The id as a segment of a resource name: `A&A-01.1` is `A%26A-01.1`. A point at its beginning is
/// escaped too, so that no id reads as a step in a path.
#[must_use]
pub fn escape_id(id: &str) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a str);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0.strip_prefix('.') {
                Some(rest) => write!(f, "%2E{}", utf8_percent_encode(rest, ESCAPED)),
                None => write!(f, "{}", utf8_percent_encode(self.0, ESCAPED)),
            }
        }
    }
    Escaped(id)
}

/// The id that a segment of a resource name stands for; none where a `%` is not followed by two digits
/// of a byte, or the bytes are no UTF-8.
#[must_use]
pub fn unescape_id(segment: &str) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = segment.as_bytes();
    let broken = (0..bytes.len())
        .filter(|&at| bytes[at] == b'%')
        .any(|at| !is_hex(bytes.get(at + 1)) || !is_hex(bytes.get(at + 2)));
    if broken {
        return None;
    }
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_old_stand_as_they_are() {
        for id in ["q-17", "anna.berg@acme.com", "JIRA:12", "a_b+c"] {
            assert_eq!(escape_id(id).to_string(), id);
        }
        for (id, escaped) in [
            ("A&A-01.1", "A%26A-01.1"),
            ("a/b", "a%2Fb"),
            ("..", "%2E."),
            ("100 %", "100%20%25"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(escape_id(id).to_string(), escaped);
        }
    }

    #[test]
    fn broken_escapes_are_no_ids() {
        for segment in ["100%", "%4", "%zz", "%ff"] {
            assert_eq!(unescape_id(segment), None, "{segment}");
        }
        assert_eq!(unescape_id("Prüfung 3").as_deref(), Some("Prüfung 3"));
        assert_eq!(unescape_id("a%2fb").as_deref(), Some("a/b"));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(id in any::<String>()) {
            let escaped = escape_id(&id).to_string();
            prop_assert!(!escaped.contains('/') && escaped.is_ascii() && !escaped.starts_with('.'));
            prop_assert_eq!(unescape_id(&escaped), Some(id));
        }
    }
}
