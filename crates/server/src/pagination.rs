//! Pages of lists: how they end, and the token of the next one. It is the key of the last entry of a
//! page, written so that callers do not read it.

use std::str::FromStr;

use domain::ErrorKind;
use prost::Message;

use crate::{MAX_MESSAGE_BYTES, ServiceError};

/// The position that a page token stands for; none for the first page.
///
/// # Errors
/// When the token was not made by a [`Page`].
pub fn parse_page_token<T: FromStr>(token: &str) -> Result<Option<T>, ServiceError> {
    if token.is_empty() {
        return Ok(None);
    }
    decode(token)
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| ServiceError::invalid("page_token", "is not a token that a list returned"))
}

/// The most bytes of the entries of one answer. With what stands beside them it stays below
/// [`MAX_MESSAGE_BYTES`], which every client takes.
pub const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The token of the page after it; empty when this is the last one.
    pub next_page_token: String,
}

/// A page while it is filled: it ends by the number of its entries or by their bytes.
#[derive(Debug)]
pub struct PageBuilder<T> {
    entries: Vec<T>,
    bytes: usize,
    limit: u32,
    last: Option<String>,
    full: bool,
}

impl<T: Message> PageBuilder<T> {
    /// An empty page of at most `limit` entries and [`PAGE_BYTES`].
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
            limit,
            last: None,
            full: limit == 0,
        }
    }

    /// How many rows to read next, `most` at a time; none when the page is full.
    #[must_use]
    pub fn room(&self, most: u32) -> Option<u32> {
        let found = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let room = self.limit.saturating_sub(found).min(most);
        (!self.full && room > 0).then_some(room)
    }

    /// Adds an entry, whose key the token of the next page is made from, and returns whether there was
    /// room for it. The first entry always has room: one that is too large for a page has its own.
    pub fn push(&mut self, key: String, entry: T) -> bool {
        let bytes = encoded_bytes(&entry);
        let too_large = !self.entries.is_empty() && self.bytes + bytes > PAGE_BYTES;
        if self.full || too_large {
            self.full = true;
            return false;
        }
        self.bytes += bytes;
        self.entries.push(entry);
        self.last = Some(key);
        self.full = self.entries.len() >= self.limit as usize;
        true
    }

    /// The page, after all rows that there are, or as many as it has room for.
    #[must_use]
    pub fn finish(self) -> Page<T> {
        let last = self.last.filter(|_| self.full);
        Page {
            entries: self.entries,
            next_page_token: last.map_or_else(String::new, |last| encode(&last)),
        }
    }
}

/// The page of rows that were read with `limit`. `entry` gives the key of a row and what is sent of it.
pub fn page<R, T: Message>(
    rows: impl IntoIterator<Item = R>,
    limit: u32,
    mut entry: impl FnMut(R) -> (String, T),
) -> Page<T> {
    let mut page = PageBuilder::new(limit);
    for row in rows {
        let (key, entry) = entry(row);
        if !page.push(key, entry) {
            break;
        }
    }
    page.finish()
}

/// As many entries from the first on as one answer holds, for lists without pages.
#[must_use]
pub fn fitting<T: Message>(mut entries: Vec<T>) -> Vec<T> {
    let mut bytes = 0;
    let fits = |entry: &&T| {
        bytes += encoded_bytes(*entry);
        bytes <= PAGE_BYTES
    };
    let count = entries.iter().take_while(fits).count();
    entries.truncate(count.max(1));
    entries
}

/// The answer, if a client takes it.
///
/// # Errors
/// `ANSWER_TOO_LARGE` with the `remedy`, which reads on from "… bytes;".
pub fn sendable<T: Message>(answer: T, remedy: &str) -> Result<T, ServiceError> {
    let bytes = answer.encoded_len();
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(answer);
    }
    let message = format!(
        "the answer has {bytes} bytes, and clients take {MAX_MESSAGE_BYTES} bytes; {remedy}"
    );
    Err(ServiceError::new(
        ErrorKind::FailedPrecondition,
        "ANSWER_TOO_LARGE",
        message,
    ))
}

