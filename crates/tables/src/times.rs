//! Times as databases, Java, pandas and spreadsheets write them.
//!
//! A form that can only mean one thing is read. Where it could mean two, the file decides, if it has
//! a date that only one of them can be; else nothing is guessed, and the person is told how to say it.

mod forms;

use chrono::format::{Parsed, StrftimeItems, parse};
use chrono::{
    DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use self::forms::{slashed, usual};

/// How the times of a file are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeRules {
    /// The form, where the person says it.
    pub format: Option<TimeFormat>,
    /// The zone of times that name none, where the person says it; else UTC.
    pub zone: Option<Tz>,
    /// Which comes first in `03/04/2025`, where the file shows it.
    pub order: Option<DayOrder>,
}

/// A form of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// As strftime writes it, for example `%d/%m/%Y %H:%M`.
    Strftime(String),
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMillis,
    /// Microseconds since 1970.
    UnixMicros,
    /// Nanoseconds since 1970.
    UnixNanos,
    /// Days since 1899-12-30, as spreadsheets count.
    Excel,
}

/// Which comes first in a date between slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    /// `25/12/2024`
    DayFirst,
    /// `12/25/2024`
    MonthFirst,
}

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadTime {
    /// The time.
    pub at: DateTime<Utc>,
    /// It named no zone.
    pub without_zone: bool,
    /// Day and month were told apart by other rows of the file.
    pub by_order: bool,
}

impl std::str::FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "unix" => Self::Unix,
            "unix-ms" => Self::UnixMillis,
            "unix-us" => Self::UnixMicros,
            "unix-ns" => Self::UnixNanos,
            "excel" => Self::Excel,
            _ if text.contains('%')
                && !StrftimeItems::new(text)
                    .any(|item| matches!(item, chrono::format::Item::Error)) =>
            {
                Self::Strftime(text.to_owned())
            }
            _ => {
                return Err(
                    "write unix, unix-ms, unix-us, unix-ns, excel, or a form such as \
                            '%d/%m/%Y %H:%M'"
                        .to_owned(),
                );
            }
        })
    }
}

impl std::fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Strftime(format) => format,
            Self::Unix => "unix",
            Self::UnixMillis => "unix-ms",
            Self::UnixMicros => "unix-us",
            Self::UnixNanos => "unix-ns",
            Self::Excel => "excel",
        })
    }
}

/// The zone of that name, for example `Europe/Berlin`.
///
/// # Errors
/// A sentence when there is none.
pub fn zone(name: &str) -> Result<Tz, String> {
    let known = chrono_tz::TZ_VARIANTS.iter().copied();
    let found = known
        .into_iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| "write a zone such as UTC, Europe/Berlin or America/New_York".to_owned())
}

/// A time before its zone is known.
enum Local {
    Fixed(DateTime<FixedOffset>),
    Open(NaiveDateTime),
}

impl TimeRules {
    /// Reads one time.
    ///
    /// # Errors
    /// A sentence that begins after the field's name: what it is, and what to do.
    pub fn read(&self, text: &str) -> Result<ReadTime, String> {
        let text = text.trim();
        let mut by_order = false;
        let local = match &self.format {
            Some(format) => format.read(text)?,
            None => match usual(text) {
                Some(local) => local,
                None => {
                    by_order = slashed(text).is_some_and(|date| date.ambiguous());
                    self.slashed(text)?
                }
            },
        };
        let (at, without_zone) = match local {
            Local::Fixed(at) => (at.with_timezone(&Utc), false),
            Local::Open(at) => (self.in_zone(at)?, true),
        };
        Ok(ReadTime {
            at,
            without_zone,
            by_order,
        })
    }

    fn in_zone(&self, at: NaiveDateTime) -> Result<DateTime<Utc>, String> {
        let Some(zone) = self.zone else {
            return Ok(at.and_utc());
        };
        match zone.from_local_datetime(&at) {
            LocalResult::Single(at) => Ok(at.with_timezone(&Utc)),
            LocalResult::Ambiguous(..) => Err(format!(
                "is {at}, which came twice in {zone} when the clocks went back; write its offset, \
                 such as +01:00"
            )),
            LocalResult::None => Err(format!(
                "is {at}, which never was in {zone}, as the clocks went forward; write its offset, \
                 such as +01:00"
            )),
        }
    }

    fn slashed(&self, text: &str) -> Result<Local, String> {
        let date = slashed(text).ok_or_else(|| not_a_time(text))?;
        let order = date.certain().or(self.order).ok_or_else(|| {
            format!(
                "is {text:?}, which may be day/month or month/day; say which with --time-format \
                 '%d/%m/%Y' or '%m/%d/%Y'"
            )
        })?;
        let day = match order {
            DayOrder::DayFirst => NaiveDate::from_ymd_opt(date.year, date.second, date.first),
            DayOrder::MonthFirst => NaiveDate::from_ymd_opt(date.year, date.first, date.second),
        };
        let day = day.ok_or_else(|| not_a_time(text))?;
        Ok(Local::Open(day.and_time(date.time)))
    }
}

