//! The items of a corpus, as columns.

use std::collections::HashMap;
use std::io;

use chrono::{DateTime, Utc};

use super::corpus::CorpusItem;
use crate::layout::{Column, LayoutError, Rows, Sections, SnapshotWriter};
use crate::text::style::Style;

/// The area of an item that has none.
const NO_AREA: u16 = u16::MAX;

/// One item, to be added.
pub(super) struct NewItem<'a> {
    pub point: u64,
    pub experts: &'a [u16],
    pub area: Option<u16>,
    pub words: &'a [(u32, f32)],
    pub style: &'a Style,
    pub occurred_at: DateTime<Utc>,
}

/// Items, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    points: Column<u64>,
    experts: Rows<u16>,
    areas: Column<u16>,
    /// Seconds and nanoseconds.
    occurred_at: Column<[i64; 2]>,
    words: Rows<u32>,
    counts: Rows<f32>,
    style_tokens: Rows<u32>,
    /// One more than each, or zero.
    openings: Column<[u64; 2]>,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    pub(super) fn push(&mut self, item: &NewItem<'_>) {
        self.points.push(item.point);
        self.experts.push(item.experts.iter().copied());
        self.areas.push(item.area.unwrap_or(NO_AREA));
        let nanos = i64::from(item.occurred_at.timestamp_subsec_nanos());
        self.occurred_at.push([item.occurred_at.timestamp(), nanos]);
        self.words.push(item.words.iter().map(|(word, _)| *word));
        self.counts.push(item.words.iter().map(|(_, count)| *count));
        self.style_tokens.push(item.style.tokens.iter().copied());
        let number = |opening: Option<u32>| opening.map_or(0, |number| u64::from(number) + 1);
        self.openings.push(item.style.opening.map(number));
    }

    pub(super) fn experts(&self, at: usize) -> &[u16] {
        self.experts.row(at)
    }

    pub(super) fn at(&self, at: usize) -> CorpusItem<'_> {
        let area = self.areas.at(at);
        let [seconds, nanos] = self.occurred_at.at(at);
        let opening = |number: u64| Some(number.checked_sub(1)? as u32);
        CorpusItem {
            point: self.points.at(at),
            experts: self.experts.row(at),
            area: (area != NO_AREA).then_some(area),
            // It was a time when it was added.
            occurred_at: DateTime::from_timestamp(seconds, nanos as u32).unwrap_or_default(),
            words: self.words.row(at),
            counts: self.counts.row(at),
            style_tokens: self.style_tokens.row(at),
            opening: self.openings.at(at).map(opening),
        }
    }

    pub(super) fn truncate(&mut self, n: usize) {
        self.points.truncate(n);
        self.experts.truncate(n);
        self.areas.truncate(n);
        self.occurred_at.truncate(n);
        self.words.truncate(n);
        self.counts.truncate(n);
        self.style_tokens.truncate(n);
        self.openings.truncate(n);
    }

    pub(super) fn bytes(&self) -> usize {
        self.points.bytes()
            + self.experts.bytes()
            + self.areas.bytes()
            + self.occurred_at.bytes()
            + self.words.bytes()
            + self.counts.bytes()
            + self.style_tokens.bytes()
            + self.openings.bytes()
    }

    pub(super) fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.points.save(to)?;
        self.experts.save(to)?;
        self.areas.save(to)?;
        self.occurred_at.save(to)
    }

    pub(super) fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.words.save(to)?;
        self.counts.save(to)?;
        self.style_tokens.save(to)?;
        self.openings.save(to)
    }

    pub(super) fn load(
        answers: &mut Sections,
        learning: &mut Sections,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            points: Column::load(answers)?,
            experts: Rows::load(answers)?,
            areas: Column::load(answers)?,
            occurred_at: Column::load(answers)?,
            words: Rows::load(learning)?,
            counts: Rows::load(learning)?,
            style_tokens: Rows::load(learning)?,
            openings: Column::load(learning)?,
        })
    }
}

/// Where in the corpus the item of a point is.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Points in a snapshot, ascending, and their positions.
    points: Column<u64>,
    positions: Column<u32>,
    /// Those since.
    map: HashMap<u64, u32>,
}

impl Places {
    pub(super) fn push(&mut self, point: u64, position: u32) {
        self.map.insert(point, position);
    }

    pub(super) fn get(&self, point: u64) -> Option<u32> {
        if let Some(position) = self.map.get(&point) {
            return Some(*position);
        }
        let at = self.points.as_slice().binary_search(&point).ok()?;
        Some(self.positions.at(at))
    }

    pub(super) fn bytes(&self) -> usize {
        self.map.capacity() * 17
    }

    pub(super) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        let based = self.points.iter().zip(self.positions.iter());
        let since = self.map.iter().map(|(point, position)| (*point, *position));
        let mut all: Vec<(u64, u32)> = based.chain(since).collect();
        all.sort_unstable();
        let (points, positions): (Vec<u64>, Vec<u32>) = all.into_iter().unzip();
        to.values(&points)?;
        to.values(&positions)
    }

    pub(super) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Ok(Self {
            points: Column::load(from)?,
            positions: Column::load(from)?,
            map: HashMap::new(),
        })
    }
}
