//! The columns of the export, once: their order, types and rules, and where each value comes from.
//! CSV, Parquet and the check all read this table.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use domain::Tier;
use domain::cost::{AMOUNT_DECIMALS, CostKind};
use rust_decimal::Decimal;

use super::labels;
use super::row::{FocusRow, QUANTITY_DECIMALS};

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its id, which is its head.
    pub id: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
    /// Whether a value may be missing; [`super::check`] knows when it must be.
    pub nullable: bool,
    /// How much the specification wants it.
    pub level: Level,
    /// Its value in a row.
    pub value: fn(&FocusRow) -> Value<'_>,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// The code of a currency of ISO 4217.
    CurrencyCode,
    /// A decimal number with at most so many decimals.
    Decimal(u32),
    /// A moment, in UTC.
    Time,
}

/// How much the specification wants a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every export has it.
    Mandatory,
    /// An export has it where the platform has what it is about: tenants, metering, a price book.
    Conditional,
    /// It is recommended, or left to us.
    Recommended,
    /// It is our own, and begins with `x_`.
    Custom,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(Decimal),
    /// A moment.
    Time(DateTime<Utc>),
}

/// What the specification calls a charge that corrects an invoiced month.
pub(super) const CORRECTION: &str = "Correction";
pub(super) const USAGE: &str = "Usage";
const ADJUSTMENT: &str = "Adjustment";

const CHARGE_CATEGORIES: &[&str] = &[USAGE, "Purchase", "Tax", "Credit", ADJUSTMENT];
const CHARGE_FREQUENCIES: &[&str] = &["One-Time", "Recurring", "Usage-Based"];
const PRICING_CATEGORIES: &[&str] = &["Standard", "Committed", "Dynamic", "Other"];
const SERVICE_CATEGORIES: &[&str] = &[
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Multicloud",
    "Networking",
    "Other",
    "Security",
    "Storage",
    "Web",
];
/// Those of the specification's subcategories that rows have.
const SERVICE_SUBCATEGORIES: &[&str] = &[
    "Cost Management",
    "Data Processing",
    "Identity and Access Management",
    "Machine Learning",
    "Other (Compute)",
    "Other (Other)",
];
const COST_KINDS: &[&str] = &["direct", "overhead", "shared", "idle", "adjustment"];
const BOOLEANS: &[&str] = &["true", "false"];
const TIERS: &[&str] = &["GLOBAL", "VERTICAL", "TENANT"];

const AMOUNT: ColumnKind = ColumnKind::Decimal(AMOUNT_DECIMALS);
const QUANTITY: ColumnKind = ColumnKind::Decimal(QUANTITY_DECIMALS);

/// A column that always has a value.
const fn some(
    id: &'static str,
    kind: ColumnKind,
    level: Level,
    value: fn(&FocusRow) -> Value<'_>,
) -> Column {
    Column {
        id,
        kind,
        nullable: false,
        level,
        value,
    }
}

/// A column that may have none.
const fn maybe(
    id: &'static str,
    kind: ColumnKind,
    level: Level,
    value: fn(&FocusRow) -> Value<'_>,
) -> Column {
    Column {
        nullable: true,
        ..some(id, kind, level, value)
    }
}

use ColumnKind::{CurrencyCode, OneOf, Text, Time};
use Level::{Conditional, Custom, Mandatory, Recommended};