/// Which order the date of `text` must have; none where it has no slashes, or could have both.
#[must_use]
pub fn order_of(text: &str) -> Option<DayOrder> {
    slashed(text.trim())?.certain()
}

impl TimeFormat {
    fn read(&self, text: &str) -> Result<Local, String> {
        let per_second: i128 = match self {
            Self::Strftime(format) => return strftime(text, format),
            Self::Excel => return excel(text),
            Self::Unix => 1,
            Self::UnixMillis => 1_000,
            Self::UnixMicros => 1_000_000,
            Self::UnixNanos => 1_000_000_000,
        };
        let refuse = || format!("is {text:?}, which is not the number that --time-format asks for");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let count: i128 = whole.parse().map_err(|_| refuse())?;
        let mut nanos = count.checked_mul(1_000_000_000).ok_or_else(refuse)? / per_second;
        if *self == Self::Unix && !fraction.is_empty() {
            let digits = format!("{fraction:0<9}");
            nanos += digits
                .get(..9)
                .and_then(|d| d.parse::<i128>().ok())
                .ok_or_else(refuse)?;
        }
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| refuse())?;
        let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).map_err(|_| refuse())?;
        let at = DateTime::from_timestamp(seconds, rest).ok_or_else(refuse)?;
        Ok(Local::Fixed(at.fixed_offset()))
    }
}

fn strftime(text: &str, format: &str) -> Result<Local, String> {
    let refuse = || format!("is {text:?}, which has not the form {format:?} of --time-format");
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, StrftimeItems::new(format)).map_err(|_| refuse())?;
    if let Ok(at) = parsed.to_datetime() {
        return Ok(Local::Fixed(at));
    }
    let day = parsed.to_naive_date().map_err(|_| refuse())?;
    let time = parsed.to_naive_time().unwrap_or_default();
    Ok(Local::Open(day.and_time(time)))
}

/// Days since 1899-12-30: the count of spreadsheets with the 1900 epoch, right from 1900-03-01 on.
fn excel(text: &str) -> Result<Local, String> {
    let refuse =
        || format!("is {text:?}, which is not the number of a day that spreadsheets write");
    let days: f64 = text.replace(',', ".").parse().map_err(|_| refuse())?;
    if !(61.0..2_958_466.0).contains(&days) {
        return Err(refuse());
    }
    let first = NaiveDate::from_ymd_opt(1899, 12, 30).ok_or_else(refuse)?;
    // Inside the bounds above, milliseconds are far from where a float loses whole numbers.
    #[allow(clippy::cast_possible_truncation)]
    let millis = (days * 86_400_000.0).round() as i64;
    let at = first.and_time(NaiveTime::MIN) + chrono::TimeDelta::milliseconds(millis);
    Ok(Local::Open(at))
}

