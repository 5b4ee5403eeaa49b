//! A check of an export against FOCUS 1.2: columns, types, nulls, allowed values, and the rules
//! between columns that can be told from the file alone.
//!
//! It reads the file as somebody else would: by the heads, in any order, with more columns of one's
//! own (`x_…`) than ours. What the specification says about the world outside, such as that costs
//! match an invoice, it cannot know.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use domain::cost::Currency;
use rust_decimal::Decimal;

use super::columns::{COLUMNS, Column, ColumnKind, Level};

mod rules;

/// Something that is not as the specification wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file it begins on, the head being 1; none: the file as a whole.
    pub line: Option<u64>,
    /// The column; empty: the row as a whole.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.column.is_empty() {
            write!(f, "{}: ", self.column)?;
        }
        f.write_str(&self.message)
    }
}

/// All problems of an export in CSV; none when it is as the specification wants it.
#[must_use]
pub fn check(bytes: &[u8]) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut reader = csv::Reader::from_reader(bytes);
    let heads = match reader.headers() {
        Ok(heads) => heads.clone(),
        Err(error) => return vec![problem(None, "", format!("it is not a CSV: {error}"))],
    };
    check_heads(&heads, &mut found);
    let places = places(&heads);
    let mut whole = rules::Whole::default();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                found.push(problem(None, "", format!("a row cannot be read: {error}")));
                break;
            }
        };
        let row = Row {
            line: record.position().map(csv::Position::line),
            places: &places,
            record: &record,
        };
        check_cells(&row, &mut found);
        rules::check_row(&row, &mut found);
        whole.see(&row, &mut found);
    }
    found
}

fn problem(line: Option<u64>, column: &str, message: impl Into<String>) -> Problem {
    Problem {
        line,
        column: column.to_owned(),
        message: message.into(),
    }
}

/// A row of the file, by the names of its columns.
struct Row<'a> {
    line: Option<u64>,
    places: &'a BTreeMap<String, usize>,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The value of a column; none: null, or no such column.
    fn get(&self, id: &str) -> Option<&str> {
        let value = self.record.get(*self.places.get(id)?)?;
        (!value.is_empty()).then_some(value)
    }

    /// The value of a column that is a number.
    fn number(&self, id: &str) -> Option<Decimal> {
        self.get(id).and_then(number)
    }

    fn problem(&self, column: &str, message: impl Into<String>) -> Problem {
        problem(self.line, column, message)
    }
}

fn places(heads: &csv::StringRecord) -> BTreeMap<String, usize> {
    let heads = heads.iter().enumerate();
    heads.map(|(at, head)| (head.to_owned(), at)).collect()
}

fn check_heads(heads: &csv::StringRecord, found: &mut Vec<Problem>) {
    for column in &COLUMNS {
        match heads.iter().filter(|head| *head == column.id).count() {
            0 if column.level == Level::Custom => {}
            0 => found.push(problem(None, column.id, "the column is missing")),
            1 => {}
            _ => found.push(problem(None, column.id, "the column is there twice")),
        }
    }
    let known = |head: &str| COLUMNS.iter().any(|column| column.id == head);
    let others = heads.iter().filter(|head| !known(head));
    for head in others.filter(|head| !head.starts_with("x_")) {
        found.push(problem(
            None,
            head,
            "no column of this export; one of your own begins with x_",
        ));
    }
    let mut after_ours = heads.iter().skip_while(|head| !head.starts_with("x_"));
    if let Some(late) = after_ours.find(|head| !head.starts_with("x_")) {
        let told = "columns of the specification come before one's own";
        found.push(problem(None, late, told));
    }
}

fn check_cells(row: &Row<'_>, found: &mut Vec<Problem>) {
    for column in COLUMNS.iter().filter(|c| row.places.contains_key(c.id)) {
        let message = match row.get(column.id) {
            None if column.nullable => None,
            None => Some("there must be a value".to_owned()),
            Some(value) => wrong_with(column, value),
        };
        if let Some(message) = message {
            found.push(row.problem(column.id, message));
        }
    }
}

