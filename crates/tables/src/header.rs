//! Finds the line that names the columns: below titles, instructions and "filled in by" lines.

use crate::columns::Mapping;
use crate::grid::GridRow;
use crate::names::{Schema, plain};

/// The header is looked for in so many rows.
pub(crate) const SEARCHED: usize = 60;
/// A longer cell is a text and no name.
const NAME_CHARS: usize = 80;

/// A row that may be the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its place among the rows that were looked at.
    pub(crate) place: usize,
    /// How many of its cells name a field.
    pub(crate) named: usize,
}

/// The header among `rows`: the one that was asked for, else the first of those that name most
/// fields, else the first that says anything.
pub(crate) fn find(rows: &[GridRow], schema: &Schema, mapping: &Mapping) -> Option<Found> {
    if let Some(wanted) = mapping.header_row {
        let place = rows.iter().position(|row| row.line == wanted)?;
        let named = named(&rows[place], schema, mapping);
        return Some(Found { place, named });
    }
    let scored = rows.iter().enumerate().map(|(place, row)| Found {
        place,
        named: named(row, schema, mapping),
    });
    let best = scored
        .filter(|found| found.named > 0)
        .reduce(|best, next| if next.named > best.named { next } else { best });
    best.or_else(|| {
        let place = rows.iter().position(|row| row.filled().next().is_some())?;
        Some(Found { place, named: 0 })
    })
}

/// How many fields the row names; 0 where it names none that tells a row of this kind.
fn named(row: &GridRow, schema: &Schema, mapping: &Mapping) -> usize {
    let names: Vec<String> = row
        .filled()
        .filter_map(|(_, cell)| cell.scalar())
        .filter(|name| name.chars().count() <= NAME_CHARS)
        .collect();
    let said = |field: &str| {
        let wanted = mapping.columns.get(field).map(|column| plain(column));
        wanted.is_some_and(|wanted| names.iter().any(|name| plain(name) == wanted))
    };
    let known = |field: &&crate::names::Field| {
        said(field.name) || names.iter().any(|name| Schema::rank(field, name).is_some())
    };
    let fields: Vec<&str> = schema
        .fields
        .iter()
        .filter(known)
        .map(|field| field.name)
        .collect();
    let tells = fields.iter().any(|field| schema.telling.contains(field));
    if tells { fields.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ITEMS;
    use crate::value::Value;

    fn rows(rows: &[&[&str]]) -> Vec<GridRow> {
        let cells = |row: &&[&str]| row.iter().map(|c| Value::Text((*c).to_owned())).collect();
        (1..)
            .zip(rows)
            .map(|(line, row)| GridRow {
                number: line,
                line,
                cells: Ok(cells(row)),
                raw: Vec::new(),
            })
            .collect()
    }

    #[test]
    fn titles_above_the_header_are_passed_over() {
        let sheet = rows(&[
            &["Security questions", "", ""],
            &["Name of the vendor", "Owner", ""],
            &["", "", ""],
            &["No.", "Question", "Response"],
            &["1", "Do you encrypt?", "Yes"],
        ]);
        let found = find(&sheet, &ITEMS, &Mapping::default()).unwrap();
        assert_eq!((found.place, found.named), (3, 3));
        let asked = Mapping {
            header_row: Some(2),
            ..Mapping::default()
        };
        assert_eq!(find(&sheet, &ITEMS, &asked).unwrap().place, 1);
        let beyond = Mapping {
            header_row: Some(9),
            ..Mapping::default()
        };
        assert_eq!(find(&sheet, &ITEMS, &beyond), None);
    }

    #[test]
    fn without_known_names_the_first_row_is_the_header() {
        let sheet = rows(&[&["", ""], &["Fizz", "Buzz"], &["1", "2"]]);
        let found = find(&sheet, &ITEMS, &Mapping::default()).unwrap();
        assert_eq!((found.place, found.named), (1, 0));
        let mapped = Mapping {
            columns: [("text".to_owned(), "fizz".to_owned())].into(),
            ..Mapping::default()
        };
        assert_eq!(find(&sheet, &ITEMS, &mapped).unwrap().named, 1);
    }
}
