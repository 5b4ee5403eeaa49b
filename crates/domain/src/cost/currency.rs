//! Currencies of ISO 4217.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// A currency in which amounts can be paid: one of ISO 4217 that has minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// Why a text is not a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a currency of ISO 4217; send a code of three capital letters such as EUR"
)]
pub struct CurrencyError {
    /// The beginning of what was found.
    pub found: String,
}

impl Currency {
    /// The US dollar.
    pub const USD: Self = Self(iso_currency::Currency::USD);
    /// The euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The code of three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits of the minor unit: 2 for EUR, 0 for JPY, 3 for BHD.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// `amount` in whole minor units, half to even.
    #[must_use]
    pub fn round(self, amount: Decimal) -> Decimal {
        let digits = self.minor_digits();
        let mut rounded =
            amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven);
        rounded.rescale(digits);
        rounded
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        // Gold, test codes and the like have no minor unit; who is replaced is no longer paid in.
        iso_currency::Currency::from_code(text)
            .filter(|found| found.exponent().is_some() && found.is_superseded().is_none())
            .map(Self)
            .ok_or_else(|| CurrencyError {
                found: text.chars().take(20).collect(),
            })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn currencies_know_their_minor_unit() {
        for (code, digits) in [("EUR", 2), ("USD", 2), ("JPY", 0), ("BHD", 3), ("CLF", 4)] {
            assert_eq!(currency(code).minor_digits(), digits, "{code}");
            assert_eq!(currency(code).to_string(), code);
        }
    }

    #[test]
    fn what_nobody_pays_in_is_refused() {
        for code in ["", "eur", "EURO", "XYZ", "XAU", "XXX", "€"] {
            let error = code.parse::<Currency>().unwrap_err();
            assert!(error.to_string().contains("EUR"), "{error}");
        }
    }

    #[test]
    fn half_goes_to_even() {
        let round = |code: &str, amount: &str| currency(code).round(decimal(amount)).to_string();
        assert_eq!(round("EUR", "0.125"), "0.12");
        assert_eq!(round("EUR", "0.135"), "0.14");
        assert_eq!(round("EUR", "0.1350000001"), "0.14");
        assert_eq!(round("JPY", "2.5"), "2");
        assert_eq!(round("JPY", "3.5"), "4");
        assert_eq!(round("BHD", "1"), "1.000");
    }
}
