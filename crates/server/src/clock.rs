//! The machine's clock: read here and nowhere else.

use chrono::Utc;
use domain::Clock;

/// The machine's clock, for start-up to pass on.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub fn system_clock() -> Clock {
    Clock::new(Utc::now)
}
