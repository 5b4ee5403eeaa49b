//! What is kept, and for how long.

use serde::Deserialize;

use super::ConfigError;

/// Days: a century is for ever, and does not overflow anything.
const MOST: u32 = 36_500;

/// What usage is kept, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeteringSection {
    /// Whether anything is metered at all. Without it, reports have nothing but what is shared and idle.
    pub enabled: bool,
    /// Seconds between two takings of the journal to the store. The machine's fall loses at most
    /// what was written since the last one; the process's end loses nothing.
    pub flush_seconds: u32,
    /// Days that single entries are kept: one that comes a second time in that time counts once.
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

/// What is kept, and for how long.
#[derive(Debug, Clone, Deserialize)]
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
    /// Hours between two looks for what may go.
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
