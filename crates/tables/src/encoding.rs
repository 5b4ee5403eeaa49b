//! Which encoding a file of text is in: told by its mark, else guessed from all of its bytes.

use std::io::{self, Read};

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// So much is read at a time.
const CHUNK: usize = 64 << 10;
/// Files with fewer UTF-8 characters than one in so many odd bytes are of another encoding.
const CHANCE: u64 = 20;
/// After so many UTF-8 characters further ones are not counted, as long as nothing else comes.
const ENOUGH: u64 = 10_000;
/// Fewer odd characters than this say too little for a rare encoding: the usual one is taken.
const TELLING: u64 = 40;

/// What was found out of a text's bytes.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The encoding that the file is read in.
    pub encoding: &'static Encoding,
    /// The file says so itself, or has nothing that another encoding would read otherwise.
    pub certain: bool,
    /// Some of it is UTF-8 and some is not: rows that are not are rejected one by one.
    pub mixed: bool,
}

/// Finds the encoding of a whole text.
///
/// `json` says that the text is JSON, which is UTF-8 by its standard (RFC 8259): there, odd bytes are
/// damage and no sign of another encoding.
///
/// # Errors
/// Those of reading.
pub fn find(mut text: impl Read, json: bool) -> io::Result<Found> {
    let mut counts = Counts::default();
    let mut chunk = vec![0; CHUNK];
    // What a chunk ends with may go on in the next one.
    let mut held = 0;
    loop {
        let read = match text.read(&mut chunk[held..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &chunk[..held + read];
        if read == 0 {
            counts.count(bytes, true);
            return Ok(counts.judge(json));
        }
        if counts.bytes == 0
            && let Some(marked) = by_mark(bytes)
        {
            return Ok(marked);
        }
        let whole = bytes.len() - unfinished(bytes);
        counts.count(&bytes[..whole], false);
        let rest = whole..bytes.len();
        held = rest.len();
        chunk.copy_within(rest, 0);
    }
}

/// By a byte-order mark, or by the zeros that UTF-16 has between letters of the Latin alphabet.
fn by_mark(start: &[u8]) -> Option<Found> {
    let certain = |encoding| Found {
        encoding,
        certain: true,
        mixed: false,
    };
    if let Some((encoding, _)) = Encoding::for_bom(start).filter(|(found, _)| *found != UTF_8) {
        return Some(certain(encoding));
    }
    let start = &start[..start.len().min(64) & !1];
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).all(|byte| *byte == 0);
    match (start.len() >= 8, zeros(0), zeros(1)) {
        (true, true, false) => Some(certain(UTF_16BE)),
        (true, false, true) => Some(certain(UTF_16LE)),
        _ => None,
    }
}

/// How many bytes at the end may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let lead = tail.iter().rposition(|byte| *byte >= 0xC0);
    lead.map_or(0, |at| {
        let (length, needed) = (tail.len() - at, tail[at].leading_ones() as usize);
        if length < needed { length } else { 0 }
    })
}

/// Characters beyond ASCII, by what they are.
#[derive(Default)]
struct Counts {
    bytes: usize,
    utf8: u64,
    odd: u64,
    detector: Option<EncodingDetector>,
}

impl Counts {
    fn count(&mut self, bytes: &[u8], last: bool) {
        self.bytes += bytes.len();
        if !bytes.is_ascii() && (self.utf8 < ENOUGH || std::str::from_utf8(bytes).is_err()) {
            for part in bytes.utf8_chunks() {
                self.utf8 += telling(part.valid());
                self.odd += u64::from(!part.invalid().is_empty());
            }
        }
        if self.odd > 0 || (last && self.detector.is_some()) {
            let detector = self
                .detector
                .get_or_insert_with(|| EncodingDetector::new(chardetng::Iso2022JpDetection::Deny));
            detector.feed(bytes, last);
        }
    }

