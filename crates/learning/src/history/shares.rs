//! Sums over items that shares are made of: of activity, and of the use of a vocabulary.

use std::io;

use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// How much of a vocabulary was used, by whom.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    /// Words of all items, each counted once an item.
    pub total: f64,
    /// The same by expert, newer items counting more; to be scaled.
    pub experts: Vec<f64>,
}

impl Usage {
    pub(super) fn add(&mut self, words: usize, experts: &[u16], weight: f64) {
        let words = words as f64;
        self.total += words;
        for &expert in experts {
            self.experts[usize::from(expert)] += weight * words;
        }
    }

    pub(super) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.total])?;
        to.values(&self.experts)
    }

    pub(super) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        let [total] = Column::load_array(from)?;
        let experts = Column::load_vec(from)?;
        Ok(Self { total, experts })
    }
}

/// Shares of activity with one half-life.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity {
    /// By expert; their scale is that of the total.
    pub sums: Vec<f64>,
    pub total: f64,
    pub shares: Vec<f32>,
}

impl Activity {
    pub(super) fn add(&mut self, experts: &[u16], weight: f64) {
        for &expert in experts {
            self.sums[usize::from(expert)] += weight;
            self.total += weight;
        }
    }

    pub(super) fn share_out(&mut self) {
        let total = self.total;
        let share = |sum: &f64| {
            if total > 0.0 {
                (sum / total) as f32
            } else {
                0.0
            }
        };
        self.shares = self.sums.iter().map(share).collect();
    }

    pub(super) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        to.values(&[self.total])?;
        to.values(&self.sums)?;
        to.values(&self.shares)
    }

    pub(super) fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        let [total] = Column::load_array(from)?;
        Ok(Self {
            total,
            sums: Column::load_vec(from)?,
            shares: Column::load_vec(from)?,
        })
    }
}
