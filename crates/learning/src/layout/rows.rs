//! Lists of lists.

use std::io;

use super::column::{Column, Plain};
use super::snapshot::{LayoutError, Sections, SnapshotWriter};

/// Rows of any length, one after the other. Rows are added at the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows<T: Plain + PartialEq> {
    /// Where each row ends.
    ends: Column<u32>,
    values: Column<T>,
}

impl<T: Plain + PartialEq> Default for Rows<T> {
    fn default() -> Self {
        Self {
            ends: Column::default(),
            values: Column::default(),
        }
    }
}

impl<T: Plain + PartialEq> Rows<T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The row at a position.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn row(&self, at: usize) -> &[T] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends.at(before));
        // A row lies on one side of a snapshot's end: rows are written whole.
        self.values.range(start as usize..self.ends.at(at) as usize)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = T>) {
        self.values.extend(row);
        // Four billion numbers are more than a tenant's million items have.
        self.ends.push(self.values.len() as u32);
    }

    /// Keeps the first `n` rows.
    pub(crate) fn truncate(&mut self, n: usize) {
        let end = n.min(self.len()).checked_sub(1);
        let end = end.map_or(0, |last| self.ends.at(last));
        self.ends.truncate(n);
        self.values.truncate(end as usize);
    }

    /// Bytes of memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.ends.bytes() + self.values.bytes()
    }

    /// Writes them as the next sections.
    pub(crate) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.ends.save(to)?;
        self.values.save(to)
    }

    /// Reads the next sections.
    pub(crate) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Ok(Self {
            ends: Column::load(from)?,
            values: Column::load(from)?,
        })
    }
}

/// Texts. More are added at the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts(Rows<u8>);

impl Texts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text at a position.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn at(&self, at: usize) -> &str {
        // It was a text when it was added.
        str::from_utf8(self.0.row(at)).unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.at(at))
    }

    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        self.0.push(text.bytes());
    }

    /// Bytes of memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Writes them as the next sections.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.0.save(to)
    }

    /// Reads the next sections.
    ///
    /// # Errors
    /// They are not texts.
    pub fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Rows::load(from).map(Self)
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut made = Self::default();
        texts.into_iter().for_each(|text| made.push(text));
        made
    }
}
