//! What answers earn, and whether a tenant's own model pays for itself.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Currency;
use crate::{Estimate, TenantId};

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
    /// It earns more than it costs, beyond doubt.
    WorthIt,
    /// It costs more than it earns, beyond doubt.
    NotWorthIt,
    /// Nothing can be said yet.
    NotEnoughFeedback,
}

impl ValueVerdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::WorthIt, Self::NotWorthIt, Self::NotEnoughFeedback];

    /// The stable text of the verdict, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WorthIt => "WORTH_IT",
            Self::NotWorthIt => "NOT_WORTH_IT",
            Self::NotEnoughFeedback => "NOT_ENOUGH_FEEDBACK",
        }
    }

    /// The verdict that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
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
