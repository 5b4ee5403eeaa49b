//! What answers earn, and whether a tenant's own model pays for itself.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{add, scaled};
use super::{AMOUNT_DECIMALS, CostError, Currency, MAX_PRICE, MoneyError};
use crate::{
    Estimate, FieldViolation, LEAST_OBSERVATIONS, RunningMean, SIGNIFICANCE_LEVEL, TenantId,
};

/// What people did with the answers of one model, or of one tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArmFeedback {
    /// Answers given.
    pub answered: u64,
    /// Of those, answers that somebody said anything about.
    pub judged: u64,
    /// Of those, answers of which an expert took the question.
    pub accepted: u64,
    /// Of those, how many were taken by the first expert named, by the second, and so on. Takes by
    /// an expert that was not named are in none.
    pub positions: Vec<u64>,
}

/// What an accepted answer is worth to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueSetting {
    /// The value of one accepted answer.
    pub value_per_accepted: Decimal,
    /// Its currency.
    pub currency: Currency,
}

/// What a tenant earns and costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantValue {
    /// The tenant.
    pub tenant: TenantId,
    /// Its accepted answers.
    pub accepted: u64,
    /// What they are worth.
    pub value: Decimal,
    /// What the tenant costs.
    pub cost: Decimal,
    /// Value minus cost.
    pub net: Decimal,
}

/// Whether a tenant's own model pays for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValueVerdict {
    /// It earns significantly more than it costs.
    CostEffective,
    /// It costs significantly more than it earns.
    NotCostEffective,
    /// Nothing can be said yet.
    NotEnoughFeedback,
}

impl ValueVerdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [
        Self::CostEffective,
        Self::NotCostEffective,
        Self::NotEnoughFeedback,
    ];

    /// The stable text of the verdict, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CostEffective => "COST_EFFECTIVE",
            Self::NotCostEffective => "NOT_COST_EFFECTIVE",
            Self::NotEnoughFeedback => "NOT_ENOUGH_FEEDBACK",
        }
    }

    /// The verdict that `text` names; earlier versions stored two of them as `WORTH_IT` and
    /// `NOT_WORTH_IT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "WORTH_IT" => Some(Self::CostEffective),
            "NOT_WORTH_IT" => Some(Self::NotCostEffective),
            _ => Self::ALL.into_iter().find(|one| one.as_str() == text),
        }
    }
}

/// An amount with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// Lower end.
    pub low: Decimal,
    /// The amount that is most likely.
    pub mean: Decimal,
    /// Upper end.
    pub high: Decimal,
}

/// What a tenant's own model earns beyond the tier above, against what it costs beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelValue {
    /// How much more often its answers are taken: a difference of take rates, from -1 to 1.
    pub lift: Estimate,
    /// Lift times answers times value, minus the extra cost, a month.
    pub net: Net,
    /// Whether it pays for itself.
    pub verdict: ValueVerdict,
}

/// The highest value of one accepted answer; above it is a slip.
const MAX_VALUE: Decimal = MAX_PRICE;

impl ArmFeedback {
    /// Checks that the counts can be counts of the same answers.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate(&self) -> Result<(), FieldViolation> {
        let placed = self
            .positions
            .iter()
            .try_fold(0_u64, |sum, at| sum.checked_add(*at));
        let (field, message) = if self.judged > self.answered {
            (
                "judged",
                "is more than was answered; count each answer once",
            )
        } else if self.accepted > self.judged {
            (
                "accepted",
                "is more than was judged; count each answer once",
            )
        } else if placed.is_none_or(|placed| placed > self.accepted) {
            (
                "positions",
                "are more than was accepted; count the first that took it",
            )
        } else {
            return Ok(());
        };
        Err(FieldViolation::new(field, message))
    }

    /// How many of the answers given were accepted, with an interval that may be looked at at any
    /// time. An answer that nobody said anything about earned nothing that is known, so it counts
    /// as not accepted: where feedback is sent for few answers, this is low for every model.
    #[must_use]
    pub fn take_rate(&self, doubt: f64) -> Estimate {
        let rate = RunningMean::of_share(self.accepted, self.answered).estimate(doubt);
        // All or none accepted has no spread at all, which would be a certainty that nobody has:
        // the width is that of one accepted and one refused answer more.
        let (more, all) = (
            self.accepted.saturating_add(1),
            self.answered.saturating_add(2),
        );
        let wider = RunningMean::of_share(more, all).estimate(doubt);
        let half = if rate.low.is_finite() {
            wider.high - wider.mean
        } else {
            f64::INFINITY
        };
        Estimate {
            low: (rate.mean - half).max(0.0),
            high: (rate.mean + half).min(1.0),
            ..rate
        }
    }

    /// The mean position, from 1, of the expert who took the question; none without any.
    #[must_use]
    pub fn mean_position(&self) -> Option<f64> {
        let placed: f64 = self.positions.iter().map(|count| *count as f64).sum();
        let weighted = |(at, count): (usize, &u64)| (at + 1) as f64 * *count as f64;
        let sum: f64 = self.positions.iter().enumerate().map(weighted).sum();
        (placed > 0.0).then(|| sum / placed)
    }

    /// The share of the judged answers that one of the first `k` experts took; none without any
    /// judged.
    #[must_use]
    pub fn hits_at(&self, k: usize) -> Option<f64> {
        let hits: f64 = self
            .positions
            .iter()
            .take(k)
            .map(|count| *count as f64)
            .sum();
        (self.judged > 0).then(|| hits / self.judged as f64)
    }
}

