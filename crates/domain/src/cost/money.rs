//! Amounts: exact to ten decimals, added and divided with every step checked.
//!
//! Divisions are done in whole numbers of the smallest unit, so that nothing is lost between the
//! parts and their sum.

use rust_decimal::{Decimal, prelude::ToPrimitive};

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

/// Parts of `total` in proportion to `weights`, each in whole units of the `scale`th decimal: they
/// sum exactly to the total, and each is less than one unit off its fair share (the method of the
/// largest remainder; of equal remainders the earlier gets the unit). Weights that are all zero
/// count the same. No weights, no parts.
///
/// # Errors
/// [`MoneyError`] when the total or a weight is negative or too large, or has more decimals than
/// `scale`, or than [`AMOUNT_DECIMALS`] for a weight.
pub fn split(total: Decimal, weights: &[Decimal], scale: u32) -> Result<Vec<Decimal>, MoneyError> {
    let weights: Vec<u128> = weights
        .iter()
        .map(|weight| units(*weight, AMOUNT_DECIMALS))
        .collect::<Result<_, _>>()?;
    split_by(total, &weights, scale)
}

/// The same for whole weights.
pub(super) fn split_by(
    total: Decimal,
    weights: &[u128],
    scale: u32,
) -> Result<Vec<Decimal>, MoneyError> {
    let parts = shares(units(total, scale)?, weights)?;
    parts.into_iter().map(|part| amount(part, scale)).collect()
}

/// `exact` amounts rounded to `digits` so that they sum to `total`, their own rounded sum: each goes
/// to the unit below or above, those with the largest remainders above.
pub(super) fn round_parts(
    total: Decimal,
    exact: &[Decimal],
    digits: u32,
) -> Result<Vec<Decimal>, MoneyError> {
    let one = 10_u128.pow(AMOUNT_DECIMALS.saturating_sub(digits));
    let exact: Vec<u128> = exact
        .iter()
        .map(|part| units(*part, AMOUNT_DECIMALS))
        .collect::<Result<_, _>>()?;
    let below: Vec<u128> = exact.iter().map(|part| part / one).collect();
    let rests: Vec<u128> = exact.iter().map(|part| part % one).collect();
    let parts = hand_out(units(total, digits)?, below, &rests);
    parts.into_iter().map(|part| amount(part, digits)).collect()
}

/// `a + b`.
pub(super) fn add(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    a.checked_add(b)
        .filter(|sum| sum.abs() <= MAX_AMOUNT)
        .ok_or(MoneyError::TooLarge)
}

/// The sum of `amounts`.
pub(super) fn sum(amounts: impl IntoIterator<Item = Decimal>) -> Result<Decimal, MoneyError> {
    amounts.into_iter().try_fold(Decimal::ZERO, add)
}

/// `amount * numerator / denominator` to ten decimals, half to even; a denominator of 0 counts as 1.
pub(super) fn scaled(
    whole: Decimal,
    numerator: u128,
    denominator: u128,
) -> Result<Decimal, MoneyError> {
    let product = units(whole, AMOUNT_DECIMALS)?.checked_mul(numerator);
    let product = product.ok_or(MoneyError::TooLarge)?;
    amount(half_even(product, denominator.max(1)), AMOUNT_DECIMALS)
}

/// `a * b` to ten decimals, half to even.
pub(super) fn times(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    scaled(a, units(b, AMOUNT_DECIMALS)?, 10_u128.pow(AMOUNT_DECIMALS))
}

/// How many units of the `scale`th decimal an amount has, exactly.
fn units(amount: Decimal, scale: u32) -> Result<u128, MoneyError> {
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(MoneyError::Negative);
    }
    if amount > MAX_AMOUNT {
        return Err(MoneyError::TooLarge);
    }
    let mut same = amount.normalize();
    if same.scale() > scale {
        return Err(MoneyError::TooManyDecimals(scale));
    }
    same.rescale(scale);
    // Beyond 28 digits the scale stays behind.
    if same.scale() != scale {
        return Err(MoneyError::TooLarge);
    }
    same.mantissa().to_u128().ok_or(MoneyError::Negative)
}

/// The amount of so many units of the `scale`th decimal.
fn amount(units: u128, scale: u32) -> Result<Decimal, MoneyError> {
    i128::try_from(units)
        .ok()
        .and_then(|units| Decimal::try_from_i128_with_scale(units, scale).ok())
        .filter(|amount| *amount <= MAX_AMOUNT)
        .ok_or(MoneyError::TooLarge)
}

