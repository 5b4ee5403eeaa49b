//! A month of the calendar, in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use super::CostError;

/// A month of the calendar; days are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    first: NaiveDate,
}

/// Years that bills are written in; outside of them a month is a slip of the pen.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

impl Month {
    /// The month, where there is one: `month` from 1 to 12, `year` from 1970 to 9999.
    #[must_use]
    pub fn new(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        YEARS.contains(&year).then_some(Self { first })
    }

    /// The month that `day` is in.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self {
            first: day.with_day(1).unwrap_or(day),
        }
    }

    /// Its year.
    #[must_use]
    pub fn year(self) -> i32 {
        self.first.year()
    }

    /// Its number, from 1 to 12.
    #[must_use]
    pub fn month(self) -> u32 {
        self.first.month()
    }

    /// Its first day.
    #[must_use]
    pub fn first(self) -> NaiveDate {
        self.first
    }

    /// Its last day.
    #[must_use]
    pub fn last(self) -> NaiveDate {
        let next = self.first.checked_add_months(Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(self.first)
    }

    /// How many days it has.
    #[must_use]
    pub fn days(self) -> u32 {
        self.last().day()
    }

    /// Whether `day` is in it.
    #[must_use]
    pub fn contains(self, day: NaiveDate) -> bool {
        Self::of(day) == self
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::of(self.first.pred_opt().unwrap_or(self.first))
    }

    /// The last day that a report of the month covers on the day `today`: that day itself while
    /// the month runs, the month's last day afterwards.
    ///
    /// # Errors
    /// [`CostError::FutureMonth`] when the month has not begun.
    pub fn covered_until(self, today: NaiveDate) -> Result<NaiveDate, CostError> {
        if self.first > today {
            return Err(CostError::FutureMonth { month: self, today });
        }
        Ok(self.last().min(today))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl FromStr for Month {
    type Err = CostError;

    /// Reads `2026-11`.
    fn from_str(text: &str) -> Result<Self, CostError> {
        let digits = |part: &str, count| {
            let right = part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
            right.then(|| part.parse::<u32>().ok()).flatten()
        };
        text.split_once('-')
            .and_then(|(year, month)| Some((digits(year, 4)?, digits(month, 2)?)))
            .and_then(|(year, month)| Self::new(i32::try_from(year).ok()?, month))
            .ok_or_else(|| CostError::BadMonth {
                found: text.chars().take(20).collect(),
            })
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = CostError;

    fn try_from(text: String) -> Result<Self, CostError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn months_know_their_days() {
        let november = month("2026-11");
        assert_eq!(november.to_string(), "2026-11");
        assert_eq!(november.last().to_string(), "2026-11-30");
        assert_eq!((november.days(), month("2024-02").days()), (30, 29));
        assert_eq!(month("2026-01").previous(), month("2025-12"));
        assert!(november.contains(november.last()) && !november.contains(month("2026-12").first()));
        assert_eq!(month("9999-12").last().to_string(), "9999-12-31");
        assert_eq!(month("1970-01").previous().to_string(), "1969-12");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "26-11",
            "2026-1",
            "2026/11",
            "+026-11",
            "2026-11-01",
        ] {
            let error = text.parse::<Month>().unwrap_err();
            assert_eq!(error.reason(), "MONTH_MALFORMED", "{text}");
        }
    }

    #[test]
    fn a_month_is_covered_up_to_today_and_not_before_it_begins() {
        let november = month("2026-11");
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let covered = |today| november.covered_until(day(today));
        assert_eq!(covered("2026-11-21").unwrap(), day("2026-11-21"));
        assert_eq!(covered("2027-03-01").unwrap(), day("2026-11-30"));
        let error = covered("2026-10-31").unwrap_err();
        assert_eq!(error.reason(), "MONTH_IN_FUTURE");
        assert!(error.to_string().contains("2026-10-31"), "{error}");
    }
}
