//! Lines of bounded length, whatever ends them: LF, CRLF, or the lone CR of old spreadsheets.

use std::io::{self, BufRead};

/// A line longer than this is skipped and reported, not read into memory.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// How much of a line that is skipped is kept, to show its beginning.
const KEPT_OF_OVERSIZED: usize = 8_000;

/// A line with its line end, or the beginning of one that is too long.
#[derive(Debug)]
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

/// A line as it grows.
#[derive(Default)]
struct Growing {
    line: Vec<u8>,
    left_out: usize,
    /// It ended with CR: an LF that follows belongs to it.
    after_cr: bool,
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
        let mut growing = Growing::default();
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if growing.after_cr => {
                    self.break_off(&error, false);
                    break;
                }
                Err(error) => {
                    self.break_off(&error, !growing.line.is_empty());
                    return None;
                }
            };
            if chunk.is_empty() {
                if growing.line.is_empty() && growing.left_out == 0 {
                    return None;
                }
                break;
            }
            let (taken, ended) = growing.take(chunk);
            self.reader.consume(taken);
            if ended {
                break;
            }
        }
        self.number += 1;
        Some((self.number, growing.finish()))
    }

    /// What is wrong with the file itself, once its lines are read.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// A line that the file breaks off in is not a row: nobody can repair it, so it is told with the
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

impl Growing {
    /// Takes what belongs to the line from `chunk`: how many bytes, and whether it has ended.
    fn take(&mut self, chunk: &[u8]) -> (usize, bool) {
        if self.after_cr {
            let feed = usize::from(chunk[0] == b'\n');
            self.keep(&chunk[..feed]);
            return (feed, true);
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
            self.keep(chunk);
            return (chunk.len(), false);
        };
        if chunk[end] == b'\n' {
            self.keep(&chunk[..=end]);
            return (end + 1, true);
        }
        match chunk.get(end + 1) {
            Some(b'\n') => {
                self.keep(&chunk[..end + 2]);
                (end + 2, true)
            }
            Some(_) => {
                self.keep(&chunk[..=end]);
                (end + 1, true)
            }
            // Whether an LF follows shows with the next chunk.
            None => {
                self.keep(chunk);
                self.after_cr = true;
                (chunk.len(), false)
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(MAX_LINE_BYTES - self.line.len());
        self.line.extend_from_slice(&bytes[..kept]);
        self.left_out += bytes.len() - kept;
    }

    fn finish(mut self) -> Line {
        if self.left_out == 0 {
            return Line::Whole(self.line);
        }
        let length = self.line.len() + self.left_out;
        self.line.truncate(KEPT_OF_OVERSIZED);
        Line::Oversized(self.line, u64::try_from(length).unwrap_or(u64::MAX))
    }
}

/// A line without its line end.
#[must_use]
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    /// Read through buffers of each small size, so that line ends fall between two of them.
    fn lines_of(text: &str) -> Vec<Vec<String>> {
        let read = |capacity| {
            let text = Cursor::new(text.as_bytes().to_vec());
            let mut lines = Lines::new(Box::new(BufReader::with_capacity(capacity, text)));
            let all = std::iter::from_fn(|| lines.next_line());
            all.map(|(_, line)| match line {
                Line::Whole(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Line::Oversized(_, length) => format!("oversized {length}"),
            })
            .collect()
        };
        [1, 2, 3, 64].into_iter().map(read).collect()
    }

    #[test]
    fn every_line_end_ends_a_line_once() {
        for lines in lines_of("a\r\nb\nc\rd\r\r\n\ne") {
            assert_eq!(lines, ["a\r\n", "b\n", "c\r", "d\r", "\r\n", "\n", "e"]);
        }
        assert!(lines_of("").iter().all(Vec::is_empty));
        assert_eq!(without_end(b"a\r\n"), b"a");
        assert_eq!(without_end(b"a\r"), b"a");
    }

    #[test]
    fn a_line_of_five_megabytes_is_skipped_and_the_next_is_read() {
        let text = format!("a\n{}\nb\n", "x".repeat(5 << 20));
        let oversized = format!("oversized {}", (5 << 20) + 1);
        assert_eq!(lines_of(&text)[3], ["a\n", oversized.as_str(), "b\n"]);
    }
}
