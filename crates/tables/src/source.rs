//! Opens a file: a workbook as bytes, anything else as a stream of bounded lines in UTF-8, plain or
//! gzip, from disk or from a pipe. What is wrong with the file itself is kept as a sentence, and the
//! lines before it are given out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::encoding::{self, Found};
use crate::error::FileError;
use crate::gzip::GzMembers;
use crate::lines::Lines;
pub use crate::lines::MAX_LINE_BYTES;

/// How much of the text is looked at to tell what it is.
const START_BYTES: u64 = 64 << 10;
/// A pipe cannot be read twice: its encoding is told by so much of it.
const PIPE_BYTES: u64 = 4 << 20;
/// A workbook is read whole; a larger file is not opened.
const MAX_WORKBOOK_BYTES: u64 = 128 << 20;

/// What a file holds.
pub enum Content {
    /// Text, line by line.
    Text(Text),
    /// An XLSX workbook, whole.
    Workbook(Vec<u8>),
}

/// A file of text.
pub struct Text {
    /// The lines of it, in UTF-8 but for rows that are not.
    pub lines: Lines,
    /// The beginning of it, which the lines have as well.
    pub start: Vec<u8>,
    /// The encoding it is in.
    pub found: Found,
}

/// A file, or standard input.
pub struct Source {
    /// What it holds.
    pub content: Content,
    /// What is known about the file itself.
    pub about: About,
}

/// What is known about a file itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Bytes read so far, as they lie on disk.
    pub read: Arc<AtomicU64>,
    /// Its size on disk; none for a pipe, which can be read only once.
    pub size: Option<u64>,
    /// When it was changed last; none for a pipe.
    pub changed: Option<SystemTime>,
}

impl Source {
    /// Opens `path`; `-` is standard input. Without an encoding it is found out.
    ///
    /// # Errors
    /// When there is no such file, or when it is of a kind that has no rows.
    pub fn open(
        path: &Path,
        encoding: Option<&'static Encoding>,
        json: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Self, FileError> {
        let (raw, about) = open_raw(path)?;
        let counted = Counted {
            inner: raw,
            read: about.read.clone(),
        };
        let (start, raw) = peek(counted, 8).map_err(|error| FileError::open(path, &error))?;
        if start.starts_with(b"PK\x03\x04") {
            let content = Content::Workbook(whole(raw, path)?);
            return Ok(Self { content, about });
        }
        if let Some(what) = foreign_kind(&start) {
            return Err(FileError::new(format!("{} {what}", display_name(path))));
        }
        // The content decides, not the name: a plain file called .gz is read as it is.
        let bytes = unpacked(&start, raw);
        let ahead = about.size.map_or(PIPE_BYTES, |_| START_BYTES);
        let (start, bytes) = peek_what_can_be_read(bytes, ahead);
        let found = match encoding {
            Some(encoding) => Found {
                encoding,
                certain: true,
                mixed: false,
            },
            None => found(path, &about, &start, json(&start)),
        };
        let (start, lines) = decoded(bytes, found.encoding);
        let text = Text {
            lines: Lines::new(lines),
            start,
            found,
        };
        Ok(Self {
            content: Content::Text(text),
            about,
        })
    }
}

/// The name of the file without folders, for people and for batch names.
#[must_use]
pub fn display_name(path: &Path) -> String {
    if path == Path::new("-") {
        return "standard input".to_owned();
    }
    PathBuf::from(path.file_name().unwrap_or(path.as_os_str()))
        .display()
        .to_string()
}

fn open_raw(path: &Path) -> Result<(Box<dyn Read + Send>, About), FileError> {
    let read = Arc::new(AtomicU64::new(0));
    if path == Path::new("-") {
        let about = About {
            read,
            size: None,
            changed: None,
        };
        return Ok((Box::new(io::stdin()), about));
    }
    let file = File::open(path).map_err(|error| FileError::open(path, &error))?;
    let metadata = file
        .metadata()
        .map_err(|error| FileError::open(path, &error))?;
    if metadata.is_dir() {
        return Err(FileError::new(format!("{} is a folder", path.display())));
    }
    // A FIFO or `<(command)` has no size and cannot be read twice.
    let size = metadata.is_file().then_some(metadata.len());
    let changed = metadata.modified().ok().filter(|_| size.is_some());
    let about = About {
        read,
        size,
        changed,
    };
    Ok((Box::new(file), about))
}

/// The first bytes, and all of them again.
fn peek<R: Read + Send + 'static>(
    mut raw: R,
    most: u64,
) -> io::Result<(Vec<u8>, impl BufRead + Send + 'static)> {
    let mut start = Vec::new();
    raw.by_ref().take(most).read_to_end(&mut start)?;
    Ok((start.clone(), BufReader::new(Cursor::new(start).chain(raw))))
}

/// As [`peek`]; what cannot be read here cannot be read later either, and is told then with its line.
fn peek_what_can_be_read(
    mut bytes: Box<dyn Read + Send>,
    most: u64,
) -> (Vec<u8>, Box<dyn Read + Send>) {
    let mut start = Vec::new();
    let _ = bytes.by_ref().take(most).read_to_end(&mut start);
    (start.clone(), Box::new(Cursor::new(start).chain(bytes)))
}

fn unpacked(start: &[u8], raw: impl BufRead + Send + 'static) -> Box<dyn Read + Send> {
    if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(GzMembers::new(raw))
    } else {
        Box::new(raw)
    }
}

