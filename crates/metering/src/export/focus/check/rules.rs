//! The rules between the columns of a row, and between rows.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::columns::{CORRECTION, USAGE};
use super::{Problem, Row, moment};

/// Columns that usage and purchases have a value in, unless they correct, and taxes have none.
const PRICED: [&str; 5] = [
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "SkuId",
    "SkuPriceId",
];

/// Columns of which the second has a value exactly where the first has.
const TOGETHER: [(&str, &str); 3] = [
    ("PricingQuantity", "PricingUnit"),
    ("ConsumedQuantity", "ConsumedUnit"),
    ("SubAccountId", "SubAccountName"),
];

/// Columns of which the second has no value where the first has none.
const ONLY_WITH: [(&str, &str); 2] = [("SkuId", "SkuMeter"), ("SkuPriceId", "SkuPriceDetails")];

/// How far a cost may be from quantity times price. A row sums lines that are each rounded to ten
/// decimals; this is room for a hundred of them.
const ROUNDING: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// The rules of one row.
pub(super) fn check_row(row: &Row<'_>, found: &mut Vec<Problem>) {
    nulls(row, found);
    consumption(row, found);
    costs(row, found);
    product(row, found);
    periods(row, found);
    if row.get("ChargeCategory") == Some("Purchase")
        && row.get("ChargeFrequency") == Some("Usage-Based")
    {
        let told = "a purchase is not usage-based";
        found.push(row.problem("ChargeFrequency", told));
    }
}

fn corrects(row: &Row<'_>) -> bool {
    row.get("ChargeClass") == Some(CORRECTION)
}

fn nulls(row: &Row<'_>, found: &mut Vec<Problem>) {
    let category = row.get("ChargeCategory");
    for column in PRICED {
        match (category, row.get(column)) {
            (Some("Tax"), Some(_)) => found.push(row.problem(column, "must be null for a tax")),
            (Some(USAGE | "Purchase"), None) if !corrects(row) => {
                found.push(row.problem(column, "usage and purchases have a value"));
            }
            _ => {}
        }
    }
    for (first, second) in TOGETHER {
        if row.get(first).is_some() != row.get(second).is_some() {
            let told = format!("has a value where {first} has one, and only there");
            found.push(row.problem(second, told));
        }
    }
    for (first, second) in ONLY_WITH {
        if row.get(first).is_none() && row.get(second).is_some() {
            let told = format!("must be null where {first} is");
            found.push(row.problem(second, told));
        }
    }
}

fn consumption(row: &Row<'_>, found: &mut Vec<Problem>) {
    let usage = row.get("ChargeCategory") == Some(USAGE);
    match row.get("ConsumedQuantity") {
        Some(_) if !usage => {
            found.push(row.problem("ConsumedQuantity", "only usage consumes"));
        }
        None if usage && !corrects(row) => {
            found.push(row.problem("ConsumedQuantity", "usage has a value"));
        }
        _ => {}
    }
}

fn costs(row: &Row<'_>, found: &mut Vec<Problem>) {
    let billed = row.number("BilledCost");
    // What is missing or no number is told elsewhere.
    let same =
        |column: &str| billed.is_none() || row.number(column).is_none_or(|n| Some(n) == billed);
    let category = row.get("ChargeCategory");
    if row.get("ProviderName") != row.get("InvoiceIssuerName")
        && billed.is_some_and(|cost| !cost.is_zero())
    {
        let told = "must be 0 where somebody else than the provider issues the invoice";
        found.push(row.problem("BilledCost", told));
    }
    if category == Some("Tax") {
        return;
    }
    if row.get("ListUnitPrice").is_none() && !same("ListCost") {
        let told = "must be the billed cost where there is no list price";
        found.push(row.problem("ListCost", told));
    }
    // There is no column of contracted prices.
    if !same("ContractedCost") {
        let told = "must be the billed cost where there is no contracted price";
        found.push(row.problem("ContractedCost", told));
    }
    match category {
        Some("Purchase") => {
            let some = row.number("EffectiveCost");
            if some.is_some_and(|cost| !cost.is_zero()) {
                let told = "must be 0 for a purchase that covers later charges";
                found.push(row.problem("EffectiveCost", told));
            }
        }
        Some(USAGE) => {}
        _ if !same("EffectiveCost") => {
            let told = "must be the billed cost";
            found.push(row.problem("EffectiveCost", told));
        }
        _ => {}
    }
}

fn product(row: &Row<'_>, found: &mut Vec<Problem>) {
    let Some(price) = row.number("ListUnitPrice") else {
        return;
    };
    if price.is_sign_negative() && !price.is_zero() {
        found.push(row.problem("ListUnitPrice", "a price is not negative"));
    }
    let (Some(quantity), Some(cost)) = (row.number("PricingQuantity"), row.number("ListCost"))
    else {
        return;
    };
    let product = price.checked_mul(quantity);
    let away = product.and_then(|product| product.checked_sub(cost));
    if !corrects(row) && away.is_none_or(|away| away.abs() > ROUNDING) {
        let told = "is not ListUnitPrice times PricingQuantity";
        found.push(row.problem("ListCost", told));
    }
}

fn periods(row: &Row<'_>, found: &mut Vec<Problem>) {
    let at = |column: &str| row.get(column).and_then(moment);
    for period in ["BillingPeriod", "ChargePeriod"] {
        let end = format!("{period}End");
        if let (Some(from), Some(to)) = (at(&format!("{period}Start")), at(&end))
            && to <= from
        {
            found.push(row.problem(&end, "the end is not after the start"));
        }
    }
    let (Some(charge), Some(from), Some(to)) = (
        at("ChargePeriodStart"),
        at("BillingPeriodStart"),
        at("BillingPeriodEnd"),
    ) else {
        return;
    };
    if charge >= to {
        let told = "the charge begins after the billing period";
        found.push(row.problem("ChargePeriodStart", told));
    }
    if corrects(row) != (charge < from) {
        let told = "a charge of an earlier billing period is a correction, and no other";
        found.push(row.problem("ChargeClass", told));
    }
}

/// Columns of which the first has one value of the second in the whole file.
const ONE_EACH: [(&str, &str); 4] = [
    ("ServiceName", "ServiceCategory"),
    ("ServiceName", "ServiceSubcategory"),
    ("ServiceSubcategory", "ServiceCategory"),
    ("SkuPriceId", "SkuId"),
];

/// What the rows so far have said.
#[derive(Default)]
pub(super) struct Whole {
    seen: [BTreeMap<String, String>; ONE_EACH.len()],
}

impl Whole {
    /// The rules between this row and the ones before.
    pub(super) fn see(&mut self, row: &Row<'_>, found: &mut Vec<Problem>) {
        for (seen, (of, one)) in self.seen.iter_mut().zip(ONE_EACH) {
            let (Some(of_value), Some(value)) = (row.get(of), row.get(one)) else {
                continue;
            };
            match seen.get(of_value) {
                None => {
                    seen.insert(of_value.to_owned(), value.to_owned());
                }
                Some(before) if before != value => {
                    let told = format!("{of_value:?} has two values of {one}: {before}, {value}");
                    found.push(row.problem(of, told));
                }
                Some(_) => {}
            }
        }
    }
}
