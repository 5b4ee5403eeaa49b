//! Gzip data, read as far as it goes: what is wrong with it is said in words and said again.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The members of a gzip file one after the other. Done here and not by `MultiGzDecoder`, to tell
/// bytes after the end from a damaged member.
pub struct GzMembers<R> {
    current: Option<GzDecoder<R>>,
    problem: Option<String>,
}

impl<R: BufRead> GzMembers<R> {
    /// The members that `reader` has, from its first byte on.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self {
            current: Some(GzDecoder::new(reader)),
            problem: None,
        }
    }

    fn fail(&mut self, problem: String) -> io::Error {
        self.current = None;
        self.problem = Some(problem.clone());
        io::Error::other(problem)
    }

    /// Goes on behind a member that ended: another member, padding, or bytes that do not belong.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(ended) = self.current.take() else {
            return Ok(());
        };
        let mut rest = ended.into_inner();
        loop {
            let chunk = rest.fill_buf()?;
            let zeros = chunk.iter().take_while(|byte| **byte == 0).count();
            match chunk.get(zeros) {
                None if chunk.is_empty() => return Ok(()),
                None => rest.consume(zeros),
                Some(0x1f) if zeros == 0 => {
                    self.current = Some(GzDecoder::new(rest));
                    return Ok(());
                }
                Some(_) => {
                    return Err(self.fail(
                        "there are extra bytes after the end of its gzip data; the rows before \
                         them were read. Make the file again (`gzip -t FILE` checks it)"
                            .to_owned(),
                    ));
                }
            }
        }
    }
}

impl<R: BufRead> Read for GzMembers<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(problem) = &self.problem {
            return Err(io::Error::other(problem.clone()));
        }
        while let Some(member) = &mut self.current {
            match member.read(buf) {
                Ok(0) if !buf.is_empty() => self.next_member()?,
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.fail(
                        "its gzip data is cut off; fetch the file again and ingest it again"
                            .to_owned(),
                    ));
                }
                Err(error) => {
                    return Err(self.fail(format!(
                        "its gzip data is damaged ({error}): rows may be missing or wrong; fetch \
                         the file again and ingest it again"
                    )));
                }
            }
        }
        Ok(0)
    }
}
