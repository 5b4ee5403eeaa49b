//! `CostService`: price books, cost reports, usage.

use chrono::{DateTime, NaiveTime, Utc};
use domain::cost::{
    BudgetLevel, BudgetStatus, By, CostRow, ModelValue, Part, PriceBook, PriceVersion,
    PriceVersionDraft, Trend, UnitCosts, Unpriced, UnpricedReason, UsageLine, ValueVerdict,
};
use domain::{FieldViolation, ResourceName};
use rust_decimal::Decimal;

use crate::v1::get_cost_report_request::By as WireBy;
use crate::v1::model_value::Verdict as WireVerdict;
use crate::{timestamp, v1};

/// A decimal number; none for an empty text.
///
/// # Errors
/// When the text is no plain decimal number, or one with more digits than can be kept exactly.
pub fn decimal(field: &str, text: &str) -> Result<Option<Decimal>, FieldViolation> {
    if text.is_empty() {
        return Ok(None);
    }
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    let read = Decimal::from_str_exact(text).ok().filter(|_| plain);
    read.map(Some).ok_or_else(|| {
        let found: String = text.chars().take(40).collect();
        let message = format!("{found:?} is not a decimal number; send one such as 1.20");
        FieldViolation::new(field, message)
    })
}

fn optional(amount: Option<Decimal>) -> String {
    amount.map_or_else(String::new, |amount| amount.to_string())
}

impl From<By> for WireBy {
    fn from(by: By) -> Self {
        match by {
            By::None => Self::Unspecified,
            By::Service => Self::Service,
            By::Meter => Self::Meter,
            By::Model => Self::Model,
            By::Day => Self::Day,
        }
    }
}

impl From<WireBy> for By {
    fn from(by: WireBy) -> Self {
        match by {
            WireBy::Unspecified => Self::None,
            WireBy::Service => Self::Service,
            WireBy::Meter => Self::Meter,
            WireBy::Model => Self::Model,
            WireBy::Day => Self::Day,
        }
    }
}

impl v1::PriceBook {
    /// A price book with its revision; 0 is the example.
    #[must_use]
    pub fn of(book: &PriceBook, revision: u64) -> Self {
        Self {
            revision,
            versions: book.versions.iter().map(Into::into).collect(),
            update_time: None,
            updated_by: String::new(),
        }
    }
}

impl From<&PriceVersion> for v1::PriceVersion {
    fn from(version: &PriceVersion) -> Self {
        let prices = version.prices.iter().map(|(meter, price)| v1::MeterPrice {
            meter: meter.as_str().to_owned(),
            price: price.to_string(),
            billed_unit: meter.billed_per().name.to_owned(),
        });
        let shared = version.shared.iter().map(|cost| v1::SharedCost {
            name: cost.name.clone(),
            monthly: cost.monthly.to_string(),
            allocation: cost.allocation.as_str().to_owned(),
        });
        Self {
            valid_from: version.valid_from.to_string(),
            valid_until: version
                .valid_until
                .map_or_else(String::new, |until| until.to_string()),
            currency: version.currency.code().to_owned(),
            cpu_hour: optional(version.cpu_hour),
            prices: prices.collect(),
            shared: shared.collect(),
            idle: version.idle.as_ref().map(|idle| v1::IdleCost {
                cores: idle.cores.to_string(),
                allocation: idle.allocation.as_str().to_owned(),
            }),
            note: version.note.clone(),
            example: version.example,
        }
    }
}

impl TryFrom<&v1::PriceVersion> for PriceVersionDraft {
    type Error = Vec<FieldViolation>;

    /// Only the days are read; all else is checked when the draft becomes a version.
    fn try_from(wire: &v1::PriceVersion) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Vec::new();
        let mut day = |field: &str, text: &str| {
            let read = text.parse().ok();
            if read.is_none() {
                let found: String = text.chars().take(20).collect();
                let message =
                    format!("DAY_MALFORMED: {found:?} is not a day; send one such as 2026-11-01");
                violations.push(FieldViolation::new(field, message));
            }
            read
        };
        let valid_from = day("valid_from", &wire.valid_from).unwrap_or_default();
        let until = Some(wire.valid_until.as_str()).filter(|until| !until.is_empty());
        let valid_until = until.and_then(|until| day("valid_until", until));
        if !violations.is_empty() {
            return Err(violations);
        }
        let prices = wire.prices.iter();
        let shared = wire.shared.iter();
        Ok(Self {
            valid_from,
            valid_until,
            currency: wire.currency.clone(),
            cpu_hour: wire.cpu_hour.clone(),
            prices: prices
                .map(|one| (one.meter.clone(), one.price.clone()))
                .collect(),
            shared: shared
                .map(|one| {
                    let name = one.name.clone();
                    (name, one.monthly.clone(), one.allocation.clone())
                })
                .collect(),
            idle: wire
                .idle
                .as_ref()
                .map(|idle| (idle.cores.clone(), idle.allocation.clone())),
            note: wire.note.clone(),
            example: wire.example,
        })
    }
}

