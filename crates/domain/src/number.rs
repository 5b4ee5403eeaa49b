//! Numbers as people write them: with a point or a comma before the decimals, and with separators between
//! thousands, where the meaning is certain.

/// The number in a text; none where there is none, or where it could be either of two (`1,500` is one and a
/// half or one thousand five hundred). Spaces around it do not count.
///
/// One separator is the decimal one unless exactly three digits follow it and it is a comma; of two kinds the
/// last one is; one that stands more than once separates thousands.
#[must_use]
pub fn read_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
    if let Some(value) = plain(text) {
        return Some(value);
    }
    let (sign, digits) = match text.strip_prefix(['-', '+', '\u{2212}']) {
        Some(rest) if text.starts_with('+') => ("", rest),
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    // Only spaces and apostrophes between thousands; a number has them nowhere else.
    let digits = ungrouped(digits, &[' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}'])?;
    let known = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    if digits.is_empty() || !digits.chars().all(known) {
        return None;
    }
    let (comma, point) = (digits.rfind(','), digits.rfind('.'));
    let many = |c: char| digits.matches(c).count() > 1;
    let plainly = match (comma, point) {
        (None, None) => digits,
        (Some(comma), Some(point)) => {
            let (decimal, thousand) = if comma > point {
                (',', '.')
            } else {
                ('.', ',')
            };
            if many(decimal) {
                return None;
            }
            let (whole, rest) = digits.split_once(decimal)?;
            format!("{}.{rest}", ungrouped(whole, &[thousand])?)
        }
        (Some(_), None) if many(',') => ungrouped(&digits, &[','])?,
        (None, Some(_)) if many('.') => ungrouped(&digits, &['.'])?,
        (Some(comma), None) => {
            let (whole, rest) = (&digits[..comma], &digits[comma + 1..]);
            let ambiguous =
                rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            if ambiguous || rest.is_empty() {
                return None;
            }
            format!("{whole}.{rest}")
        }
        (None, Some(_)) => digits,
    };
    plain(&format!("{sign}{plainly}"))
}

/// The digits without their separators; none unless they stand between groups of three.
fn ungrouped(digits: &str, separators: &[char]) -> Option<String> {
    let groups: Vec<&str> = digits.split(separators).collect();
    let (first, others) = groups.split_first()?;
    if others.is_empty() {
        return Some(digits.to_owned());
    }
    let last = others.len() - 1;
    let sound = others.iter().enumerate().all(|(at, group)| {
        let whole = if at == last {
            group.split([',', '.']).next().unwrap_or_default()
        } else {
            group
        };
        whole.len() == 3 && whole.bytes().all(|b| b.is_ascii_digit())
    });
    let begun = (1..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_digit());
    (sound && begun).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_where_their_meaning_is_certain() {
        for (text, value) in [
            ("3.5", 3.5),
            (" 8 ", 8.0),
            ("2,25", 2.25),
            ("-0,5", -0.5),
            ("\u{2212}4", -4.0),
            ("0,125", 0.125),
            ("1234,567", 1_234.567),
            ("1.234,5", 1_234.5),
            ("1,234.5", 1_234.5),
            ("1,234,567", 1_234_567.0),
            ("1.234.567", 1_234_567.0),
            ("12\u{a0}000,75", 12_000.75),
            ("12'000", 12_000.0),
            ("1e3", 1_000.0),
        ] {
            assert_eq!(read_number(text), Some(value), "{text:?}");
        }
        for text in [
            "", "-", "n/a", "none", "NaN", "inf", "1,500", "1,", ",", "1,2,3", "1.2.3,4", "12 34",
            "3 days", "1,23.4,5", "1 2345", "five", "5%",
        ] {
            assert_eq!(read_number(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_program_writes_is_read_back(value in -1e12..1e12f64) {
            prop_assert_eq!(read_number(&value.to_string()), Some(value));
        }

        #[test]
        fn a_decimal_comma_is_a_point(whole in 0..10_000u32, rest in "[0-9]{1,2}") {
            let wanted: f64 = format!("{whole}.{rest}").parse().unwrap();
            prop_assert_eq!(read_number(&format!("{whole},{rest}")), Some(wanted));
        }

        #[test]
        fn any_text_gives_a_finite_number_or_none(text in ".{0,12}") {
            prop_assert!(read_number(&text).is_none_or(f64::is_finite));
        }
    }
}
