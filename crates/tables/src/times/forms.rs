//! Forms of dates and times, and what they can mean.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _};

use super::{DayOrder, Local};

/// Forms that mean one thing.
pub(super) fn usual(text: &str) -> Option<Local> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(Local::Fixed(at));
    }
    if let Ok(at) = DateTime::parse_from_rfc2822(text) {
        return Some(Local::Fixed(at));
    }
    // Java's own form has the zone before the year: `Sat Mar 01 09:00:00 UTC 2025`.
    for zone in [" UTC ", " GMT "] {
        if let Some((day, year)) = text.split_once(zone) {
            let at = format!("{day} {year}");
            let at = NaiveDateTime::parse_from_str(&at, "%a %b %d %H:%M:%S %Y").ok()?;
            return Some(Local::Fixed(at.and_utc().fixed_offset()));
        }
    }
    let (text, zone) = split_zone(text);
    let local = local(text)?;
    Some(match zone {
        Some(offset) => Local::Fixed(offset.from_local_datetime(&local).single()?),
        None => Local::Open(local),
    })
}

/// A zone at the end that says its offset, and the text before it: `Z`, `UTC`, `+01`, `+0100`,
/// `+01:00`, ` +0000 UTC` of Go, `[Europe/Berlin]` of Java after an offset.
fn split_zone(text: &str) -> (&str, Option<FixedOffset>) {
    let text = match text.split_once('[') {
        Some((before, zone)) if zone.ends_with(']') => before.trim_end(),
        _ => text,
    };
    let utc = FixedOffset::east_opt(0);
    let without = ["UTC", "GMT", "Z", "z"].into_iter().find_map(|zone| {
        let before = text.strip_suffix(zone)?;
        before
            .ends_with(|c: char| c.is_ascii_digit() || c == ' ')
            .then(|| before.trim_end())
    });
    let (text, named) = without.map_or((text, None), |before| (before, utc));
    // A sign behind a time of day: dates have hyphens of their own.
    let Some(sign) = text
        .rfind(['+', '-', '\u{2212}'])
        .filter(|at| text[..*at].contains(':'))
    else {
        return (text, named);
    };
    let width = text[sign..].chars().next().map_or(1, char::len_utf8);
    let digits = text[sign + width..].replace(':', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return (text, named);
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i32>(), Ok(0)),
        4 => (digits[..2].parse(), digits[2..].parse::<i32>()),
        _ => return (text, named),
    };
    let (Ok(hours), Ok(minutes)) = (hours, minutes) else {
        return (text, named);
    };
    let seconds = hours * 3_600 + minutes * 60;
    let east = if text[sign..].starts_with('+') {
        seconds
    } else {
        -seconds
    };
    match FixedOffset::east_opt(east) {
        Some(offset) => (text[..sign].trim_end(), Some(offset)),
        None => (text, named),
    }
}

/// A date with or without a time of day, without a zone.
fn local(text: &str) -> Option<NaiveDateTime> {
    const DATES: [&str; 11] = [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%Y%m%d",
        "%d.%m.%Y",
        "%d-%b-%Y",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%a %b %d %Y",
    ];
    // `Sat Mar 01 09:00:00 2025`: the year comes behind the time of day.
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%a %b %d %H:%M:%S %Y") {
        return Some(at);
    }
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S") {
        return Some(at);
    }
    DATES.into_iter().find_map(|format| {
        let (day, rest) = NaiveDate::parse_and_remainder(text, format).ok()?;
        // A year of two digits is no year.
        (chrono::Datelike::year(&day) >= 1_000).then_some(())?;
        Some(day.and_time(time_of_day(rest)?))
    })
}

/// What follows a date: nothing, or a time of day behind `T`, a blank or a comma.
fn time_of_day(rest: &str) -> Option<NaiveTime> {
    if rest.is_empty() {
        return Some(NaiveTime::MIN);
    }
    let time = rest.strip_prefix(['T', 't', ' ', ','])?.trim();
    let time = time
        .strip_suffix("Uhr")
        .unwrap_or(time)
        .trim_end()
        .replace(',', ".");
    const TIMES: [&str; 6] = [
        "%H:%M:%S%.f",
        "%H:%M",
        "%H.%M.%S%.f",
        "%I:%M:%S%.f %p",
        "%I:%M %p",
        "%I:%M%p",
    ];
    TIMES
        .into_iter()
        .find_map(|format| NaiveTime::parse_from_str(&time, format).ok())
}

/// A date between slashes, or hyphens with the year at the end.
pub(super) struct Slashed {
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) year: i32,
    pub(super) time: NaiveTime,
}

impl Slashed {
    /// The order that it must have.
    pub(super) fn certain(&self) -> Option<DayOrder> {
        match (self.first, self.second) {
            (13..=31, 1..=12) => Some(DayOrder::DayFirst),
            (1..=12, 13..=31) => Some(DayOrder::MonthFirst),
            // The same day either way.
            (1..=12, second) if second == self.first => Some(DayOrder::DayFirst),
            _ => None,
        }
    }

    /// It could have both.
    pub(super) fn ambiguous(&self) -> bool {
        self.certain().is_none()
    }
}

/// The date of `text`, where it is written so.
pub(super) fn slashed(text: &str) -> Option<Slashed> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.splitn(3, separator);
    let (first, second, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let year = rest.get(..4)?;
    let numbers = [first, second]
        .iter()
        .all(|part| matches!(part.len(), 1 | 2));
    if !numbers || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Slashed {
        first: first.parse().ok()?,
        second: second.parse().ok()?,
        year: year.parse().ok()?,
        time: time_of_day(&rest[4..])?,
    })
}