impl v1::CostRow {
    /// A row without its value.
    #[must_use]
    pub fn of(row: CostRow) -> Self {
        let tenant = row.tenant.map(ResourceName::Tenant);
        Self {
            tenant: tenant.map_or_else(String::new, |name| name.to_string()),
            direct: row.direct.to_string(),
            shared: row.shared.to_string(),
            idle: row.idle.to_string(),
            adjustment: row.adjustment.to_string(),
            overhead: row.overhead.to_string(),
            total: row.total.to_string(),
            parts: row.parts.into_iter().map(Into::into).collect(),
            forecast: row.forecast.to_string(),
            previous_total: row.previous_total.map(|total| total.to_string()),
            unit_costs: Some(row.units.into()),
            budget: row.budget.map(Into::into),
            value: None,
            erased: false,
        }
    }
}

impl From<Part> for v1::CostPart {
    fn from(part: Part) -> Self {
        Self {
            label: part.label,
            quantity: part.quantity,
            cost: part.cost.to_string(),
        }
    }
}

impl From<UnitCosts> for v1::UnitCosts {
    fn from(units: UnitCosts) -> Self {
        Self {
            per_recommend: optional(units.per_recommend),
            per_1000_items: optional(units.per_1000_items),
            per_retrain: optional(units.per_retrain),
        }
    }
}

impl From<BudgetStatus> for v1::BudgetStatus {
    fn from(status: BudgetStatus) -> Self {
        Self {
            monthly: status.monthly.to_string(),
            spent_percent: status.spent_percent.to_string(),
            level: u32::from(status.level.map_or(0, BudgetLevel::percent)),
            forecast_exceeds: status.forecast_exceeds,
        }
    }
}

impl From<Trend> for v1::CostTrend {
    fn from(trend: Trend) -> Self {
        Self {
            month: trend.month.to_string(),
            until: trend.until.to_string(),
            total: trend.total.to_string(),
            change: trend.change.to_string(),
            change_percent: optional(trend.change_percent),
        }
    }
}

impl From<Unpriced> for v1::UnpricedUsage {
    fn from(unpriced: Unpriced) -> Self {
        let reason = match unpriced.reason {
            UnpricedReason::NoVersion => "NO_VERSION",
            UnpricedReason::NoPrice => "NO_PRICE",
        };
        Self {
            day: unpriced.day.to_string(),
            meter: unpriced.meter.as_str().to_owned(),
            quantity: unpriced.quantity,
            unit: unpriced.meter.unit().to_owned(),
            reason: reason.to_owned(),
        }
    }
}

impl From<ValueVerdict> for WireVerdict {
    fn from(verdict: ValueVerdict) -> Self {
        match verdict {
            ValueVerdict::CostEffective => Self::CostEffective,
            ValueVerdict::NotCostEffective => Self::NotCostEffective,
            ValueVerdict::NotEnoughFeedback => Self::NotEnoughFeedback,
        }
    }
}

impl v1::ModelValue {
    /// The value of a model, and what it costs beyond the tier above. `round` is that of the
    /// currency. While an end of the lift is open, so is that of the net.
    #[must_use]
    pub fn of(value: &ModelValue, extra_cost: Decimal, round: impl Fn(Decimal) -> Decimal) -> Self {
        let end = |known: bool, amount: Decimal| match known {
            true => round(amount).to_string(),
            false => String::new(),
        };
        Self {
            verdict: WireVerdict::from(value.verdict).into(),
            lift: Some(value.lift.into()),
            net_low: end(value.lift.low.is_finite(), value.net.low),
            net_mean: round(value.net.mean).to_string(),
            net_high: end(value.lift.high.is_finite(), value.net.high),
            extra_cost: round(extra_cost).to_string(),
        }
    }
}

impl From<UsageLine> for v1::Usage {
    fn from(line: UsageLine) -> Self {
        let begin: DateTime<Utc> = line.day.and_time(NaiveTime::MIN).and_utc();
        Self {
            start_time: Some(timestamp(begin)),
            service: line.service.as_str().to_owned(),
            meter: line.meter.as_str().to_owned(),
            quantity: line.quantity,
            unit: line.meter.unit().to_owned(),
            rpc: line.rpc,
            tier: line
                .tier
                .map_or(v1::Tier::Unspecified, v1::Tier::from)
                .into(),
            model: line.model,
            adjustment_for: line
                .for_day
                .filter(|_| line.adjustment)
                .map_or_else(String::new, |day| day.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_book_round_trips() {
        let mut book = PriceBook::example();
        book.versions[0].valid_until = Some("2026-11-30".parse().unwrap());
        let wire = v1::PriceBook::of(&book, 3);
        assert_eq!(wire.revision, 3);
        let draft = PriceVersionDraft::try_from(&wire.versions[0]).unwrap();
        assert_eq!(draft.build().unwrap(), book.versions[0]);
    }

    #[test]
    fn days_are_read_or_named() {
        let wire = v1::PriceVersion {
            valid_from: "1.11.2026".to_owned(),
            valid_until: "never".to_owned(),
            ..Default::default()
        };
        let violations = PriceVersionDraft::try_from(&wire).unwrap_err();
        let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["valid_from", "valid_until"]);
    }

    #[test]
    fn decimals_are_plain() {
        assert_eq!(decimal("f", "").unwrap(), None);
        assert_eq!(decimal("f", "1.20").unwrap(), Some(Decimal::new(120, 2)));
        for wrong in [
            "1e3",
            "1,20",
            " 1",
            "0.12345678901234567890123456789012",
            ".",
        ] {
            assert!(decimal("f", wrong).is_err(), "{wrong}");
        }
    }
}
