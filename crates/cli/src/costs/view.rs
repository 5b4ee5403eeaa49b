//! A cost report as it is printed: its JSON form is the stable interface for scripts.

use api::v1;
use rust_decimal::Decimal;
use serde::Serialize;

use super::report::signed;
use crate::args::{enum_name, filled, last};
use crate::models::compare::IntervalView;
use crate::models::view::tier_name;
use crate::output::Row;

#[derive(Debug, Clone, Serialize)]
pub struct ReportView {
    pub month: String,
    pub until: String,
    pub currency: String,
    pub rows: Vec<RowView>,
    pub unallocated: Option<RowView>,
    pub total: String,
    pub price_book_total: String,
    pub unpriced: Vec<UnpricedView>,
    pub example_prices: bool,
    pub forecast: String,
    pub previous: Option<TrendView>,
    pub unit_costs: Option<UnitCostsView>,
    pub budget: Option<BudgetView>,
    pub price_book_revision: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct RowView {
    pub tenant: String,
    pub erased: bool,
    pub direct: String,
    pub shared: String,
    pub idle: String,
    pub adjustment: String,
    pub overhead: String,
    pub total: String,
    pub forecast: String,
    pub previous_total: Option<String>,
    /// Total minus that of as many days of the month before.
    pub change: Option<String>,
    pub unit_costs: Option<UnitCostsView>,
    pub budget: Option<BudgetView>,
    pub value: Option<ValueView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PartView {
    /// Only in lists of the parts of all rows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    pub label: String,
    pub quantity: Option<u64>,
    pub cost: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct UnpricedView {
    pub day: String,
    pub meter: String,
    pub quantity: u64,
    pub unit: String,
    pub reason: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct TrendView {
    pub month: String,
    pub until: String,
    pub total: String,
    pub change: String,
    pub change_percent: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct UnitCostsView {
    pub per_recommend: Option<String>,
    pub per_1000_items: Option<String>,
    pub per_retrain: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BudgetView {
    pub monthly: String,
    pub spent_percent: String,
    pub level: u32,
    pub forecast_exceeds: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ValueView {
    pub answered: u64,
    pub judged: u64,
    pub accepted: u64,
    pub take_rate: Option<f64>,
    pub mean_position: Option<f64>,
    pub value_per_accepted: Option<String>,
    pub value: Option<String>,
    pub net: Option<String>,
    pub own_model: Option<OwnModelView>,
    pub models: Vec<ModelView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct OwnModelView {
    pub verdict: &'static str,
    pub lift: IntervalView,
    pub net_low: Option<String>,
    pub net_mean: String,
    pub net_high: Option<String>,
    pub extra_cost: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct ModelView {
    pub model: String,
    pub tier: String,
    pub answered: u64,
    pub judged: u64,
    pub accepted: u64,
    pub positions: Vec<u64>,
}

impl From<v1::CostReport> for ReportView {
    fn from(report: v1::CostReport) -> Self {
        let unpriced = report.unpriced.into_iter().map(|one| UnpricedView {
            day: one.day,
            meter: one.meter,
            quantity: one.quantity,
            unit: one.unit,
            reason: one.reason,
        });
        Self {
            month: report.month,
            until: report.until,
            currency: report.currency,
            rows: report.rows.into_iter().map(Into::into).collect(),
            unallocated: report.unallocated.map(|row| RowView {
                tenant: "unallocated".to_owned(),
                ..row.into()
            }),
            total: report.total,
            price_book_total: report.price_book_total,
            unpriced: unpriced.collect(),
            example_prices: report.example_prices,
            forecast: report.forecast,
            previous: report.previous.map(|trend| TrendView {
                month: trend.month,
                until: trend.until,
                total: trend.total,
                change: trend.change,
                change_percent: trend.change_percent,
            }),
            unit_costs: report.unit_costs.map(Into::into),
            budget: report.budget.map(Into::into),
            price_book_revision: report.price_book_revision,
        }
    }
}

impl From<v1::CostRow> for RowView {
    fn from(row: v1::CostRow) -> Self {
        let before = row.previous_total.as_deref();
        let change = before.and_then(|before| {
            let before: Decimal = before.parse().ok()?;
            row.total.parse::<Decimal>().ok()?.checked_sub(before)
        });
        let parts = row.parts.into_iter().map(|part| PartView {
            tenant: String::new(),
            label: part.label,
            quantity: part.quantity,
            cost: part.cost,
        });
        Self {
            tenant: last(&row.tenant).to_owned(),
            erased: row.erased,
            direct: row.direct,
            shared: row.shared,
            idle: row.idle,
            adjustment: row.adjustment,
            overhead: row.overhead,
            total: row.total,
            forecast: row.forecast,
            change: change.map(|change| change.to_string()),
            previous_total: row.previous_total,
            unit_costs: row.unit_costs.map(Into::into),
            budget: row.budget.map(Into::into),
            value: row.value.map(Into::into),
            parts: parts.collect(),
        }
    }
}

impl From<v1::UnitCosts> for UnitCostsView {
    fn from(units: v1::UnitCosts) -> Self {
        Self {
            per_recommend: filled(units.per_recommend),
            per_1000_items: filled(units.per_1000_items),
            per_retrain: filled(units.per_retrain),
        }
    }
}

impl UnitCostsView {
    /// The costs as a list; none without any.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let costs = [
            ("a recommendation", &self.per_recommend),
            ("1,000 items", &self.per_1000_items),
            ("a retrain", &self.per_retrain),
        ];
        let known = costs.into_iter().filter_map(|(unit, cost)| {
            let cost = cost.as_ref()?;
            Some(format!("{unit} {cost}"))
        });
        let known: Vec<String> = known.collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

impl From<v1::BudgetStatus> for BudgetView {
    fn from(budget: v1::BudgetStatus) -> Self {
        Self {
            monthly: budget.monthly,
            spent_percent: budget.spent_percent,
            level: budget.level,
            forecast_exceeds: budget.forecast_exceeds,
        }
    }
}

impl BudgetView {
    /// How much is spent, and whether that deserves a word.
    #[must_use]
    pub fn words(&self) -> String {
        let mut text = format!("{} % of {}", self.spent_percent, self.monthly);
        if self.level >= 100 {
            text += ", SPENT";
        } else if self.forecast_exceeds {
            text += ", will not do";
        }
        text
    }
}

impl From<v1::TenantValue> for ValueView {
    fn from(value: v1::TenantValue) -> Self {
        let own = value.own_model.map(|own| OwnModelView {
            verdict: enum_name(own.verdict, v1::model_value::Verdict::short_name),
            lift: own.lift.unwrap_or_default().into(),
            net_low: filled(own.net_low),
            net_mean: own.net_mean,
            net_high: filled(own.net_high),
            extra_cost: own.extra_cost,
        });
        let models = value.models.into_iter().map(|one| ModelView {
            model: one.model,
            tier: tier_name(one.tier),
            answered: one.answered,
            judged: one.judged,
            accepted: one.accepted,
            positions: one.positions,
        });
        Self {
            answered: value.answered,
            judged: value.judged,
            accepted: value.accepted,
            take_rate: value.take_rate,
            mean_position: value.mean_position,
            value_per_accepted: filled(value.value_per_accepted),
            value: filled(value.value),
            net: filled(value.net),
            own_model: own,
            models: models.collect(),
        }
    }
}

impl ReportView {
    /// The sums of the columns, for the end of the table; none where one tenant is looked at.
    #[must_use]
    pub fn total_row(&self) -> Option<RowView> {
        let unallocated = self.unallocated.as_ref()?;
        let all = || self.rows.iter().chain([unallocated]);
        let sum = |column: fn(&RowView) -> Option<&str>| {
            let amounts = all().filter_map(column);
            let amounts = amounts.filter_map(|text| text.parse::<Decimal>().ok());
            let sum = amounts.reduce(Decimal::saturating_add);
            sum.map_or_else(String::new, |sum| sum.to_string())
        };
        let value = |column: fn(&ValueView) -> &Option<String>| {
            let amounts = self
                .rows
                .iter()
                .filter_map(|row| column(row.value.as_ref()?).as_ref());
            let amounts = amounts.filter_map(|text| text.parse::<Decimal>().ok());
            amounts
                .reduce(Decimal::saturating_add)
                .map(|sum| sum.to_string())
        };
        let known = || self.rows.iter().filter_map(|row| row.value.as_ref());
        Some(RowView {
            tenant: "total".to_owned(),
            direct: sum(|row| Some(&row.direct)),
            shared: sum(|row| Some(&row.shared)),
            idle: sum(|row| Some(&row.idle)),
            adjustment: sum(|row| Some(&row.adjustment)),
            overhead: sum(|row| Some(&row.overhead)),
            total: self.total.clone(),
            change: self.previous.as_ref().map(|trend| trend.change.clone()),
            budget: self.budget.clone(),
            value: Some(ValueView {
                answered: known().map(|value| value.answered).sum(),
                judged: known().map(|value| value.judged).sum(),
                accepted: known().map(|value| value.accepted).sum(),
                take_rate: None,
                mean_position: None,
                value_per_accepted: None,
                value: value(|value| &value.value),
                net: value(|value| &value.net),
                own_model: None,
                models: Vec::new(),
            }),
            ..RowView::default()
        })
    }
}

/// The parts of all rows, each with its tenant.
#[must_use]
pub fn part_views(report: &ReportView) -> Vec<PartView> {
    let rows = report.rows.iter().chain(&report.unallocated);
    let parts = rows.flat_map(|row| {
        row.parts.iter().map(|part| PartView {
            tenant: row.tenant.clone(),
            ..part.clone()
        })
    });
    parts.collect()
}

impl Row for RowView {
    const COLUMNS: &'static [&'static str] = &[
        "tenant",
        "direct",
        "shared",
        "idle",
        "adjustment",
        "overhead",
        "total",
        "change",
        "taken",
        "value",
        "net",
        "own model",
        "budget",
    ];
    fn cells(&self) -> Vec<String> {
        let value = self.value.as_ref();
        let amount = |text: Option<&String>| text.cloned().unwrap_or_default();
        let rate = value
            .filter(|value| value.answered > 0)
            .map(|value| format!("{} of {}", value.accepted, value.answered));
        let own = value.and_then(|value| value.own_model.as_ref());
        vec![
            match self.erased {
                true => format!("{} (erased)", self.tenant),
                false => self.tenant.clone(),
            },
            self.direct.clone(),
            self.shared.clone(),
            self.idle.clone(),
            self.adjustment.clone(),
            self.overhead.clone(),
            self.total.clone(),
            self.change.as_deref().map(signed).unwrap_or_default(),
            rate.unwrap_or_default(),
            amount(value.and_then(|value| value.value.as_ref())),
            amount(value.and_then(|value| value.net.as_ref())),
            own.map(|own| own.verdict.to_owned()).unwrap_or_default(),
            self.budget
                .as_ref()
                .map(BudgetView::words)
                .unwrap_or_default(),
        ]
    }
}

impl Row for PartView {
    const COLUMNS: &'static [&'static str] = &["tenant", "part", "quantity", "cost"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.tenant.clone(),
            self.label.clone(),
            self.quantity
                .map_or_else(String::new, |quantity| quantity.to_string()),
            self.cost.clone(),
        ]
    }
}
