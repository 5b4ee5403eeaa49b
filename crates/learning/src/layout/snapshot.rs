//! The file of a snapshot.
//!
//! Sections of two parts, each section beginning at a multiple of [`ALIGNED`] bytes and each part at a multiple
//! of [`PAGE`]; then the lengths of all sections, eight bytes each; then the end: what the file is, how many sections
//! each part has, and the BLAKE3 hashes of the parts and of what follows them.

use std::io;
use std::ops::Range;

use blake3::Hasher;
use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Sections begin at multiples of it: of any number, and of what a processor reads at once.
const ALIGNED: usize = 64;
/// Parts begin at multiples of it: what can be mapped by itself.
const PAGE: usize = 4_096;
const MAGIC: [u8; 8] = *b"TENANTRY";

/// Why a file is no snapshot that can be used. It is then made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It could not be read.
    #[error("the snapshot could not be read: {0}")]
    Unreadable(io::ErrorKind),
    /// It is cut off, damaged, or something else.
    #[error("the snapshot is damaged")]
    Damaged,
    /// Another version of the program wrote it.
    #[error("the snapshot was written in another form")]
    OtherForm,
    /// Its sections are not those that are read.
    #[error("the snapshot's sections are not those that are expected")]
    Malformed,
}

/// The two parts of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What questions look at.
    Answers,
    /// What only learning looks at.
    Learning,
}

/// The end of the file.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct End {
    parts: [[u8; 32]; 2],
    sections: [u32; 2],
    form: u32,
    /// Over the lengths and what is above.
    itself: [u8; 32],
    magic: [u8; 8],
}

