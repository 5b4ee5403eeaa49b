//! Numbers and days as people read them.

use chrono::NaiveDate;
use domain::cost::{Currency, Month};
use rust_decimal::Decimal;

use crate::MeteringError;

/// What stands where there is not a number.
pub(super) const NONE: &str = "–";

/// An amount in whole minor units, with thousands apart.
pub(super) fn amount(amount: Decimal, currency: Currency) -> String {
    grouped(currency.round(amount))
}

/// An amount with a sign, unless it is zero.
pub(super) fn change(amount: Decimal, currency: Currency) -> String {
    let rounded = currency.round(amount);
    let text = grouped(rounded);
    if rounded.is_zero() || rounded.is_sign_negative() {
        text
    } else {
        format!("+{text}")
    }
}

/// A number with thousands apart and a real minus. Zero has no sign.
pub(super) fn grouped(number: Decimal) -> String {
    let text = number.abs().to_string();
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text.as_str(), None),
    };
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 4);
    if number.is_sign_negative() && !number.is_zero() {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(decimals) = decimals {
        out.push('.');
        out.push_str(decimals);
    }
    out
}

/// `part` of `whole` in percent, to one decimal.
pub(super) fn percent(part: u64, whole: u64) -> Option<Decimal> {
    let share = Decimal::from(part).checked_div(Decimal::from(whole))?;
    share
        .checked_mul(Decimal::ONE_HUNDRED)
        .map(|share| fixed(share, 1))
}

/// A number with so many decimals.
pub(super) fn fixed(number: Decimal, decimals: u32) -> Decimal {
    let mut rounded = number.round_dp(decimals);
    rounded.rescale(decimals);
    rounded
}

/// The sum, checked.
pub(super) fn sum(
    amounts: impl IntoIterator<Item = Decimal>,
    what: &'static str,
) -> Result<Decimal, MeteringError> {
    amounts
        .into_iter()
        .try_fold(Decimal::ZERO, Decimal::checked_add)
        .ok_or(MeteringError::TooLarge(what))
}

/// `November 2026`.
pub(super) fn month_name(month: Month) -> String {
    month.first().format("%B %Y").to_string()
}

/// `21 November 2026`.
pub(super) fn long_day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// `21 Nov`.
pub(super) fn short_day(day: NaiveDate) -> String {
    day.format("%-d %b").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart_and_zero_has_no_sign() {
        let text = |number: &str| grouped(number.parse().unwrap());
        for (number, expected) in [
            ("0", "0"),
            ("-0.00", "0.00"),
            ("999.50", "999.50"),
            ("1000", "1,000"),
            ("-1234567.89", "−1,234,567.89"),
            ("0.0000001", "0.0000001"),
        ] {
            assert_eq!(text(number), expected);
        }
        let euros = |number: &str| change(number.parse().unwrap(), Currency::EUR);
        assert_eq!(euros("1234.5"), "+1,234.50");
        assert_eq!(euros("-0.001"), "0.00");
        assert_eq!(euros("-5"), "−5.00");
    }

    #[test]
    fn shares_of_nothing_are_none() {
        assert_eq!(percent(1, 3).unwrap().to_string(), "33.3");
        assert_eq!(percent(2, 2).unwrap().to_string(), "100.0");
        assert_eq!(percent(0, 0), None);
    }
}
