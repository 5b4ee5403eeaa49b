//! Rows as Parquet: the same columns as the CSV, with types. Decimals are of 38 digits, in 16 bytes;
//! moments are in UTC, to the millisecond; texts are UTF-8.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType};
use parquet::data_type::{DataType, Int64Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use rust_decimal::Decimal;

use super::columns::{COLUMNS, Column, ColumnKind, Value};
use super::row::FocusRow;
use crate::MeteringError;

/// Rows written together; a month of a hundred tenants is a few of these.
const ROWS_A_GROUP: usize = 50_000;
/// Digits of decimals, the most that 16 bytes hold.
const DIGITS: i32 = 38;
const DECIMAL_BYTES: i32 = 16;

/// Writes `rows` as Parquet. The same rows give the same bytes.
///
/// # Errors
/// [`MeteringError::Parquet`] when `out` does not take them.
pub fn write_parquet(rows: &[FocusRow], out: impl Write + Send) -> Result<(), MeteringError> {
    write(rows, out).map_err(MeteringError::Parquet)
}

fn write(rows: &[FocusRow], out: impl Write + Send) -> ParquetResult<()> {
    // The name of the library's build is left out: another build writes the same bytes.
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_created_by("tenantry".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
    for rows in rows.chunks(ROWS_A_GROUP) {
        let mut group = writer.next_row_group()?;
        for column in &COLUMNS {
            write_column(&mut group, column, rows)?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn schema() -> ParquetResult<TypePtr> {
    let fields = COLUMNS.iter().map(|column| field(column).map(Arc::new));
    let group = Type::group_type_builder("focus")
        .with_fields(fields.collect::<ParquetResult<_>>()?)
        .build()?;
    Ok(Arc::new(group))
}

fn field(column: &Column) -> ParquetResult<Type> {
    let (physical, logical, length) = match column.kind {
        ColumnKind::Text | ColumnKind::OneOf(_) | ColumnKind::CurrencyCode => {
            (Physical::BYTE_ARRAY, LogicalType::String, -1)
        }
        ColumnKind::Time => {
            let logical = LogicalType::timestamp(true, TimeUnit::MILLIS);
            (Physical::INT64, logical, -1)
        }
        ColumnKind::Decimal(scale) => {
            let scale = i32::try_from(scale).unwrap_or_default();
            let logical = LogicalType::decimal(scale, DIGITS);
            (Physical::FIXED_LEN_BYTE_ARRAY, logical, DECIMAL_BYTES)
        }
    };
    let repetition = if column.nullable {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    };
    let mut builder = Type::primitive_type_builder(column.id, physical)
        .with_repetition(repetition)
        .with_logical_type(Some(logical))
        .with_length(length);
    if let ColumnKind::Decimal(scale) = column.kind {
        builder = builder
            .with_precision(DIGITS)
            .with_scale(i32::try_from(scale).unwrap_or_default());
    }
    builder.build()
}

fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &Column,
    rows: &[FocusRow],
) -> ParquetResult<()> {
    let values = rows.iter().map(|row| (column.value)(row));
    match column.kind {
        ColumnKind::Text | ColumnKind::OneOf(_) | ColumnKind::CurrencyCode => {
            let texts = values.map(|value| match value {
                Value::Text(text) => Some(ByteArray::from(text.into_owned().into_bytes())),
                Value::Null | Value::Number(_) | Value::Time(_) => None,
            });
            write_values::<W, ByteArrayType>(group, column, texts)
        }
        ColumnKind::Time => {
            let times = values.map(|value| match value {
                Value::Time(time) => Some(time.timestamp_millis()),
                Value::Null | Value::Number(_) | Value::Text(_) => None,
            });
            write_values::<W, Int64Type>(group, column, times)
        }
        ColumnKind::Decimal(scale) => {
            let numbers = values.map(|value| match value {
                Value::Number(number) => unscaled(number, scale).map(fixed),
                Value::Null | Value::Text(_) | Value::Time(_) => None,
            });
            write_values::<W, FixedLenByteArrayType>(group, column, numbers)
        }
    }
}

fn write_values<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &Column,
    values: impl Iterator<Item = Option<T::T>>,
) -> ParquetResult<()> {
    let Some(mut writer) = group.next_column()? else {
        return Err(parquet::errors::ParquetError::General(format!(
            "there is no column for {}",
            column.id
        )));
    };
    let mut present = Vec::new();
    let mut levels = Vec::new();
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    if !column.nullable && present.len() != levels.len() {
        return Err(parquet::errors::ParquetError::General(format!(
            "{} has no value, or one too large",
            column.id
        )));
    }
    let levels = column.nullable.then_some(levels.as_slice());
    writer.typed::<T>().write_batch(&present, levels, None)?;
    writer.close()
}

/// `number` in units of ten to the minus `scale`. None: it has more decimals, or too many digits.
fn unscaled(number: Decimal, scale: u32) -> Option<i128> {
    let number = number.normalize();
    let missing = scale.checked_sub(number.scale())?;
    let unscaled = number
        .mantissa()
        .checked_mul(10_i128.checked_pow(missing)?)?;
    let most = 10_i128.checked_pow(DIGITS.unsigned_abs())?;
    (unscaled.abs() < most).then_some(unscaled)
}

fn fixed(unscaled: i128) -> FixedLenByteArray {
    FixedLenByteArray::from(unscaled.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::super::fixtures::{priced, rows};
    use super::*;

    fn written(rows: &[FocusRow]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_parquet(rows, &mut bytes).unwrap();
        bytes
    }

    /// A row as it is read: texts, whole numbers of the smallest unit, milliseconds.
    fn read(bytes: Vec<u8>) -> Vec<BTreeMap<String, String>> {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let cell = |field: &Field| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Decimal(decimal) => {
                let bytes: [u8; 16] = decimal.data().try_into().unwrap();
                i128::from_be_bytes(bytes).to_string()
            }
            Field::TimestampMillis(millis) => millis.to_string(),
            other => panic!("{other:?}"),
        };
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        rows.map(|row| {
            let columns = row.get_column_iter();
            columns
                .map(|(id, field)| (id.clone(), cell(field)))
                .collect()
        })
        .collect()
    }

    #[test]
    fn the_file_holds_the_rows() {
        let rows = rows();
        let found = read(written(&rows));
        assert_eq!(found.len(), rows.len());
        for (found, row) in found.iter().zip(&rows) {
            assert_eq!(found.len(), COLUMNS.len());
            let cost = unscaled(row.cost, 10).unwrap().to_string();
            assert_eq!(found["BilledCost"], cost);
            assert_eq!(
                found["SubAccountId"],
                row.tenant.as_ref().map_or("", |t| t.as_str())
            );
            let start = row.charge_start().timestamp_millis().to_string();
            assert_eq!(found["ChargePeriodStart"], start);
            let quantity = row.pricing_quantity().map_or(String::new(), |quantity| {
                unscaled(quantity, 18).unwrap().to_string()
            });
            assert_eq!(found["PricingQuantity"], quantity);
        }
        let sum: i128 = found
            .iter()
            .map(|row| row["BilledCost"].parse::<i128>().unwrap())
            .sum();
        let lines: Decimal = priced().lines.iter().map(|line| line.cost).sum();
        assert_eq!(Some(sum), unscaled(lines, 10));
    }

    #[test]
    fn the_same_rows_give_the_same_bytes_and_none_an_empty_file() {
        assert_eq!(written(&rows()), written(&rows()));
        assert!(read(written(&[])).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let text = |text: &str| unscaled(text.parse().unwrap(), 10);
        assert_eq!(text("-1.5"), Some(-15_000_000_000));
        assert_eq!(text("0.00000000001"), None);
        assert_eq!(text("79228162514264337593543950335"), None);
        let mut rows = rows();
        rows[0].cost = Decimal::MAX;
        let error = write_parquet(&rows, Vec::new()).unwrap_err();
        assert!(matches!(error, MeteringError::Parquet(_)), "{error}");
    }
}