impl End {
    fn hash(&self, lengths: &[u8]) -> [u8; 32] {
        let mut hasher = Hasher::new();
        hasher.update(lengths);
        hasher.update(self.parts.as_bytes());
        hasher.update(self.sections.as_bytes());
        hasher.update(self.form.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// Where a snapshot is read from.
pub trait SnapshotFile {
    /// Its bytes.
    ///
    /// # Errors
    /// What reading fails with.
    fn size(&self) -> io::Result<u64>;

    /// Bytes of it, read into memory.
    ///
    /// # Errors
    /// What reading fails with.
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// Bytes of it where they lie, from a multiple of 4,096 on, at an address that is one too.
    ///
    /// # Errors
    /// What reading fails with.
    fn map(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// Writes a snapshot, section by section.
pub struct SnapshotWriter<W> {
    out: W,
    form: u32,
    hasher: Hasher,
    parts: Vec<[u8; 32]>,
    sections: [u32; 2],
    lengths: Vec<u64>,
    /// Sections of parts that have ended.
    ended: usize,
}

impl<W: io::Write> SnapshotWriter<W> {
    /// Begins with the first part, [`Part::Answers`]. `form` says which sections there are: a snapshot is only
    /// read as the form it was written in.
    pub fn new(out: W, form: u32) -> Self {
        Self {
            out,
            form,
            hasher: Hasher::new(),
            parts: Vec::new(),
            sections: [0; 2],
            lengths: Vec::new(),
            ended: 0,
        }
    }

    /// Writes a section, given in pieces.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn section(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let fill = length.next_multiple_of(ALIGNED) - length;
        for piece in pieces.iter().copied().chain([&[0; ALIGNED][..fill]]) {
            self.out.write_all(piece)?;
            self.hasher.update(piece);
        }
        self.lengths.push(length as u64);
        self.sections[usize::from(!self.parts.is_empty())] += 1;
        Ok(())
    }

    /// Writes a section of plain values.
    pub(crate) fn values<T: IntoBytes + Immutable>(&mut self, values: &[T]) -> io::Result<()> {
        self.section(&[values.as_bytes()])
    }

    /// Ends [`Part::Answers`] and begins [`Part::Learning`].
    ///
    /// # Errors
    /// What writing failed with.
    pub fn begin_learning(&mut self) -> io::Result<()> {
        self.end_part()
    }

    fn end_part(&mut self) -> io::Result<()> {
        let written = size(&self.lengths[self.ended..]);
        self.out
            .write_all(&[0; PAGE][..written.next_multiple_of(PAGE) - written])?;
        self.ended = self.lengths.len();
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new());
        self.parts.push(*hasher.finalize().as_bytes());
        Ok(())
    }

    /// Writes what ends the file, and hands back what was written to.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_part()?;
        let mut end = End {
            parts: [[0; 32]; 2],
            sections: self.sections,
            form: self.form,
            itself: [0; 32],
            magic: MAGIC,
        };
        for (to, part) in end.parts.iter_mut().zip(&self.parts) {
            *to = *part;
        }
        let lengths = self.lengths.as_bytes();
        end.itself = end.hash(lengths);
        self.out.write_all(lengths)?;
        self.out.write_all(end.as_bytes())?;
        Ok(self.out)
    }
}

/// Bytes that sections of these lengths take.
fn size(lengths: &[u64]) -> usize {
    let filled = |length: &u64| (*length as usize).next_multiple_of(ALIGNED);
    lengths.iter().map(filled).sum()
}

/// A snapshot in its file.
#[derive(Debug, Clone)]
pub struct Snapshot {
    parts: [Bytes; 2],
    /// Length of each section.
    lengths: [Vec<u64>; 2],
    hashes: [[u8; 32]; 2],
}

impl Snapshot {
    /// Opens a snapshot of this form. Its parts are not looked at yet: see [`Snapshot::is_whole`].
    ///
    /// # Errors
    /// It cannot be read, is damaged at its end, or is not of this form.
    pub fn open(file: &impl SnapshotFile, form: u32) -> Result<Self, LayoutError> {
        let unreadable = |error: io::Error| LayoutError::Unreadable(error.kind());
        let size_of_file = file.size().map_err(unreadable)?;
        let start = size_of_file.checked_sub(size_of::<End>() as u64);
        let start = start.ok_or(LayoutError::Damaged)?;
        let end = file.read(start..size_of_file).map_err(unreadable)?;
        let end = End::read_from_bytes(&end).map_err(|_| LayoutError::Damaged)?;
        if end.magic != MAGIC {
            return Err(LayoutError::Damaged);
        }
        let [answers, learning] = end.sections.map(u64::from);
        let lengths_start = start.checked_sub((answers + learning) * 8);
        let lengths_start = lengths_start.ok_or(LayoutError::Damaged)?;
        let lengths = file.read(lengths_start..start).map_err(unreadable)?;
        if end.hash(&lengths) != end.itself {
            return Err(LayoutError::Damaged);
        }
        if end.form != form {
            return Err(LayoutError::OtherForm);
        }
        let (lengths, _) = lengths.as_chunks::<8>();
        let lengths = lengths.iter().map(|length| u64::from_ne_bytes(*length));
        let lengths: Vec<u64> = lengths.collect();
        let (answers, learning) = lengths.split_at(answers as usize);
        let sizes = [size(answers) as u64, size(learning) as u64];
        let second = sizes[0].next_multiple_of(PAGE as u64);
        let parts = [
            file.map(0..sizes[0]).map_err(unreadable)?,
            file.map(second..second + sizes[1]).map_err(unreadable)?,
        ];
        Ok(Self {
            parts,
            lengths: [answers.to_vec(), learning.to_vec()],
            hashes: end.parts,
        })
    }

    /// Whether a part is what was written. Reads all of it.
    #[must_use]
    pub fn is_whole(&self, part: Part) -> bool {
        blake3::hash(&self.parts[part as usize]).as_bytes() == &self.hashes[part as usize]
    }

    /// Bytes of a part.
    #[must_use]
    pub fn bytes(&self, part: Part) -> usize {
        self.parts[part as usize].len()
    }

    /// The sections of a part, in the order in which they were written.
    #[must_use]
    pub fn sections(&self, part: Part) -> Sections {
        Sections {
            rest: self.parts[part as usize].clone(),
            lengths: self.lengths[part as usize].clone().into_iter(),
        }
    }
}

/// Sections that are read one after the other.
#[derive(Debug)]
pub struct Sections {
    rest: Bytes,
    lengths: std::vec::IntoIter<u64>,
}

impl Sections {
    /// The next one, where it lies.
    ///
    /// # Errors
    /// [`LayoutError::Malformed`] when there is none.
    pub fn next_section(&mut self) -> Result<Bytes, LayoutError> {
        let length = self.lengths.next().ok_or(LayoutError::Malformed)? as usize;
        let filled = length.next_multiple_of(ALIGNED);
        if filled > self.rest.len() {
            return Err(LayoutError::Malformed);
        }
        let mut section = self.rest.split_to(filled);
        section.truncate(length);
        Ok(section)
    }
}