/// The bytes of an entry with its tag and its length, which have at most six.
fn encoded_bytes(entry: &impl Message) -> usize {
    entry.encoded_len() + 6
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

    /// An entry of about so many bytes.
    fn entry(bytes: usize) -> api::v1::Item {
        api::v1::Item {
            text: "x".repeat(bytes),
            ..Default::default()
        }
    }

    fn page_of(sizes: &[usize], limit: u32) -> Page<api::v1::Item> {
        let rows = sizes.iter().enumerate();
        page(rows, limit, |(at, bytes)| (at.to_string(), entry(*bytes)))
    }

    #[test]
    fn a_page_ends_by_entries_and_its_token_is_the_last_one() {
        let two = page_of(&[1, 1], 2);
        assert_eq!(two.entries.len(), 2);
        let last = parse_page_token::<usize>(&two.next_page_token).unwrap();
        assert_eq!(last, Some(1));
        // Fewer than were asked for: there are no more.
        assert_eq!(page_of(&[1, 1], 3).next_page_token, "");
        assert_eq!(page_of(&[], 3).next_page_token, "");
        assert!(parse_page_token::<String>("").unwrap().is_none());
    }

    #[test]
    fn a_page_ends_by_bytes_and_nothing_is_passed_over() {
        const MIB: usize = 1024 * 1024;
        let page = page_of(&[MIB, MIB, MIB, 1], 100);
        assert_eq!(page.entries.len(), 2, "three of them are more than 3 MiB");
        let last = parse_page_token::<usize>(&page.next_page_token).unwrap();
        assert_eq!(last, Some(1));
        let answer = api::v1::ListItemsResponse {
            items: page.entries,
            next_page_token: page.next_page_token,
        };
        assert!(answer.encoded_len() < MAX_MESSAGE_BYTES);
        // One that is too large for a page has its own, and the next one follows.
        let alone = page_of(&[5 * MIB, 1], 100);
        assert_eq!(alone.entries.len(), 1);
        let last = parse_page_token::<usize>(&alone.next_page_token).unwrap();
        assert_eq!(last, Some(0));
    }

    #[test]
    fn rows_are_asked_for_while_there_is_room() {
        let mut page = PageBuilder::new(250);
        assert_eq!(page.room(100), Some(100));
        for at in 0..200 {
            assert!(page.push(at.to_string(), entry(1)));
        }
        assert_eq!(page.room(100), Some(50));
        assert!(page.push("large".to_owned(), entry(PAGE_BYTES / 2)));
        assert!(!page.push("larger".to_owned(), entry(PAGE_BYTES)));
        assert_eq!(page.room(100), None);
    }

    #[test]
    fn lists_without_pages_end_by_bytes() {
        let sizes = [PAGE_BYTES / 2, PAGE_BYTES / 3, PAGE_BYTES / 2];
        assert_eq!(fitting(sizes.map(entry).to_vec()).len(), 2);
        assert_eq!(fitting(vec![entry(2 * PAGE_BYTES), entry(1)]).len(), 1);
        assert!(fitting(Vec::<api::v1::Item>::new()).is_empty());
    }

    #[test]
    fn what_no_client_takes_is_refused_with_a_remedy() {
        assert!(sendable(entry(10), "send less").is_ok());
        let error = sendable(entry(MAX_MESSAGE_BYTES), "ask for less").unwrap_err();
        assert_eq!(error.reason(), "ANSWER_TOO_LARGE");
        assert!(
            error.message().ends_with("; ask for less"),
            "{}",
            error.message()
        );
    }

    #[test]
    fn made_up_tokens_are_refused() {
        for token in ["x", "zz", "éé", "f", "ff"] {
            assert!(parse_page_token::<u64>(token).is_err(), "{token}");
        }
    }
}