/// The columns in their order: the specification's by name, then our own.
pub const COLUMNS: [Column; 43] = [
    some("BilledCost", AMOUNT, Mandatory, cost),
    some("BillingAccountId", Text, Mandatory, |row| {
        text(&row.billing_account_id)
    }),
    some("BillingAccountName", Text, Mandatory, |row| {
        text(&row.billing_account_name)
    }),
    some("BillingCurrency", CurrencyCode, Mandatory, |row| {
        text(row.currency.code())
    }),
    some("BillingPeriodEnd", Time, Mandatory, |row| {
        Value::Time(row.billing_end())
    }),
    some("BillingPeriodStart", Time, Mandatory, |row| {
        Value::Time(row.billing_start())
    }),
    some(
        "ChargeCategory",
        OneOf(CHARGE_CATEGORIES),
        Mandatory,
        |row| text(if row.is_usage() { USAGE } else { ADJUSTMENT }),
    ),
    maybe("ChargeClass", OneOf(&[CORRECTION]), Mandatory, |row| {
        text(if row.correction { CORRECTION } else { "" })
    }),
    some("ChargeDescription", Text, Mandatory, |row| {
        Value::Text(row.description().into())
    }),
    some(
        "ChargeFrequency",
        OneOf(CHARGE_FREQUENCIES),
        Recommended,
        |row| {
            text(if row.is_usage() {
                "Usage-Based"
            } else {
                "Recurring"
            })
        },
    ),
    some("ChargePeriodEnd", Time, Mandatory, |row| {
        Value::Time(row.charge_end())
    }),
    some("ChargePeriodStart", Time, Mandatory, |row| {
        Value::Time(row.charge_start())
    }),
    maybe("ConsumedQuantity", QUANTITY, Conditional, |row| {
        number(row.is_usage().then_some(row.consumed))
    }),
    maybe("ConsumedUnit", Text, Conditional, |row| {
        text(row.meter.map_or("", labels::consumed_unit))
    }),
    some("ContractedCost", AMOUNT, Mandatory, cost),
    some("EffectiveCost", AMOUNT, Mandatory, cost),
    maybe("InvoiceId", Text, Recommended, |_| Value::Null),
    some("InvoiceIssuerName", Text, Mandatory, provider),
    some("ListCost", AMOUNT, Mandatory, cost),
    maybe("ListUnitPrice", AMOUNT, Conditional, |row| {
        number(row.is_usage().then_some(row.unit_price))
    }),
    maybe(
        "PricingCategory",
        OneOf(PRICING_CATEGORIES),
        Recommended,
        |row| text(if row.is_usage() { "Standard" } else { "" }),
    ),
    maybe("PricingQuantity", QUANTITY, Mandatory, |row| {
        number(row.pricing_quantity())
    }),
    maybe("PricingUnit", Text, Mandatory, |row| {
        text(row.meter.map_or("", labels::pricing_unit))
    }),
    some("ProviderName", Text, Mandatory, provider),
    some("PublisherName", Text, Mandatory, provider),
    some(
        "ServiceCategory",
        OneOf(SERVICE_CATEGORIES),
        Mandatory,
        |row| text(labels::service(row.service, row.kind).category),
    ),
    some("ServiceName", Text, Mandatory, |row| {
        text(labels::service(row.service, row.kind).name)
    }),
    some(
        "ServiceSubcategory",
        OneOf(SERVICE_SUBCATEGORIES),
        Recommended,
        |row| text(labels::service(row.service, row.kind).subcategory),
    ),
    maybe("SkuId", Text, Conditional, meter),
    maybe("SkuMeter", Text, Conditional, |row| {
        text(row.meter.map_or("", labels::meter))
    }),
    maybe("SkuPriceDetails", Text, Conditional, |_| Value::Null),
    maybe("SkuPriceId", Text, Conditional, meter),
    maybe("SubAccountId", Text, Conditional, |row| {
        text(row.tenant.as_ref().map_or("", |tenant| tenant.as_str()))
    }),
    maybe("SubAccountName", Text, Conditional, |row| {
        text(row.tenant_name.as_deref().unwrap_or(""))
    }),
    some("x_CostKind", OneOf(COST_KINDS), Custom, |row| {
        text(row.kind.as_str())
    }),
    some("x_ExamplePrices", OneOf(BOOLEANS), Custom, |row| {
        text(if row.example_prices { "true" } else { "false" })
    }),
    maybe("x_Meter", Text, Custom, meter),
    maybe("x_Model", Text, Custom, |row| text(&row.model)),
    maybe("x_Rpc", Text, Custom, |row| text(&row.rpc)),
    maybe("x_Service", Text, Custom, |row| {
        text(row.service.map_or("", |service| service.as_str()))
    }),
    maybe("x_SharedCostName", Text, Custom, |row| {
        let name = if row.kind == CostKind::Shared {
            row.name.as_str()
        } else {
            ""
        };
        text(name)
    }),
    maybe("x_Tier", OneOf(TIERS), Custom, |row| {
        text(row.tier.map_or("", Tier::as_str))
    }),
    maybe("x_UsageUnit", Text, Custom, |row| {
        text(row.meter.map_or("", |meter| meter.unit()))
    }),
];

fn cost(row: &FocusRow) -> Value<'_> {
    Value::Number(row.cost)
}

fn provider(row: &FocusRow) -> Value<'_> {
    text(&row.provider)
}

fn meter(row: &FocusRow) -> Value<'_> {
    text(row.meter.map_or("", |meter| meter.as_str()))
}

/// A text; the specification has no empty ones, only none.
fn text(text: &str) -> Value<'_> {
    if text.is_empty() {
        Value::Null
    } else {
        Value::Text(text.into())
    }
}

fn number<'a>(number: Option<Decimal>) -> Value<'a> {
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_our_own_come_last() {
        let own = COLUMNS.iter().position(|column| column.level == Custom);
        let (theirs, ours) = COLUMNS.split_at(own.unwrap());
        for part in [theirs, ours] {
            assert!(part.is_sorted_by(|a, b| a.id < b.id));
        }
        assert!(ours.iter().all(|column| column.id.starts_with("x_")));
        assert!(theirs.iter().all(|column| !column.id.contains('_')));
        assert!(COLUMNS.iter().all(|column| column.id.len() <= 50));
    }

    #[test]
    fn every_mandatory_column_of_the_specification_is_there() {
        // The columns of version 1.2 that every dataset has.
        let mandatory = [
            "BilledCost",
            "BillingAccountId",
            "BillingAccountName",
            "BillingCurrency",
            "BillingPeriodEnd",
            "BillingPeriodStart",
            "ChargeCategory",
            "ChargeClass",
            "ChargeDescription",
            "ChargePeriodEnd",
            "ChargePeriodStart",
            "ContractedCost",
            "EffectiveCost",
            "InvoiceIssuerName",
            "ListCost",
            "PricingQuantity",
            "PricingUnit",
            "ProviderName",
            "PublisherName",
            "ServiceCategory",
            "ServiceName",
        ];
        let ours = COLUMNS.iter().filter(|column| column.level == Mandatory);
        assert!(ours.map(|column| column.id).eq(mandatory));
    }
}