    fn judge(&self, json: bool) -> Found {
        let utf8 = Found {
            encoding: UTF_8,
            certain: self.odd == 0,
            mixed: self.odd > 0,
        };
        if self.odd == 0 || json || self.utf8 * CHANCE > self.odd {
            return utf8;
        }
        let guessed = self.detector.as_ref().map_or(WINDOWS_1252, |detector| {
            detector.guess(None, chardetng::Utf8Detection::Deny)
        });
        Found {
            encoding: if self.odd < TELLING {
                WINDOWS_1252
            } else {
                guessed
            },
            certain: false,
            mixed: false,
        }
    }
}

/// Characters that say that the text is UTF-8. Two odd bytes of another encoding can look like one of
/// its characters (`ß“` in Windows-1252), but hardly like a letter of Latin scripts or a sign of
/// typography, and not like several characters in a row.
fn telling(text: &str) -> u64 {
    let mut before = false;
    let counted = text.chars().filter(|c| {
        let usual = matches!(c, '\u{80}'..='\u{17F}' | '\u{2000}'..='\u{20FF}');
        let tells = !c.is_ascii() && (usual || before);
        before = !c.is_ascii();
        tells
    });
    counted.count() as u64
}

/// The encoding that a person names: any label of the WHATWG's Encoding Standard.
///
/// # Errors
/// A sentence when there is none of that name.
pub fn named(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(label.trim().as_bytes()).ok_or_else(|| {
        "no encoding is called so; usual ones are utf-8, utf-16le, windows-1252, iso-8859-1, \
         iso-8859-15, macintosh, shift_jis and gb18030"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> (&'static str, bool, bool) {
        let found = find(bytes, false).unwrap();
        (found.encoding.name(), found.certain, found.mixed)
    }

    #[test]
    fn marks_and_zeros_are_certain() {
        let utf16 = |mark: &str| -> Vec<u8> {
            let text = format!("{mark}id,text\nq1,Grüße\n");
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        };
        assert_eq!(found(&utf16("\u{feff}")), ("UTF-16LE", true, false));
        assert_eq!(found(&utf16("")), ("UTF-16LE", true, false));
        assert_eq!(found("\u{feff}id".as_bytes()), ("UTF-8", true, false));
        assert_eq!(found(b"plain"), ("UTF-8", true, false));
        assert_eq!(found(b""), ("UTF-8", true, false));
    }

    #[test]
    fn quotes_and_umlauts_of_a_spreadsheet_are_windows_1252() {
        let text = b"id,text\n1,Gr\xfc\xdfe an die \x93Leitung\x94 \x96 sp\xe4ter\n";
        assert_eq!(found(text), ("windows-1252", false, false));
        // The only odd byte may come after any number of plain ones, and across two chunks.
        for length in [CHUNK - 2, CHUNK - 1, CHUNK, 3 * CHUNK] {
            let mut long = vec![b'a'; length];
            long.extend(b"caf\xe9 ole");
            assert_eq!(found(&long), ("windows-1252", false, false));
            let mut long = vec![b'a'; length];
            long.extend("café ole".as_bytes());
            assert_eq!(found(&long), ("UTF-8", true, false));
        }
    }

    #[test]
    fn two_encodings_in_one_file_are_told() {
        let mixed = [
            "1,Grüße aus Köln\n".as_bytes(),
            b"2,Gr\xfc\xdfe\n".as_slice(),
        ]
        .concat();
        assert_eq!(found(&mixed), ("UTF-8", false, true));
    }

    #[test]
    fn json_with_odd_bytes_stays_json() {
        let found = find(&b"{\"id\": \"caf\xe9\"}\n"[..], true).unwrap();
        assert_eq!((found.encoding.name(), found.mixed), ("UTF-8", true));
    }

    #[test]
    fn encodings_have_their_usual_names() {
        assert_eq!(named("latin1").unwrap().name(), "windows-1252");
        assert!(named("ebcdic").is_err());
    }
}
