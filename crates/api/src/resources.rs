//! Shared pieces: times, pages, tiers, jobs, metrics.

use chrono::{DateTime, Utc};
use domain::{FieldViolation, JobKind, JobState, ModelMetrics, ResourceName, Tier};

use crate::v1;

/// A field that cannot be what the caller sent.
pub type Malformed = FieldViolation;

/// A time as protobuf writes it.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.timestamp(),
        // Always below 2 000 000 000 (leap seconds included), so it fits.
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0),
    }
}

/// A protobuf time as a time.
///
/// # Errors
/// When it lies outside what can be represented.
pub fn from_timestamp(
    field: &str,
    at: &prost_types::Timestamp,
) -> Result<DateTime<Utc>, Malformed> {
    let refused = |message: String| Err(FieldViolation::new(field, message));
    let seconds = at.seconds;
    if !SECONDS.contains(&seconds) {
        return refused(match finer_unit(seconds) {
            Some(unit) => format!(
                "has {seconds} seconds since 1970, which look like {unit}; send seconds and nanos"
            ),
            None => format!(
                "has {seconds} seconds since 1970, which is not between the years 1 and 9999; send \
                 the time it happened"
            ),
        });
    }
    let nanos = u32::try_from(at.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    match nanos.and_then(|nanos| DateTime::from_timestamp(seconds, nanos)) {
        Some(time) => Ok(time),
        None => refused(format!(
            "has {} nanos; send nanos from 0 to 999,999,999, and the rest as seconds",
            at.nanos
        )),
    }
}

/// The years 1 to 9999, in seconds since 1970: what a protobuf time may be.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The unit in which a number would be a time of this or the next century.
fn finer_unit(number: i64) -> Option<&'static str> {
    // From 1990 to 2100, in seconds.
    let plausible = 631_152_000..4_102_444_800;
    let units = [
        (1_000, "milliseconds"),
        (1_000_000, "microseconds"),
        (1_000_000_000, "nanoseconds"),
    ];
    let found = units
        .into_iter()
        .find(|(of_second, _)| plausible.contains(&(number / of_second)));
    found.map(|(_, unit)| unit)
}

/// How many entries a page may have: `default` when 0 was asked for, `most` at the most.
///
/// # Errors
/// When the size is negative.
pub fn page_limit(page_size: i32, default: u32, most: u32) -> Result<u32, Malformed> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(most)),
        Err(_) => Err(FieldViolation::new("page_size", "must not be negative")),
    }
}

impl From<Tier> for v1::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Global => Self::Global,
            Tier::Vertical => Self::Vertical,
            Tier::Tenant => Self::Tenant,
        }
    }
}

impl From<JobState> for v1::job::State {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Queued => Self::Queued,
            JobState::Running => Self::Running,
            JobState::Succeeded => Self::Succeeded,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<JobKind> for v1::job::Kind {
    fn from(kind: JobKind) -> Self {
        match kind {
            JobKind::IndexItems => Self::IndexItems,
            JobKind::RebuildIndex => Self::RebuildIndex,
            JobKind::Retrain => Self::Retrain,
            JobKind::EraseTenant => Self::EraseTenant,
            JobKind::TrainTier => Self::TrainTier,
            JobKind::CheckChampion => Self::CheckChampion,
            JobKind::ReproduceModel => Self::ReproduceModel,
            JobKind::PruneModels => Self::PruneModels,
            JobKind::Precompute => Self::Precompute,
            JobKind::SwitchSpace => Self::SwitchSpace,
            JobKind::CompareSpaces => Self::CompareSpaces,
        }
    }
}

impl From<domain::Job> for v1::Job {
    fn from(job: domain::Job) -> Self {
        Self {
            name: ResourceName::Job(job.tenant, job.id).to_string(),
            kind: v1::job::Kind::from(job.kind).into(),
            state: v1::job::State::from(job.state).into(),
            fraction: job.progress.fraction,
            step: job.progress.step,
            attempts: job.attempts,
            outcome: job.outcome.into_iter().collect(),
            error: job.error.unwrap_or_default(),
            create_time: Some(timestamp(job.created_at)),
            start_time: job.started_at.map(timestamp),
            end_time: job.finished_at.map(timestamp),
        }
    }
}

impl From<ModelMetrics> for v1::RankingMetrics {
    fn from(metrics: ModelMetrics) -> Self {
        Self {
            queries: metrics.queries,
            hit_at_1: metrics.hit_at_1,
            hit_at_5: metrics.hit_at_5,
            mrr: metrics.mrr,
            ndcg_at_10: metrics.ndcg_at_10,
        }
    }
}

impl v1::job::Kind {
    /// The kind asked for in a filter; none for "any".
    #[must_use]
    pub fn filter(self) -> Option<JobKind> {
        match self {
            Self::Unspecified => None,
            Self::IndexItems => Some(JobKind::IndexItems),
            Self::RebuildIndex => Some(JobKind::RebuildIndex),
            Self::Retrain => Some(JobKind::Retrain),
            Self::EraseTenant => Some(JobKind::EraseTenant),
            Self::TrainTier => Some(JobKind::TrainTier),
            Self::CheckChampion => Some(JobKind::CheckChampion),
            Self::ReproduceModel => Some(JobKind::ReproduceModel),
            Self::PruneModels => Some(JobKind::PruneModels),
            Self::Precompute => Some(JobKind::Precompute),
            Self::SwitchSpace => Some(JobKind::SwitchSpace),
            Self::CompareSpaces => Some(JobKind::CompareSpaces),
        }
    }
}

impl v1::job::State {
    /// The state asked for in a filter; none for "any".
    #[must_use]
    pub fn filter(self) -> Option<JobState> {
        match self {
            Self::Unspecified => None,
            Self::Queued => Some(JobState::Queued),
            Self::Running => Some(JobState::Running),
            Self::Succeeded => Some(JobState::Succeeded),
            Self::Failed => Some(JobState::Failed),
            Self::Cancelled => Some(JobState::Cancelled),
        }
    }

    /// Whether nothing more will happen to the job.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seconds: i64, nanos: i32) -> String {
        let at = prost_types::Timestamp { seconds, nanos };
        let refused = from_timestamp("occur_time", &at).unwrap_err();
        assert_eq!(refused.field, "occur_time");
        refused.message
    }

    #[test]
    fn a_bad_time_says_what_is_bad_about_it() {
        assert!(said(1_763_251_200_000, 0).contains("look like milliseconds"));
        assert!(said(1_763_251_200_000_000, 0).contains("look like microseconds"));
        assert!(said(1_763_251_200_000_000_000, 0).contains("look like nanoseconds"));
        assert!(said(i64::MIN, 0).contains("between the years 1 and 9999"));
        assert!(said(253_402_300_800, 0).contains("between the years 1 and 9999"));
        for nanos in [-1, 1_000_000_000, i32::MIN, i32::MAX] {
            assert!(said(0, nanos).contains("nanos from 0 to 999,999,999"));
        }
    }

    #[test]
    fn times_round_trip_to_the_ends_of_the_calendar() {
        for (seconds, nanos) in [
            (-62_135_596_800, 0),
            (253_402_300_799, 999_999_999),
            (-1, 1),
        ] {
            let at = prost_types::Timestamp { seconds, nanos };
            assert_eq!(timestamp(from_timestamp("t", &at).unwrap()), at);
        }
    }
}