fn not_a_time(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let remedy = if number {
        "it is a number: say what it counts with --time-format unix, unix-ms or excel".to_owned()
    } else {
        "write it like 2024-05-01T09:00:00Z, or say its form with --time-format, such as \
         '%d/%m/%Y %H:%M'"
            .to_owned()
    };
    format!("is {shown:?}, which is not a time: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rules: &TimeRules, text: &str) -> Result<String, String> {
        let read = rules.read(text)?;
        let mark = if read.without_zone { " local" } else { "" };
        Ok(format!("{}{mark}", read.at.format("%Y-%m-%dT%H:%M:%S%.f")))
    }

    #[test]
    fn forms_that_mean_one_thing_are_read() {
        let rules = TimeRules::default();
        for (text, at) in [
            ("2025-03-01T09:00:00Z", "2025-03-01T09:00:00"),
            ("2025-03-01T09:00:00+0100", "2025-03-01T08:00:00"),
            ("2025-03-01T09:00:00+01", "2025-03-01T08:00:00"),
            ("2025-03-01T09:00Z", "2025-03-01T09:00:00"),
            ("2025-03-01 09:00:00Z", "2025-03-01T09:00:00"),
            ("2025-03-01 09:00:00 UTC", "2025-03-01T09:00:00"),
            ("2025-03-01 09:00:00.5 +0000 UTC", "2025-03-01T09:00:00.500"),
            (
                "2025-03-01T09:00:00.123456789Z",
                "2025-03-01T09:00:00.123456789",
            ),
            (
                "2025-03-01T09:00+01:00[Europe/Berlin]",
                "2025-03-01T08:00:00",
            ),
            ("2025-03-01 09:00:00-05:30", "2025-03-01T14:30:00"),
            ("Sat, 01 Mar 2025 09:00:00 +0100", "2025-03-01T08:00:00"),
            ("2025-03-01 09:00:00", "2025-03-01T09:00:00 local"),
            ("2025-03-01 09:00:00,250", "2025-03-01T09:00:00.250 local"),
            ("2025-03-01", "2025-03-01T00:00:00 local"),
            ("20250301", "2025-03-01T00:00:00 local"),
            ("20250301T090000", "2025-03-01T09:00:00 local"),
            ("01.03.2025 09:00", "2025-03-01T09:00:00 local"),
            ("1.3.2025", "2025-03-01T00:00:00 local"),
            ("2025/03/01 09:00", "2025-03-01T09:00:00 local"),
            ("01-Mar-2025", "2025-03-01T00:00:00 local"),
            ("March 1, 2025", "2025-03-01T00:00:00 local"),
            ("1 Mar 2025 9:05 PM", "2025-03-01T21:05:00 local"),
            ("Sat Mar 01 09:00:00 2025", "2025-03-01T09:00:00 local"),
            ("Sat Mar 01 09:00:00 UTC 2025", "2025-03-01T09:00:00"),
            ("01-MAR-2025 09:00:00", "2025-03-01T09:00:00 local"),
            ("25/12/2024", "2024-12-25T00:00:00 local"),
            ("12/25/2024 9:00:00 PM", "2024-12-25T21:00:00 local"),
        ] {
            assert_eq!(read(&rules, text).as_deref(), Ok(at), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_not_guessed() {
        let rules = TimeRules::default();
        assert!(
            read(&rules, "03/04/2025")
                .unwrap_err()
                .contains("day/month")
        );
        let told = TimeRules {
            order: Some(DayOrder::MonthFirst),
            ..TimeRules::default()
        };
        assert_eq!(
            read(&told, "03/04/2025").unwrap(),
            "2025-03-04T00:00:00 local"
        );
        assert!(told.read("03/04/2025").unwrap().by_order);
        assert_eq!(order_of("25/12/2024"), Some(DayOrder::DayFirst));
        assert_eq!(order_of("03/04/2025"), None);
        for text in [
            "1714546800",
            "45717.375",
            "soon",
            "",
            "2025-13-01",
            "01/02/25",
            "99/99/2025",
        ] {
            assert!(read(&rules, text).is_err(), "{text}");
        }
        assert!(
            read(&rules, "1714546800")
                .unwrap_err()
                .contains("--time-format unix")
        );
    }

    #[test]
    fn a_form_that_is_said_is_taken_at_its_word() {
        let rules = |format: &str| TimeRules {
            format: Some(format.parse().unwrap()),
            ..TimeRules::default()
        };
        for (format, text, at) in [
            ("%d/%m/%Y", "03/04/2025", "2025-04-03T00:00:00 local"),
            (
                "%d/%m/%y %H.%M",
                "03/04/25 07.30",
                "2025-04-03T07:30:00 local",
            ),
            (
                "%Y-%m-%d %H:%M %z",
                "2025-04-03 07:30 +0200",
                "2025-04-03T05:30:00",
            ),
            ("unix", "1714546800", "2024-05-01T07:00:00"),
            ("unix", "1714546800.25", "2024-05-01T07:00:00.250"),
            ("unix-ms", "1714546800123", "2024-05-01T07:00:00.123"),
            ("unix-us", "1714546800123456", "2024-05-01T07:00:00.123456"),
            ("unix-ns", "-1", "1969-12-31T23:59:59.999999999"),
            ("excel", "45717.375", "2025-03-01T09:00:00 local"),
        ] {
            assert_eq!(read(&rules(format), text).as_deref(), Ok(at), "{format}");
        }
        assert!(
            read(&rules("%d/%m/%Y"), "2025-04-03")
                .unwrap_err()
                .contains("%d/%m/%Y")
        );
        assert!(read(&rules("excel"), "1714546800").is_err());
        assert!("yyyy".parse::<TimeFormat>().is_err() && "%Q".parse::<TimeFormat>().is_err());
    }

    #[test]
    fn a_zone_is_taken_with_its_summer() {
        let rules = TimeRules {
            zone: Some(zone("europe/berlin").unwrap()),
            ..TimeRules::default()
        };
        assert_eq!(
            read(&rules, "2025-01-01 12:00").unwrap(),
            "2025-01-01T11:00:00 local"
        );
        assert_eq!(
            read(&rules, "2025-07-01 12:00").unwrap(),
            "2025-07-01T10:00:00 local"
        );
        assert!(
            read(&rules, "2025-10-26 02:30")
                .unwrap_err()
                .contains("twice")
        );
        assert!(
            read(&rules, "2025-03-30 02:30")
                .unwrap_err()
                .contains("never")
        );
        assert!(zone("Mars/Olympus").is_err());
    }
}
