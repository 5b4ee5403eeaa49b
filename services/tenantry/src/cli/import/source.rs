//! Opens a file of rows as a stream of bounded lines: plain or gzip, UTF-8 or UTF-16, from disk or
//! from a pipe. What is wrong with the file itself is kept as a sentence, and the lines before it
//! are given out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::FileError;
use super::gzip::GzMembers;
use encoding_rs_io::DecodeReaderBytesBuilder;

/// A line longer than this is skipped and reported, not read into memory.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// How much of the text is looked at to tell what it is.
const START_BYTES: u64 = 4_096;
/// How much of a line that is skipped is kept, to show its beginning.
const KEPT_OF_OVERSIZED: usize = 8_000;

/// A file, or standard input, that is read as lines.
pub struct Source {
    /// The lines of it.
    pub lines: Lines,
    /// The beginning of its text, which the lines have as well.
    pub start: Vec<u8>,
    /// Bytes read so far, as they lie on disk.
    pub read: Arc<AtomicU64>,
    /// Its size on disk; none for a pipe, which can be read only once.
    pub size: Option<u64>,
    /// When it was changed last; none for a pipe.
    pub changed: Option<std::time::SystemTime>,
}

impl Source {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    /// When there is no such file, or when it is of a kind that has no lines (a zip, a workbook).
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let read = Arc::new(AtomicU64::new(0));
        let (raw, size, changed): (Box<dyn Read + Send>, _, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None, None)
        } else {
            let file = File::open(path).map_err(|error| FileError::open(path, &error))?;
            let about = file
                .metadata()
                .map_err(|error| FileError::open(path, &error))?;
            if about.is_dir() {
                return Err(FileError::new(format!("{} is a folder", path.display())));
            }
            // A FIFO or `<(command)` has no size and cannot be read twice.
            let size = about.is_file().then_some(about.len());
            (
                Box::new(file),
                size,
                about.modified().ok().filter(|_| size.is_some()),
            )
        };
        let counted = Counted {
            inner: raw,
            read: read.clone(),
        };
        let (start, text) = decoded(counted, path)?;
        Ok(Self {
            lines: Lines::new(text),
            start,
            read,
            size,
            changed,
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

/// A line with its line end, or the beginning of one that is too long.
pub enum Line {
    /// The whole line.
    Whole(Vec<u8>),
    /// The line was longer than [`MAX_LINE_BYTES`]: its beginning, and how long it was.
    Oversized(Vec<u8>, u64),
}

/// Lines of bounded length.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    problem: Option<String>,
}

impl Lines {
    /// Lines of `reader`.
    #[must_use]
    pub fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            number: 0,
            problem: None,
        }
    }

    /// The next line and its number, from 1; none at the end, or where the file breaks off.
    pub fn next_line(&mut self) -> Option<(u64, Line)> {
        if self.problem.is_some() {
            return None;
        }
        let mut line = Vec::new();
        let mut left_out = 0;
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.break_off(&error, !line.is_empty());
                    return None;
                }
            };
            if chunk.is_empty() {
                if line.is_empty() {
                    return None;
                }
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            let kept = taken.min(MAX_LINE_BYTES - line.len());
            line.extend_from_slice(&chunk[..kept]);
            left_out += taken - kept;
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        if left_out == 0 {
            return Some((self.number, Line::Whole(line)));
        }
        let length = line.len() + left_out;
        line.truncate(KEPT_OF_OVERSIZED);
        Some((
            self.number,
            Line::Oversized(line, u64::try_from(length).unwrap_or(u64::MAX)),
        ))
    }

    /// What is wrong with the file itself, once its lines are read.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// A line that the file breaks off in is not a row: nobody can mend it, so it is told with the
    /// file's problem.
    fn break_off(&mut self, error: &io::Error, inside_line: bool) {
        let line = self.number + 1;
        let last = if inside_line {
            format!("; it breaks off inside line {line}, which was not taken")
        } else {
            String::new()
        };
        self.problem = Some(format!("{error}{last}"));
    }
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

