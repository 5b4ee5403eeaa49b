//! Numbers of experts: a row of one length for each.

use std::io;

use ndarray::{Array2, ArrayViewMut1};

use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// Rows by expert.
#[derive(Debug, Clone)]
pub(super) struct ExpertRows {
    width: usize,
    values: Column<f32>,
}

impl ExpertRows {
    /// No rows yet.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            values: Column::default(),
        }
    }

    /// Makes room for experts, in rows of zeros.
    pub(super) fn make_room(&mut self, experts: &[u16]) {
        let most = experts.iter().map(|expert| usize::from(*expert) + 1).max();
        let length = most.unwrap_or(0) * self.width;
        if length > self.values.len() {
            self.values.to_mut().resize(length, 0.0);
        }
    }

    /// The row of an expert, for whom there is room.
    pub(super) fn row_mut(&mut self, expert: u16) -> ArrayViewMut1<'_, f32> {
        let start = usize::from(expert) * self.width;
        ArrayViewMut1::from(&mut self.values.to_mut()[start..start + self.width])
    }

    /// Multiplies all by a number.
    pub(super) fn scale(&mut self, by: f32) {
        let values = self.values.to_mut().iter_mut();
        values.for_each(|value| *value *= by);
    }

    /// Columns as rows.
    pub(super) fn transposed(&self) -> Array2<f64> {
        let values = self.values.as_slice();
        let experts = values.len() / self.width;
        Array2::from_shape_fn((self.width, experts), |(at, expert)| {
            f64::from(values[expert * self.width + at])
        })
    }

    /// Bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.values.bytes()
    }

    /// Writes them as the next section.
    pub(super) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.values.save(to)
    }

    /// Reads the next section, rows of this length.
    pub(super) fn load(width: usize, from: &mut Sections) -> Result<Self, LayoutError> {
        let values = Column::load(from)?;
        match values.len() % width {
            0 => Ok(Self { width, values }),
            _ => Err(LayoutError::Malformed),
        }
    }
}