fn whole(raw: impl Read, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    raw.take(MAX_WORKBOOK_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::open(path, &error))?;
    if bytes.len() as u64 > MAX_WORKBOOK_BYTES {
        return Err(FileError::new(format!(
            "{} is a workbook of more than {} MiB; save the sheet as CSV",
            display_name(path),
            MAX_WORKBOOK_BYTES >> 20
        )));
    }
    Ok(bytes)
}

/// The encoding, from the whole file where it can be read twice, else from its beginning.
fn found(path: &Path, about: &About, start: &[u8], json: bool) -> Found {
    let again = about.size.and_then(|_| {
        let (raw, _) = open_raw(path).ok()?;
        let (first, raw) = peek(raw, 8).ok()?;
        // A file that breaks off is told with its rows; its beginning says enough here.
        encoding::find(unpacked(&first, raw), json).ok()
    });
    again
        .or_else(|| encoding::find(start, json).ok())
        .unwrap_or(Found {
            encoding: encoding_rs::UTF_8,
            certain: true,
            mixed: false,
        })
}

/// The beginning of the text, and the text. UTF-8 passes untouched, so that bad bytes are seen row by
/// row.
fn decoded(
    bytes: Box<dyn Read + Send>,
    encoding: &'static Encoding,
) -> (Vec<u8>, Box<dyn BufRead + Send>) {
    let utf8 = encoding == encoding_rs::UTF_8;
    let text = DecodeReaderBytesBuilder::new()
        .encoding(Some(encoding).filter(|_| !utf8))
        .utf8_passthru(utf8)
        .strip_bom(true)
        .build(bytes);
    let (start, text) = peek_what_can_be_read(Box::new(text), START_BYTES);
    (start, Box::new(BufReader::with_capacity(64 << 10, text)))
}

/// Kinds of files that people try, and what to do with them.
fn foreign_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 6] = [
        (
            &[0xD0, 0xCF, 0x11, 0xE0],
            "is an old office document (or a workbook with a password); save it as .xlsx or CSV, \
             without a password",
        ),
        (
            &[0x28, 0xB5, 0x2F, 0xFD],
            "is zstd data; pipe it in: zstdcat FILE | tenantry … -",
        ),
        (
            &[0xFD, b'7', b'z', b'X', b'Z', 0],
            "is xz data; pipe it in: xzcat FILE | tenantry … -",
        ),
        (
            b"BZh",
            "is bzip2 data; pipe it in: bzcat FILE | tenantry … -",
        ),
        (b"PAR1", "is a Parquet file; export it as JSONL or CSV"),
        (
            b"%PDF",
            "is a PDF; questions are read from a table: XLSX, CSV or JSONL",
        ),
    ];
    KINDS
        .into_iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map(|(_, what)| what)
}

/// Counts what is read, for the progress bar.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.read
            .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Line;

    fn lines_of(bytes: &[u8]) -> (Vec<String>, Option<String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let source = Source::open(file.path(), None, |_| false).unwrap();
        let Content::Text(mut text) = source.content else {
            panic!("text is text");
        };
        let all = std::iter::from_fn(|| text.lines.next_line());
        let all = all
            .map(|(_, line)| match line {
                Line::Whole(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Line::Oversized(_, length) => format!("oversized {length}"),
            })
            .collect();
        (all, text.lines.problem().map(str::to_owned))
    }

    fn gzip(text: &str) -> Vec<u8> {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn members_and_padding_are_read_through() {
        let mut bytes = [gzip("a\n"), gzip("b\n")].concat();
        bytes.extend([0; 512]);
        assert_eq!(
            lines_of(&bytes),
            (vec!["a\n".to_owned(), "b\n".to_owned()], None)
        );
    }

    #[test]
    fn broken_gzip_gives_the_rows_before_and_says_what_is_wrong() {
        // Hex digits of a counter, hashed: text that does not compress to nothing.
        let text: String = (0..400_u32)
            .map(|i| format!("{}\n", blake3::hash(&i.to_le_bytes())))
            .collect();
        let good = gzip(&text);
        let (lines, problem) = lines_of(&good[..good.len() / 2]);
        assert!(lines.len() > 50 && lines.len() < 350, "{}", lines.len());
        assert!(problem.unwrap().contains("cut off"));

        let mut wrong = good.clone();
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 0xff;
        let (lines, problem) = lines_of(&wrong);
        assert_eq!(lines.len(), 400);
        assert!(problem.unwrap().contains("damaged"));

        let (lines, problem) = lines_of(&[good, b"garbage".to_vec()].concat());
        assert_eq!(lines.len(), 400);
        assert!(problem.unwrap().contains("extra bytes"));
    }

    #[test]
    fn text_arrives_in_utf8_whatever_it_was_in() {
        assert_eq!(lines_of("\u{feff}é\n".as_bytes()).0, ["é\n"]);
        let utf16: Vec<u8> = "\u{feff}é\nb"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(lines_of(&utf16).0, ["é\n", "b"]);
        let unmarked: Vec<u8> = "{\"id\": 1}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(lines_of(&unmarked).0, ["{\"id\": 1}"]);
        assert_eq!(lines_of(b"a\nK\xf6ln \x80\n").0, ["a\n", "Köln €\n"]);
        // Gzip does not hide it.
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(b"K\xf6ln\n").unwrap();
        assert_eq!(lines_of(&out.finish().unwrap()).0, ["Köln\n"]);
    }

    #[test]
    fn files_of_other_kinds_are_refused_with_a_remedy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0xD0, 0xCF, 0x11, 0xE0, 0, 0, 0, 0]).unwrap();
        let error = Source::open(file.path(), None, |_| false).err().unwrap();
        assert!(error.to_string().contains(".xlsx or CSV"), "{error}");
    }
}
