//! Why a file cannot be read at all, and what is wrong with one row.

use std::path::Path;

use domain::{RejectionReason, RowIssue};

use crate::source::MAX_LINE_BYTES;

/// Why a file cannot be read at all: a sentence with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

impl FileError {
    /// An error that says `message`.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The file cannot be opened or read.
    #[must_use]
    pub fn open(path: &Path, error: &std::io::Error) -> Self {
        Self(format!("{} cannot be read: {error}", path.display()))
    }
}

/// The issue of a row that is longer than any row may be.
pub(crate) fn oversized(length: u64) -> RowIssue {
    unreadable(format!(
        "the row has {length} bytes and at most {MAX_LINE_BYTES} are read; shorten its text or split it"
    ))
}

/// The issue of a row that cannot be read.
pub(crate) fn unreadable(message: impl Into<String>) -> RowIssue {
    RowIssue {
        reason: RejectionReason::Unreadable,
        field: String::new(),
        message: message.into(),
    }
}

/// The issue of bytes that are not in the encoding that the rest of the file is in.
pub(crate) fn bad_utf8(bytes: &[u8], error: std::str::Utf8Error) -> RowIssue {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or_default();
    unreadable(format!(
        "byte {} of the row (0x{byte:02X}) is not UTF-8, which the rest of the file is taken for; \
         save the file as UTF-8, or name the encoding of all of it with --encoding, for example \
         windows-1252",
        at + 1
    ))
}
