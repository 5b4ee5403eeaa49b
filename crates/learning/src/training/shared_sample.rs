//! Signals: what a tenant gives for training the tiers above it.
//!
//! Features of past questions and who was right, as numbers without names: no text, no expert, no
//! item can be read from them. Bounded, whatever the tenant's size, so that the tiers of thousands
//! of tenants are trained in bounded memory.

use crate::evaluation::Exam;
use crate::ranking::{FEATURE_SET, FEATURES, FeatureMatrix, Query};

const F: usize = FEATURES.len();
/// Questions of one tenant; of more, every so many-th is taken.
const QUESTIONS: usize = 900;
/// Candidates of one question; the right ones are always among them.
const CANDIDATES: usize = 60;
/// The file begins with this, then which features they are.
const MAGIC: &[u8; 8] = b"tntsig02";

/// Why a file is no signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// The file is something else, or cut off.
    #[error("the file is no signal, or damaged")]
    Damaged,
    /// The file was made for other features: train the tenant again.
    #[error("the signal was made for other features")]
    OtherFeatures,
}

/// Past questions of one tenant, without names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signal {
    queries: Vec<Query>,
}

impl Signal {
    /// A sample of the questions of `exams`.
    pub(crate) fn sample(exams: &[Exam]) -> Self {
        let all: Vec<&Query> = exams.iter().flat_map(|exam| &exam.queries).collect();
        let step = all.len().div_ceil(QUESTIONS).max(1);
        let queries = all.into_iter().step_by(step).filter_map(nameless);
        Self {
            queries: queries.collect(),
        }
    }

    /// A signal of these questions.
    #[cfg(test)]
    pub(crate) fn of(queries: Vec<Query>) -> Self {
        Self { queries }
    }

    /// The questions: experts are numbered from 0 in each of them.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }

    /// At most `most` of the questions, spread over all of them.
    #[must_use]
    pub fn thinned(mut self, most: usize) -> Self {
        let step = self.queries.len().div_ceil(most.max(1)).max(1);
        self.queries = self.queries.into_iter().step_by(step).collect();
        self
    }

    /// The signal as a file: little-endian numbers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FEATURE_SET.to_le_bytes());
        for query in &self.queries {
            bytes.extend((query.candidates.len() as u16).to_le_bytes());
            for &candidate in &query.candidates {
                bytes.push(u8::from(query.right.contains(&candidate)));
                for value in query.features.row(usize::from(candidate)) {
                    bytes.extend(value.to_le_bytes());
                }
            }
        }
        bytes
    }

    /// Reads what [`Signal::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignalError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(SignalError::Damaged)?;
        if u32::from_le_bytes(*take(&mut rest)?) != FEATURE_SET {
            return Err(SignalError::OtherFeatures);
        }
        let mut queries = Vec::new();
        while !rest.is_empty() {
            let candidates = u16::from_le_bytes(*take(&mut rest)?);
            let (mut rows, mut right) = (Vec::new(), Vec::new());
            for candidate in 0..candidates {
                let [is_right] = *take::<1>(&mut rest)?;
                if is_right == 1 {
                    right.push(candidate);
                }
                let mut row = [0.0; F];
                for value in &mut row {
                    *value = f32::from_le_bytes(*take(&mut rest)?);
                    if !value.is_finite() {
                        return Err(SignalError::Damaged);
                    }
                }
                rows.push(row);
            }
            queries.push(Query {
                features: FeatureMatrix::from_rows(rows),
                candidates: (0..candidates).collect(),
                right,
                weight: 1.0,
            });
        }
        Ok(Self { queries })
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], SignalError> {
    let (head, tail) = rest.split_first_chunk().ok_or(SignalError::Damaged)?;
    *rest = tail;
    Ok(head)
}

/// A question with its candidates renumbered; none when nobody was right.
fn nameless(query: &Query) -> Option<Query> {
    let is_right = |candidate: &u16| query.right.contains(candidate);
    let mut kept: Vec<u16> = query.candidates.iter().copied().filter(is_right).collect();
    if kept.is_empty() {
        return None;
    }
    let wrong = query.candidates.iter().copied().filter(|c| !is_right(c));
    kept.extend(wrong.take(CANDIDATES.saturating_sub(kept.len())));
    // In the order of the experts, so that a place tells nothing.
    kept.sort_unstable();
    let rows = kept.iter().map(|&c| *query.features.row(usize::from(c)));
    let right = kept.iter().enumerate().filter(|(_, c)| is_right(c));
    Some(Query {
        features: FeatureMatrix::from_rows(rows.collect()),
        right: right.map(|(at, _)| at as u16).collect(),
        candidates: (0..kept.len() as u16).collect(),
        weight: 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(experts: u16, right: u16) -> Query {
        let row = |expert: u16| std::array::from_fn(|f| f32::from(expert) + f as f32 / 100.0);
        Query {
            features: FeatureMatrix::from_rows((0..experts).map(row).collect()),
            candidates: (0..experts).collect(),
            right: vec![right],
            weight: 1.0,
        }
    }

    #[test]
    fn a_signal_round_trips_and_is_bounded() {
        let made = nameless(&query(300, 299)).unwrap();
        assert_eq!(made.candidates.len(), CANDIDATES);
        assert_eq!(made.right.len(), 1);
        let signal = Signal {
            queries: vec![made, nameless(&query(3, 1)).unwrap()],
        };
        let bytes = signal.to_bytes();
        assert_eq!(Signal::from_bytes(&bytes), Ok(signal.clone()));
        assert_eq!(signal.thinned(1).queries().len(), 1);
        for cut in 0..bytes.len().min(200) {
            // Nothing is made of half a file, and nothing panics.
            let _ = Signal::from_bytes(&bytes[..cut]);
        }
        assert_eq!(
            Signal::from_bytes(&bytes[..bytes.len() - 1]),
            Err(SignalError::Damaged)
        );
        assert_eq!(Signal::from_bytes(b"{}"), Err(SignalError::Damaged));
    }

    #[test]
    fn a_signal_of_other_features_is_told_from_a_damaged_one() {
        let signal = Signal {
            queries: vec![nameless(&query(3, 1)).unwrap()],
        };
        let mut bytes = signal.to_bytes();
        bytes[MAGIC.len()] ^= 1;
        assert_eq!(Signal::from_bytes(&bytes), Err(SignalError::OtherFeatures));
    }

    #[test]
    fn a_question_that_nobody_was_right_for_gives_nothing() {
        assert!(nameless(&query(3, 9)).is_none());
    }
}