/// The beginning of the text, and the text.
fn decoded(
    mut raw: impl Read + Send + 'static,
    path: &Path,
) -> Result<(Vec<u8>, Box<dyn BufRead + Send>), FileError> {
    let mut start = Vec::new();
    raw.by_ref()
        .take(8)
        .read_to_end(&mut start)
        .map_err(|error| FileError::open(path, &error))?;
    if let Some(what) = foreign_kind(&start) {
        return Err(FileError::new(format!("{} {what}", display_name(path))));
    }
    // The content decides, not the name: a plain file called .gz is read as it is.
    let gzip = start.starts_with(&[0x1f, 0x8b]);
    let raw = BufReader::new(Cursor::new(start).chain(raw));
    let bytes: Box<dyn Read + Send> = if gzip {
        Box::new(GzMembers::new(raw))
    } else {
        Box::new(raw)
    };
    // UTF-16 with a byte-order mark is decoded; UTF-8 passes untouched, so that bad bytes are seen
    // row by row.
    let mut text = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .build(bytes);
    let mut start = Vec::new();
    // What cannot be read here cannot be read later either, and is reported then with its line.
    let _ = text.by_ref().take(START_BYTES).read_to_end(&mut start);
    if looks_like_utf16(&start) {
        let name = display_name(path);
        return Err(FileError::new(format!(
            "{name} looks like UTF-16 without a byte-order mark; save it as UTF-8"
        )));
    }
    let text = Cursor::new(start.clone()).chain(text);
    Ok((start, Box::new(BufReader::with_capacity(64 << 10, text))))
}

/// Kinds of files that people try, and what to do with them.
fn foreign_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 6] = [
        (
            b"PK\x03\x04",
            "is a zip archive or a workbook; save the sheet as CSV, or unzip it first",
        ),
        (
            &[0xD0, 0xCF, 0x11, 0xE0],
            "is an old office document; save the sheet as CSV",
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
    ];
    KINDS
        .into_iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map(|(_, what)| what)
}

fn looks_like_utf16(text: &[u8]) -> bool {
    let start = &text[..text.len().min(64) & !1];
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).all(|byte| *byte == 0);
    start.len() >= 8 && (zeros(0) != zeros(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(bytes: &[u8]) -> (Vec<Line>, Option<String>) {
        let (_, text) = decoded(Cursor::new(bytes.to_vec()), Path::new("file")).unwrap();
        let mut lines = Lines::new(text);
        let all = std::iter::from_fn(|| lines.next_line().map(|(_, line)| line)).collect();
        let problem = lines.problem().map(str::to_owned);
        (all, problem)
    }

    fn whole(lines: &[Line]) -> Vec<String> {
        lines
            .iter()
            .map(|line| match line {
                Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Line::Oversized(_, length) => format!("oversized {length}"),
            })
            .collect()
    }

    fn gzip(text: &str) -> Vec<u8> {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn a_line_of_five_megabytes_is_skipped_and_the_next_is_read() {
        let text = format!("a\n{}\nb\n", "x".repeat(5 << 20));
        let (lines, problem) = lines_of(text.as_bytes());
        assert_eq!(
            whole(&lines),
            ["a\n", &format!("oversized {}", (5 << 20) + 1), "b\n"]
        );
        assert_eq!(problem, None);
        assert!(matches!(&lines[1], Line::Oversized(start, _) if start.len() == KEPT_OF_OVERSIZED));
    }

    #[test]
    fn members_and_padding_are_read_through() {
        let mut bytes = [gzip("a\n"), gzip("b\n")].concat();
        bytes.extend([0; 512]);
        let (lines, problem) = lines_of(&bytes);
        assert_eq!(
            (whole(&lines), problem),
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
    fn byte_order_marks_are_dropped_and_utf16_is_decoded() {
        assert_eq!(whole(&lines_of("\u{feff}é\n".as_bytes()).0), ["é\n"]);
        let utf16: Vec<u8> = "\u{feff}é\nb"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(whole(&lines_of(&utf16).0), ["é\n", "b"]);
        let unmarked: Vec<u8> = "{\"id\": 1}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let error = decoded(Cursor::new(unmarked), Path::new("f.jsonl"))
            .err()
            .unwrap();
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }

    #[test]
    fn workbooks_are_refused_with_a_remedy() {
        let error = decoded(Cursor::new(b"PK\x03\x04...".to_vec()), Path::new("a.xlsx")).err();
        assert!(error.unwrap().to_string().contains("save the sheet as CSV"));
    }
}