/// What is wrong with a value, seen alone.
fn wrong_with(column: &Column, value: &str) -> Option<String> {
    match column.kind {
        ColumnKind::Text => value
            .trim()
            .is_empty()
            .then(|| "a text of spaces is not a value".to_owned()),
        ColumnKind::OneOf(allowed) => (!allowed.contains(&value))
            .then(|| format!("{value:?} is none of {}", allowed.join(", "))),
        ColumnKind::CurrencyCode => value
            .parse::<Currency>()
            .err()
            .map(|error| error.to_string()),
        ColumnKind::Decimal(scale) => match number(value) {
            None => Some(format!("{value:?} is not a decimal number")),
            Some(number) if number.normalize().scale() > scale => {
                Some(format!("{value:?} has more than {scale} decimals"))
            }
            Some(_) => None,
        },
        ColumnKind::Time => moment(value)
            .is_none()
            .then(|| format!("{value:?} is not a moment such as 2026-11-01T00:00:00Z")),
    }
}

/// A number as the specification writes it: digits with at most one point, a minus and no plus,
/// and an exponent after `E`.
fn number(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (digits, exponent) = unsigned.split_once('E').unwrap_or((unsigned, "0"));
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = digits.split_once('.').unwrap_or((digits, "0"));
    let right = whole(before)
        && whole(after)
        && whole(exponent.strip_prefix('-').unwrap_or(exponent))
        && exponent.len() <= 4;
    if !right {
        return None;
    }
    if unsigned.contains('E') {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

/// A moment as the specification writes it: in UTC, to the second.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").ok()?;
    // chrono reads single digits as well.
    (text.len() == "2026-11-01T00:00:00Z".len()).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::rows;
    use super::super::write_csv;
    use super::*;

    /// The export, with the value of one column of one row changed, and what is said then.
    fn said(row: impl Fn(&BTreeMap<&str, &str>) -> bool, changes: &[(&str, &str)]) -> Vec<String> {
        let mut bytes = Vec::new();
        write_csv(&rows(), &mut bytes).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let heads = reader.headers().unwrap().clone();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&heads).unwrap();
        let mut changed = 0;
        for record in reader.records().map(Result::unwrap) {
            let by_name: BTreeMap<&str, &str> = heads.iter().zip(record.iter()).collect();
            let hit = changed == 0 && row(&by_name);
            changed += usize::from(hit);
            let value = |(head, cell): (&str, &str)| {
                let new = changes.iter().find(|(id, _)| hit && *id == head);
                new.map_or(cell, |(_, new)| new).to_owned()
            };
            let cells: Vec<String> = heads.iter().zip(record.iter()).map(value).collect();
            writer.write_record(&cells).unwrap();
        }
        assert_eq!(changed, 1, "no such row");
        let problems = check(&writer.into_inner().unwrap());
        problems.iter().map(ToString::to_string).collect()
    }

    fn usage(row: &BTreeMap<&str, &str>) -> bool {
        row["x_Meter"] == "requests" && row["ChargeClass"].is_empty()
    }

    fn shared(row: &BTreeMap<&str, &str>) -> bool {
        row["x_CostKind"] == "shared"
    }

    fn correction(row: &BTreeMap<&str, &str>) -> bool {
        row["ChargeClass"] == "Correction"
    }

    #[test]
    fn values_are_checked_one_by_one() {
        for (column, value, word) in [
            ("BilledCost", "", "there must be a value"),
            ("BilledCost", "1,5", "a decimal"),
            ("BilledCost", "+1", "a decimal"),
            ("BilledCost", "1.00000000001", "decimals"),
            ("BillingCurrency", "eur", "ISO 4217"),
            ("BillingAccountName", "  ", "spaces"),
            ("BillingPeriodStart", "2026-11-01", "a moment"),
            ("BillingPeriodStart", "2026-11-1T00:00:00Z", "a moment"),
            ("ChargeCategory", "usage", "none of"),
            ("ChargeClass", "correction", "none of"),
            ("ServiceCategory", "Magic", "none of"),
        ] {
            let said = said(usage, &[(column, value)]);
            let hit = |text: &&String| text.contains(column) && text.contains(word);
            assert!(said.iter().any(|text| hit(&text)), "{column} {said:?}");
            assert!(said[0].starts_with("line "), "{said:?}");
        }
    }

    #[test]
    fn columns_are_checked_against_each_other() {
        let other_charge = [
            ("ChargePeriodStart", "2026-11-05T00:00:00Z"),
            ("ChargePeriodEnd", "2026-11-05T00:00:00Z"),
        ];
        for (row, changes, word) in [
            (
                usage as fn(&BTreeMap<&str, &str>) -> bool,
                &[("PricingQuantity", "")][..],
                "PricingQuantity",
            ),
            (usage, &[("PricingUnit", "")], "PricingUnit"),
            (
                usage,
                &[("ConsumedQuantity", ""), ("ConsumedUnit", "")],
                "ConsumedQuantity",
            ),
            (usage, &[("ConsumedUnit", "")], "ConsumedUnit"),
            (usage, &[("SkuId", "")], "SkuId"),
            (usage, &[("SubAccountName", "")], "SubAccountName"),
            (usage, &[("ListUnitPrice", "-1")], "ListUnitPrice"),
            (usage, &[("ListUnitPrice", "1")], "ListCost"),
            (usage, &[("InvoiceIssuerName", "Somebody")], "BilledCost"),
            (usage, &[("ChargeCategory", "Tax")], "must be null"),
            (usage, &[("ServiceCategory", "Web")], "ServiceName"),
            (usage, &[("SkuId", "other")], "SkuPriceId"),
            (usage, &[("ChargeClass", "Correction")], "ChargeClass"),
            (correction, &[("ChargeClass", "")], "ChargeClass"),
            (usage, &other_charge, "ChargePeriodEnd"),
            (shared, &[("ConsumedQuantity", "1")], "ConsumedQuantity"),
            (shared, &[("EffectiveCost", "1")], "EffectiveCost"),
            (shared, &[("ListCost", "1")], "ListCost"),
            (shared, &[("ChargeCategory", "Purchase")], "EffectiveCost"),
            (shared, &[("SkuMeter", "x")], "SkuMeter"),
        ] {
            let said = said(row, changes);
            assert!(
                said.iter().any(|text| text.contains(word)),
                "{changes:?} {said:?}"
            );
        }
    }

    #[test]
    fn the_order_of_columns_does_not_matter_and_missing_ones_are_told() {
        let mut bytes = Vec::new();
        write_csv(&rows(), &mut bytes).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let mut turned = csv::Writer::from_writer(Vec::new());
        // All of theirs the other way round, without our own and without the cost.
        let heads = reader.headers().unwrap().clone();
        let kept: Vec<usize> = (0..heads.len())
            .rev()
            .filter(|at| !heads[*at].starts_with("x_") && heads[*at] != *"BilledCost")
            .collect();
        turned
            .write_record(kept.iter().map(|at| &heads[*at]))
            .unwrap();
        for record in reader.records().map(Result::unwrap) {
            turned
                .write_record(kept.iter().map(|at| &record[*at]))
                .unwrap();
        }
        let found = check(&turned.into_inner().unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].to_string(), "BilledCost: the column is missing");
    }

    #[test]
    fn heads_of_others_are_told() {
        let said = |head: &str| {
            let found = check(head.as_bytes());
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(
            said("Colour\n")
                .iter()
                .any(|text| text.contains("begins with x_"))
        );
        assert!(
            said("BilledCost,BilledCost\n")
                .iter()
                .any(|text| text.contains("twice"))
        );
        assert!(
            said("x_Mine,BilledCost\n")
                .iter()
                .any(|text| text.contains("come before"))
        );
        assert!(!said("").is_empty());
        assert!(
            said("A,B\n1\n")
                .iter()
                .any(|text| text.contains("cannot be read"))
        );
        assert!(said("A\n\u{fffd}\n").len() > 20);
        assert!(
            check(b"A\n\xff\n")
                .iter()
                .any(|one| one.message.contains("cannot be read"))
        );
    }

    #[test]
    fn numbers_are_those_of_the_specification() {
        for text in ["0", "-1.5", "12345678901234567890.5", "35.2E-7", "1E3"] {
            assert!(number(text).is_some(), "{text}");
        }
        for text in [
            "", "-", "1.", ".5", "+1", "1,000", "1e3", "1E+3", "½", "1 GiB", "NaN", "1E99999",
        ] {
            assert!(number(text).is_none(), "{text}");
        }
    }
}
