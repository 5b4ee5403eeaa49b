//! Amounts: exact to ten decimals, added and divided with every step checked.

use rust_decimal::Decimal;

/// Decimals that amounts are exact to.
pub const AMOUNT_DECIMALS: u32 = 10;
/// Amounts and sums above this, 10^15, are mistakes; below it, no decimal is lost.
pub const MAX_AMOUNT: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// Why an amount cannot be worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// It is beyond [`MAX_AMOUNT`].
    #[error("the amount is too large to be true; look for a slip in quantities and prices")]
    TooLarge,
    /// It is below zero.
    #[error("the amount is below zero; send zero or more")]
    Negative,
    /// It has more decimals than it may have.
    #[error("the amount has more than {0} decimals; round it")]
    TooManyDecimals(u32),
}