impl ValueSetting {
    /// Checks that the value can be one.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate(&self) -> Result<(), FieldViolation> {
        let value = self.value_per_accepted;
        if (Decimal::ZERO..=MAX_VALUE).contains(&value)
            && value.normalize().scale() <= AMOUNT_DECIMALS
        {
            return Ok(());
        }
        let message = format!(
            "is {value}; send an amount from 0 to {MAX_VALUE} with at most {AMOUNT_DECIMALS} \
             decimals"
        );
        Err(FieldViolation::new("value_per_accepted", message))
    }

    /// What a tenant's accepted answers are worth, against what it costs in `currency`.
    ///
    /// # Errors
    /// [`CostError`] when the currencies differ, or an amount is negative or too large.
    pub fn of_tenant(
        &self,
        tenant: TenantId,
        accepted: u64,
        cost: Decimal,
        currency: Currency,
    ) -> Result<TenantValue, CostError> {
        if self.currency != currency {
            return Err(CostError::OtherCurrency {
                value: self.currency,
                costs: currency,
            });
        }
        let value = worth(self.value_per_accepted, accepted)?;
        let value = currency.round(value);
        Ok(TenantValue {
            tenant,
            accepted,
            value,
            cost,
            net: add(value, -cost).map_err(failed)?,
        })
    }
}

/// What the verdict on a tenant's own model is made from.
#[derive(Debug, Clone, Copy)]
pub struct ModelCase<'a> {
    /// What people did with the answers of the tenant's own model.
    pub own: &'a ArmFeedback,
    /// What they did with those of the tier above, for the same tenant.
    pub above: &'a ArmFeedback,
    /// Answers that the tenant asks for in a month.
    pub answers_in_month: u64,
    /// The value of one accepted answer.
    pub value_per_accepted: Decimal,
    /// What the own model costs in a month beyond the tier above; below zero when it is cheaper.
    pub extra_cost: Decimal,
    /// The significance level of the verdict, for example [`crate::SIGNIFICANCE_LEVEL`].
    pub doubt: f64,
}

/// Whether a tenant's own model earns more than it costs: lift of the take rate over the tier above,
/// times answers, times value, minus the extra cost. It may be asked at any time and as often as one
/// likes: the interval holds at all times together.
///
/// With fewer than [`LEAST_OBSERVATIONS`] judged answers on either side the answer is always
/// [`ValueVerdict::NotEnoughFeedback`].
///
/// The statistics of the lift are floats; it is a finite number from -1 to 1, becomes a decimal of
/// ten digits, and all that is money is worked out in decimals.
///
/// # Errors
/// [`CostError`] when counts contradict each other, or an amount is too large or not allowed.
pub fn verdict(case: &ModelCase<'_>) -> Result<ModelValue, CostError> {
    for (arm, name) in [(case.own, "own"), (case.above, "above")] {
        arm.validate().map_err(|violation| {
            let field = format!("{name}.{}", violation.field);
            CostError::Field(FieldViolation { field, ..violation })
        })?;
    }
    // Not a number is no doubt that anybody can have.
    let doubt = if case.doubt.is_finite() {
        case.doubt.clamp(1e-6, 0.5)
    } else {
        SIGNIFICANCE_LEVEL
    };
    let own = case.own.take_rate(doubt / 2.0);
    let lift = own.minus(&case.above.take_rate(doubt / 2.0));
    let at_stake = worth(case.value_per_accepted, case.answers_in_month)?;
    let net = |lift: f64| {
        let gain = at_stake
            .checked_mul(fraction(lift))
            .ok_or(MoneyError::TooLarge);
        gain.and_then(|gain| add(gain.round_dp(AMOUNT_DECIMALS), -case.extra_cost))
            .map_err(failed)
    };
    let net = Net {
        low: net(lift.low)?,
        mean: net(lift.mean)?,
        high: net(lift.high)?,
    };
    let judged = case.own.judged.min(case.above.judged);
    let verdict = if judged < LEAST_OBSERVATIONS {
        ValueVerdict::NotEnoughFeedback
    } else if net.low > Decimal::ZERO {
        ValueVerdict::CostEffective
    } else if net.high < Decimal::ZERO {
        ValueVerdict::NotCostEffective
    } else {
        ValueVerdict::NotEnoughFeedback
    };
    Ok(ModelValue { lift, net, verdict })
}

/// A number from -1 to 1 as a decimal.
fn fraction(number: f64) -> Decimal {
    let clamped = Some(number.clamp(-1.0, 1.0)).filter(|number| !number.is_nan());
    let exact = clamped.and_then(Decimal::from_f64_retain);
    exact.unwrap_or_default().round_dp(AMOUNT_DECIMALS)
}

/// What so many answers are worth.
fn worth(each: Decimal, answers: u64) -> Result<Decimal, CostError> {
    scaled(each, answers.into(), 1).map_err(failed)
}

fn failed(source: MoneyError) -> CostError {
    CostError::Money {
        what: "the value of answers".to_owned(),
        source,
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