fn half_even(numerator: u128, denominator: u128) -> u128 {
    let (below, rest) = (numerator / denominator, numerator % denominator);
    // Compared with what is missing to the next, for twice the rest might not fit.
    let up = match rest.cmp(&(denominator - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => below % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    below + u128::from(up)
}

fn shares(total: u128, weights: &[u128]) -> Result<Vec<u128>, MoneyError> {
    let sum = weights
        .iter()
        .try_fold(0_u128, |sum, weight| sum.checked_add(*weight))
        .filter(|sum| *sum < 1 << 126)
        .ok_or(MoneyError::TooLarge)?;
    if sum == 0 && !weights.is_empty() {
        return shares(total, &vec![1; weights.len()]);
    }
    let (below, rests): (Vec<_>, Vec<_>) = weights
        .iter()
        .map(|weight| portion(total, *weight, sum))
        .unzip();
    Ok(hand_out(total, below, &rests))
}

/// Gives what `parts` lack of `total` to those with the largest `rests`, one unit each.
fn hand_out(total: u128, mut parts: Vec<u128>, rests: &[u128]) -> Vec<u128> {
    let missing = total.saturating_sub(parts.iter().sum());
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(rests[*at]));
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    for at in order.into_iter().take(missing) {
        parts[at] += 1;
    }
    parts
}

/// `total * weight / sum` and its remainder, for `weight <= sum < 2^126`, even where the product
/// does not fit.
fn portion(total: u128, weight: u128, sum: u128) -> (u128, u128) {
    if let Some(product) = total.checked_mul(weight) {
        return (product / sum, product % sum);
    }
    // Digit by digit of the total, as on paper: quotient and remainder of what was read so far.
    (0..u128::BITS)
        .rev()
        .fold((0, 0), |(mut quotient, mut rest), bit| {
            quotient *= 2;
            rest *= 2;
            if total >> bit & 1 == 1 {
                rest += weight;
            }
            quotient += rest / sum;
            (quotient, rest % sum)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn texts(parts: &[Decimal]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_split_sums_to_its_total() {
        let three = [Decimal::ONE; 3];
        let parts = split(decimal("100"), &three, 2).unwrap();
        assert_eq!(texts(&parts), ["33.34", "33.33", "33.33"]);
        let weights = [decimal("0.1"), decimal("0"), decimal("0.2")];
        let parts = split(decimal("0.05"), &weights, 2).unwrap();
        assert_eq!(texts(&parts), ["0.02", "0.00", "0.03"]);
        let parts = split(decimal("3"), &[Decimal::ZERO; 2], 0).unwrap();
        assert_eq!(texts(&parts), ["2", "1"]);
        assert!(split(decimal("3"), &[], 0).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let one = [Decimal::ONE];
        let refused =
            |total: &str, weights: &[Decimal]| split(decimal(total), weights, 2).unwrap_err();
        assert_eq!(refused("-1", &one), MoneyError::Negative);
        assert_eq!(refused("1", &[decimal("-1")]), MoneyError::Negative);
        assert_eq!(refused("1.001", &one), MoneyError::TooManyDecimals(2));
        assert_eq!(refused("1000000000000000.01", &one), MoneyError::TooLarge);
        assert_eq!(refused("1", &[Decimal::MAX]), MoneyError::TooLarge);
        assert!(split(decimal("-0"), &one, 2).is_ok());
    }

    #[test]
    fn sums_and_products_end_where_they_stop_to_be_true() {
        assert_eq!(MAX_AMOUNT, decimal("1000000000000000"));
        assert_eq!(add(MAX_AMOUNT, Decimal::ONE), Err(MoneyError::TooLarge));
        assert_eq!(add(Decimal::MAX, Decimal::MAX), Err(MoneyError::TooLarge));
        assert_eq!(scaled(MAX_AMOUNT, u128::MAX, 1), Err(MoneyError::TooLarge));
        assert_eq!(scaled(Decimal::ONE, 1 << 60, 1), Err(MoneyError::TooLarge));
        assert_eq!(times(decimal("2.5"), decimal("0.04")), Ok(decimal("0.1")));
    }

    #[test]
    fn half_goes_to_even_at_the_tenth_decimal() {
        let half = decimal("0.0000000001");
        assert_eq!(scaled(half, 1, 2), Ok(Decimal::ZERO));
        assert_eq!(scaled(half, 3, 2), Ok(decimal("0.0000000002")));
        assert_eq!(half_even(7, 3), 2);
        assert_eq!(half_even(8, 3), 3);
        assert_eq!(half_even(u128::MAX, u128::MAX), 1);
    }

    #[test]
    fn large_products_are_divided_exactly() {
        let (total, weight, sum) = (10_u128.pow(25), 3 * 10_u128.pow(24), 7 * 10_u128.pow(24));
        let expected = total * 3 / 7;
        assert_eq!(portion(total, weight, sum).0, expected);
        assert_eq!(portion(u128::MAX, sum, sum), (u128::MAX, 0));
    }

    proptest! {
        #[test]
        fn parts_sum_and_are_fair(
            total in 0_u64..u64::MAX,
            weights in prop::collection::vec(0_u64..u64::MAX, 1..40),
        ) {
            let total = u128::from(total);
            let weights: Vec<u128> = weights.into_iter().map(u128::from).collect();
            let sum: u128 = weights.iter().sum();
            let parts = shares(total, &weights).unwrap();
            prop_assert_eq!(parts.iter().sum::<u128>(), total);
            prop_assume!(sum > 0);
            for (part, weight) in parts.iter().zip(&weights) {
                let below = portion(total, *weight, sum).0;
                prop_assert!(*part == below || *part == below + 1);
                prop_assert!(*weight > 0 || *part == 0);
            }
        }

        #[test]
        fn rounded_parts_sum_to_the_rounded_sum(
            exact in prop::collection::vec(0_u64..10_u64.pow(15), 0..40),
            digits in 0_u32..5,
        ) {
            let exact: Vec<Decimal> =
                exact.into_iter().map(|part| amount(part.into(), AMOUNT_DECIMALS).unwrap()).collect();
            let total = sum(exact.iter().copied()).unwrap().round_dp(digits);
            let parts = round_parts(total, &exact, digits).unwrap();
            prop_assert_eq!(sum(parts.iter().copied()).unwrap(), total);
            let one = Decimal::new(1, digits);
            for (part, exact) in parts.iter().zip(&exact) {
                prop_assert!((part - exact).abs() < one);
            }
        }

        #[test]
        fn the_long_way_divides_like_the_short_one(total: u64, weight: u64, more: u64) {
            let (total, weight) = (u128::from(total), u128::from(weight));
            let sum = weight + u128::from(more) + 1;
            // The same fraction with a factor that makes the product too large.
            let (long, rest) = portion(total, weight << 60, sum << 60);
            prop_assert_eq!((long, rest >> 60), portion(total, weight, sum));
        }
    }
}
