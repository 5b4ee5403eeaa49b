//! A list of plain numbers.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::snapshot::{LayoutError, Sections, SnapshotWriter};

/// What may lie in a snapshot: every pattern of bytes is one, and it has no padding.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + Copy {}

impl<T: FromBytes + IntoBytes + Immutable + Copy> Plain for T {}

/// A list that grows at its end. Clones share what lies in a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Column<T> {
    /// Values in a snapshot; whole ones, at an address that they may have.
    base: Bytes,
    tail: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(tail: Vec<T>) -> Self {
        Self {
            base: Bytes::new(),
            tail,
        }
    }
}

impl<T: Plain + PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T: Plain> Column<T> {
    fn base(&self) -> &[T] {
        // It was looked at when the column was read.
        <[T]>::ref_from_bytes(&self.base).unwrap_or_default()
    }

    fn based(&self) -> usize {
        self.base.len() / size_of::<T>()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.based() + self.tail.len()
    }

    /// The value at a position.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn at(&self, at: usize) -> T {
        match at.checked_sub(self.based()) {
            None => self.base()[at],
            Some(at) => self.tail[at],
        }
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, value: T) {
        self.tail.push(value);
    }

    /// Adds values.
    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = T>) {
        self.tail.extend(values);
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        self.base().iter().chain(&self.tail).copied()
    }

    /// Values side by side. They must not lie on both sides of a snapshot's end.
    ///
    /// # Panics
    /// When they do, or there are none at these positions.
    pub(crate) fn range(&self, range: Range<usize>) -> &[T] {
        let based = self.based();
        match range.start.checked_sub(based) {
            Some(start) => &self.tail[start..range.end - based],
            None => &self.base()[range],
        }
    }

    /// All of them, to be changed: a snapshot's are copied first.
    pub(crate) fn to_mut(&mut self) -> &mut Vec<T> {
        if !self.base.is_empty() {
            let mut all = Vec::with_capacity(self.len());
            all.extend_from_slice(self.base());
            all.append(&mut self.tail);
            self.tail = all;
            self.base = Bytes::new();
        }
        &mut self.tail
    }

    /// All of them, where they lie side by side: always, unless some were pushed to a snapshot's.
    pub(crate) fn as_slice(&self) -> &[T] {
        if self.tail.is_empty() {
            self.base()
        } else {
            debug_assert!(self.base.is_empty());
            &self.tail
        }
    }

    /// Keeps the first `n`.
    pub(crate) fn truncate(&mut self, n: usize) {
        let based = self.based();
        self.base.truncate(n * size_of::<T>());
        self.tail.truncate(n.saturating_sub(based));
    }

    /// Bytes of memory it takes; what lies in a snapshot takes none of its own.
    pub(crate) fn bytes(&self) -> usize {
        self.tail.capacity() * size_of::<T>()
    }

    /// Writes it as the next section.
    pub(crate) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.section(&[&self.base, self.tail.as_bytes()])
    }

    /// Reads the next section.
    pub(crate) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        let base = from.next_section()?;
        if base.is_empty() {
            return Ok(Self::default());
        }
        match <[T]>::ref_from_bytes(&base) {
            Ok(_) => Ok(Self {
                base,
                tail: Vec::new(),
            }),
            Err(_) => Err(LayoutError::Malformed),
        }
    }

    /// Reads the next section into memory.
    pub(crate) fn load_vec(from: &mut Sections) -> Result<Vec<T>, LayoutError> {
        Ok(Self::load(from)?.base().to_vec())
    }

    /// Reads the next section, which has so many.
    pub(crate) fn load_array<const N: usize>(from: &mut Sections) -> Result<[T; N], LayoutError> {
        let values = Self::load(from)?;
        values.base().try_into().map_err(|_| LayoutError::Malformed)
    }
}
