//! Rows as CSV: UTF-8, a head, decimals in full, nothing between two commas for null.

use std::borrow::Cow;
use std::io::Write;

use chrono::SecondsFormat;
use rust_decimal::Decimal;

use super::columns::{COLUMNS, ColumnKind, Value};
use super::row::FocusRow;
use crate::MeteringError;

/// Writes `rows` as CSV. The same rows give the same bytes.
///
/// # Errors
/// [`MeteringError::Csv`] when `out` does not take them.
pub fn write_csv(rows: &[FocusRow], out: impl Write) -> Result<(), MeteringError> {
    let mut writer = csv::Writer::from_writer(out);
    writer
        .write_record(COLUMNS.iter().map(|column| column.id))
        .map_err(MeteringError::Csv)?;
    for row in rows {
        let cells = COLUMNS
            .iter()
            .map(|column| cell((column.value)(row), column.kind));
        for cell in cells {
            writer
                .write_field(cell.as_bytes())
                .map_err(MeteringError::Csv)?;
        }
        writer
            .write_record(None::<&[u8]>)
            .map_err(MeteringError::Csv)?;
    }
    writer
        .flush()
        .map_err(|error| MeteringError::Csv(error.into()))
}

fn cell(value: Value<'_>, kind: ColumnKind) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Text(text) => text,
        Value::Number(number) => number_text(number, kind).into(),
        Value::Time(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
    }
}

/// Amounts with all their decimals. Quantities with those they have, and at least one: readers that
/// guess types from the values take a column of whole numbers for one of integers.
fn number_text(number: Decimal, kind: ColumnKind) -> String {
    let mut number = number.normalize();
    let amount = ColumnKind::Decimal(domain::cost::AMOUNT_DECIMALS);
    let least = if kind == amount {
        domain::cost::AMOUNT_DECIMALS
    } else {
        1
    };
    if number.scale() < least {
        number.rescale(least);
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{context, priced, rows};
    use super::super::{check, focus_rows};
    use super::*;

    fn written(rows: &[FocusRow]) -> String {
        let mut bytes = Vec::new();
        write_csv(rows, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn costs_in_the_file_sum_to_those_of_the_lines() {
        let csv = written(&rows());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let at = |id: &str| heads.iter().position(|head| head == id).unwrap();
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert!(records.len() > 20, "{}", records.len());
        for id in ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"] {
            let sum: Decimal = records
                .iter()
                .map(|record| record[at(id)].parse::<Decimal>().unwrap())
                .sum();
            let lines: Decimal = priced().lines.iter().map(|line| line.cost).sum();
            assert_eq!(sum, lines, "{id}");
        }
    }

    #[test]
    fn what_is_written_passes_the_check_and_is_the_same_each_time() {
        let csv = written(&rows());
        assert_eq!(check(csv.as_bytes()), Vec::new());
        assert_eq!(csv, written(&rows()));
        assert!(csv.lines().nth(1).unwrap().contains("2026-11-01T00:00:00Z"));
    }

    #[test]
    fn texts_stay_as_they_are() {
        let names = [(
            "acme".parse().unwrap(),
            "=HYPERLINK(\"x\"), \"Acme\"\n& Söhne".to_owned(),
        )];
        let names = names.into_iter().collect();
        let rows = focus_rows(&priced(), &context(&names)).unwrap();
        let csv = written(&rows);
        assert!(csv.contains("\"=HYPERLINK(\"\"x\"\"), \"\"Acme\"\"\n& Söhne\""));
        assert_eq!(check(csv.as_bytes()), Vec::new());
    }

    #[test]
    fn numbers_have_decimals_and_no_exponent() {
        let text = |number: &str, kind| number_text(number.parse().unwrap(), kind);
        let (amount, quantity) = (ColumnKind::Decimal(10), ColumnKind::Decimal(18));
        assert_eq!(text("5", amount), "5.0000000000");
        assert_eq!(text("-0.5", amount), "-0.5000000000");
        assert_eq!(text("5", quantity), "5.0");
        assert_eq!(
            text("0.000000000000000001", quantity),
            "0.000000000000000001"
        );
        assert_eq!(
            text("18446744073709551615.00", quantity),
            "18446744073709551615.0"
        );
    }
}
