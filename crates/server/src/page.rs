//! Page tokens: the key of the last entry of a page, written so that callers do not read it.

use std::str::FromStr;

use crate::ServiceError;

/// The position that a page token stands for; none for the first page.
///
/// # Errors
/// When the token was not made by [`next_page`].
pub fn parse_page_token<T: FromStr>(token: &str) -> Result<Option<T>, ServiceError> {
    if token.is_empty() {
        return Ok(None);
    }
    decode(token)
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| ServiceError::invalid("page_token", "is not a token that a list returned"))
}

/// The token of the page after one that was asked to hold `limit` entries and ends with `last`.
#[must_use]
pub fn next_page(found: usize, limit: u32, last: Option<String>) -> String {
    match last {
        Some(last) if found >= limit as usize => encode(&last),
        _ => String::new(),
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(token: &str) -> Option<String> {
    if !token.is_ascii() || !token.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_the_last_page_has_none() {
        let token = next_page(2, 2, Some("q-17".to_owned()));
        assert_eq!(
            parse_page_token::<String>(&token).unwrap().as_deref(),
            Some("q-17")
        );
        assert_eq!(next_page(1, 2, Some("q-17".to_owned())), "");
        assert!(parse_page_token::<String>("").unwrap().is_none());
    }

    #[test]
    fn made_up_tokens_are_refused() {
        for token in ["x", "zz", "éé", "f", "ff"] {
            assert!(parse_page_token::<u64>(token).is_err(), "{token}");
        }
    }
}
