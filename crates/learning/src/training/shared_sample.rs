//! Shared training samples: what a tenant gives for training the tiers above it.
//!
//! Features of past questions and who was right, as numbers without names: no text, no expert, no
//! item can be read from them. Bounded, whatever the tenant's size, so that the tiers of thousands
//! of tenants are trained in bounded memory.

use crate::evaluation::BacktestWindow;
use crate::ranking::{FEATURE_SET, FEATURES, FeatureMatrix, Query};

const F: usize = FEATURES.len();
/// Questions of one tenant; of more, every so many-th is taken.
const QUESTIONS: usize = 900;
/// Candidates of one question; the right ones are always among them.
const CANDIDATES: usize = 60;
/// The file begins with this, then which features they are.
const MAGIC: &[u8; 8] = b"tntsig02";

/// Why a file cannot be read as a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedSampleError {
    /// The file is something else, or cut off.
    #[error("the file is no shared training sample, or damaged")]
    Damaged,
    /// The file was made for other features: train the tenant again.
    #[error("the shared training sample was made for other features")]
    OtherFeatures,
}

/// Past questions of one tenant, without names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SharedTrainingSample {
    queries: Vec<Query>,
}

impl SharedTrainingSample {
    /// A sample of the questions of `windows`.
    pub(crate) fn sample(windows: &[BacktestWindow]) -> Self {
        let all: Vec<&Query> = windows.iter().flat_map(|window| &window.queries).collect();
        let step = all.len().div_ceil(QUESTIONS).max(1);
        let queries = all.into_iter().step_by(step).filter_map(anonymized);
        Self {
            queries: queries.collect(),
        }
    }

    /// A sample of these questions.
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

    /// The sample as a file: little-endian numbers.
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

    /// Reads what [`SharedTrainingSample::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`SharedSampleError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SharedSampleError> {
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(SharedSampleError::Damaged)?;
        if u32::from_le_bytes(*take(&mut rest)?) != FEATURE_SET {
            return Err(SharedSampleError::OtherFeatures);
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
                        return Err(SharedSampleError::Damaged);
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

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], SharedSampleError> {
    let (head, tail) = rest.split_first_chunk().ok_or(SharedSampleError::Damaged)?;
    *rest = tail;
    Ok(head)
}

/// A question with its candidates renumbered; none when no candidate was right.
fn anonymized(query: &Query) -> Option<Query> {
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
    fn a_sample_round_trips_and_is_bounded() {
        let made = anonymized(&query(300, 299)).unwrap();
        assert_eq!(made.candidates.len(), CANDIDATES);
        assert_eq!(made.right.len(), 1);
        let sample = SharedTrainingSample {
            queries: vec![made, anonymized(&query(3, 1)).unwrap()],
        };
        let bytes = sample.to_bytes();
        assert_eq!(SharedTrainingSample::from_bytes(&bytes), Ok(sample.clone()));
        assert_eq!(sample.thinned(1).queries().len(), 1);
        for cut in 0..bytes.len().min(200) {
            // Nothing is made of half a file, and nothing panics.
            let _ = SharedTrainingSample::from_bytes(&bytes[..cut]);
        }
        assert_eq!(
            SharedTrainingSample::from_bytes(&bytes[..bytes.len() - 1]),
            Err(SharedSampleError::Damaged)
        );
        assert_eq!(
            SharedTrainingSample::from_bytes(b"{}"),
            Err(SharedSampleError::Damaged)
        );
    }

    #[test]
    fn a_shared_sample_of_other_features_is_told_from_a_damaged_one() {
        let sample = SharedTrainingSample {
            queries: vec![anonymized(&query(3, 1)).unwrap()],
        };
        let mut bytes = sample.to_bytes();
        bytes[MAGIC.len()] ^= 1;
        assert_eq!(
            SharedTrainingSample::from_bytes(&bytes),
            Err(SharedSampleError::OtherFeatures)
        );
    }

    #[test]
    fn a_question_without_a_right_candidate_is_left_out() {
        assert!(anonymized(&query(3, 9)).is_none());
    }
}
