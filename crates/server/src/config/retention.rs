//! How long things are kept: usage, models, answers, jobs.

use serde::Deserialize;

use super::ConfigError;

/// Days: a century is longer than anything is kept, and overflows nothing.
const MOST: u32 = 36_500;

/// Metering, and how long usage is kept.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct MeteringSection {
    /// Whether usage is metered. Without it, reports hold nothing but shared and idle costs.
    pub enabled: bool,
    /// Seconds between two moves of the journal into the store. A power loss costs at most what was
    /// recorded since the last one; the end of the process costs nothing.
    pub flush_seconds: u32,
    /// Days that single entries are kept: one that arrives twice in that time counts once.
    pub entries_days: u32,
    /// Days that sums by hour are kept.
    pub hours_days: u32,
    /// Days that sums by day are kept.
    pub days_days: u32,
    /// The hour (UTC) at which the day before is closed: what comes later is an adjustment.
    pub close_hour: u32,
}

impl Default for MeteringSection {
    fn default() -> Self {
        Self {
            enabled: true,
            flush_seconds: 1,
            entries_days: 7,
            hours_days: 92,
            days_days: 3 * 366,
            close_hour: 6,
        }
    }
}

impl MeteringSection {
    /// Checks the bounds.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        in_bounds(&[
            ("metering.flush_seconds", self.flush_seconds, 1, 3_600),
            ("metering.entries_days", self.entries_days, 2, MOST),
            ("metering.hours_days", self.hours_days, 2, MOST),
            // Less would not hold a month and the one before it.
            ("metering.days_days", self.days_days, 62, MOST),
            ("metering.close_hour", self.close_hour, 0, 23),
        ])
    }
}

/// How long models, answers, jobs and requests are kept.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSection {
    /// The newest versions of each model that stay, whatever their age.
    pub models_newest: u32,
    /// Days that every version of a model stays.
    pub models_days: u32,
    /// Days that answers wait for their feedback.
    pub answers_days: u32,
    /// Days that jobs can be looked at after they ended.
    pub jobs_days: u32,
    /// Days that a repeated request gets its first answer.
    pub requests_days: u32,
    /// Hours between two runs that delete what is older.
    pub every_hours: u32,
}

impl Default for RetentionSection {
    fn default() -> Self {
        Self {
            models_newest: 10,
            models_days: 30,
            answers_days: 90,
            jobs_days: 30,
            requests_days: 7,
            every_hours: 6,
        }
    }
}

impl RetentionSection {
    /// Checks the bounds.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        in_bounds(&[
            ("retention.models_newest", self.models_newest, 1, 10_000),
            ("retention.models_days", self.models_days, 0, MOST),
            ("retention.answers_days", self.answers_days, 1, MOST),
            ("retention.jobs_days", self.jobs_days, 1, MOST),
            ("retention.requests_days", self.requests_days, 1, MOST),
            ("retention.every_hours", self.every_hours, 1, 24 * 30),
        ])
    }
}

/// Checks numbers: the key, the value, the least and the most.
fn in_bounds(bounds: &[(&'static str, u32, u32, u32)]) -> Result<(), ConfigError> {
    for &(key, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            let problem = format!("is {value}; must be from {least} to {most}");
            return Err(ConfigError::Invalid { key, problem });
        }
    }
    Ok(())
}
