//! Gives the columns of a header their fields: as the person says, by their own names, or by the
//! usual other names.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::FileError;
use crate::names::{Schema, plain};

/// Which column is which field: by the person's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Columns that are kept, by name or field; empty keeps all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Fields whose empty cells take the value above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fill_down: Vec<String>,
    /// The line or row of the header, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_row: Option<u64>,
    /// The sheet of a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// How times are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The zone of times that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Field to column name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

impl Mapping {
    /// Reads a mapping that was saved.
    ///
    /// # Errors
    /// A sentence that says what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        toml::from_str(text).map_err(|error| {
            FileError::new(format!("the mapping cannot be read: {}", error.message()))
        })
    }

    /// The text that [`Mapping::parse`] reads.
    ///
    /// # Errors
    /// None that a mapping can cause.
    pub fn to_text(&self) -> Result<String, FileError> {
        toml::to_string(self).map_err(|error| FileError::new(error.to_string()))
    }
}

/// A column of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name as the file has it, made unique.
    pub name: String,
    /// The field it is, where it is one; any other column is an attribute of its name.
    pub field: Option<&'static str>,
    /// The field was guessed from the name.
    pub guessed: bool,
    /// It is read at all.
    pub kept: bool,
}

impl Column {
    /// The name that its values have in a row.
    #[must_use]
    pub fn key(&self) -> &str {
        self.field.unwrap_or(&self.name)
    }
}

/// The columns that `header` names.
///
/// # Errors
/// When the mapping names a column that is not there, or a field is named twice.
pub fn resolve(
    header: &[String],
    schema: &Schema,
    mapping: &Mapping,
) -> Result<Vec<Column>, FileError> {
    let mut columns: Vec<Column> = unique(header)
        .into_iter()
        .map(|name| Column {
            name,
            field: None,
            guessed: false,
            kept: true,
        })
        .collect();
    apply_mapping(&mut columns, schema, mapping)?;
    for field in schema.fields {
        if columns
            .iter()
            .any(|column| column.field == Some(field.name))
        {
            continue;
        }
        let ranked = columns.iter().enumerate();
        let ranked = ranked
            .filter(|(_, column)| column.field.is_none())
            .filter_map(|(place, column)| {
                Some((Schema::rank(field, &header[place])?, place, &column.name))
            });
        let ranked: Vec<_> = ranked.collect();
        let Some(best) = ranked.iter().map(|(rank, ..)| *rank).min() else {
            continue;
        };
        let mut places = ranked.iter().filter(|(rank, ..)| *rank == best);
        let first = places.next().map(|(_, place, _)| *place);
        if let Some((_, _, twice)) = places.next() {
            return Err(twice_named(field.name, &header[first.unwrap_or(0)], twice));
        }
        if let Some(place) = first {
            columns[place].field = Some(field.name);
            columns[place].guessed = best > 0;
        }
    }
    for column in columns.iter_mut().filter(|column| column.field.is_none()) {
        // Another column is the field of this name: this one must not take its place.
        if schema.field(&column.name).is_some() {
            column.name.push_str("_2");
        }
    }
    keep_only(&mut columns, &mapping.keep)?;
    Ok(columns)
}

fn twice_named(field: &str, name: &str, second: &str) -> FileError {
    FileError::new(format!(
        "the header names the column `{name}` twice, and it would be `{field}`; rename one of them, \
         or say which one is meant: --column {field}={name:?} or --column {field}={second:?}"
    ))
}

fn apply_mapping(
    columns: &mut [Column],
    schema: &Schema,
    mapping: &Mapping,
) -> Result<(), FileError> {
    for (field, wanted) in &mapping.columns {
        let Some(known) = schema.field(field) else {
            let fields: Vec<_> = schema.fields.iter().map(|field| field.name).collect();
            return Err(FileError::new(format!(
                "--column {field}=…: there is no field `{field}`; the fields are {}",
                fields.join(", ")
            )));
        };
        let place = find(columns, wanted).ok_or_else(|| {
            FileError::new(format!(
                "--column {field}={wanted:?}: there is no such column; the columns are {}",
                listed(columns)
            ))
        })?;
        columns[place].field = Some(known.name);
    }
    Ok(())
}

fn keep_only(columns: &mut [Column], keep: &[String]) -> Result<(), FileError> {
    if keep.is_empty() {
        return Ok(());
    }
    let mut kept = HashSet::new();
    for wanted in keep {
        let by_field = columns
            .iter()
            .position(|column| column.field == Some(wanted));
        let place = by_field.or_else(|| find(columns, wanted)).ok_or_else(|| {
            FileError::new(format!(
                "--columns {wanted}: there is no such column; the columns are {}",
                listed(columns)
            ))
        })?;
        kept.insert(place);
    }
    for (place, column) in columns.iter_mut().enumerate() {
        column.kept = kept.contains(&place);
    }
    Ok(())
}

/// The column of that name: as it is written, else whatever its case and punctuation.
fn find(columns: &[Column], wanted: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column.name == wanted);
    exact.or_else(|| {
        let wanted = plain(wanted);
        let same = |column: &Column| plain(&column.name) == wanted;
        columns.iter().position(same).filter(|_| !wanted.is_empty())
    })
}

fn listed(columns: &[Column]) -> String {
    let names: Vec<_> = columns
        .iter()
        .take(30)
        .map(|c| format!("{:?}", c.name))
        .collect();
    let more = columns.len().saturating_sub(30);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", names.join(", "))
}

/// Names without blanks around and line breaks inside; a blank one is named by its place, and one
/// that came before gets a number.
fn unique(header: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(header.len());
    for (place, name) in header.iter().enumerate() {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let base = if name.is_empty() {
            format!("column_{}", place + 1)
        } else {
            name
        };
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ITEMS;

    fn resolved(header: &[&str], mapping: &Mapping) -> Result<Vec<String>, String> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let columns = resolve(&header, &ITEMS, mapping).map_err(|error| error.to_string())?;
        let kept = columns.iter().filter(|column| column.kept);
        Ok(kept.map(|column| column.key().to_owned()).collect())
    }

    fn plainly(header: &[&str]) -> Vec<String> {
        resolved(header, &Mapping::default()).unwrap()
    }

    #[test]
    fn usual_names_are_known_and_the_better_one_wins() {
        assert_eq!(
            plainly(&[
                "Control ID",
                "Question ID",
                "Control Heading",
                "Section",
                "Question",
                "Notes"
            ]),
            [
                "Control ID",
                "id",
                "Control Heading",
                "area",
                "text",
                "Notes"
            ]
        );
        assert_eq!(
            plainly(&["ID", "Text", "Question"]),
            ["id", "text", "Question"]
        );
    }

    #[test]
    fn names_that_mean_nothing_may_come_again_and_fields_may_not() {
        assert_eq!(
            plainly(&["id", "text", "Comment", "Comment", "", ""]),
            ["id", "text", "Comment", "Comment_2", "column_5", "column_6"]
        );
        let twice = resolved(&["id", "Question", "Question"], &Mapping::default()).unwrap_err();
        assert!(
            twice.contains("twice") && twice.contains("Question_2"),
            "{twice}"
        );
        let mapping = Mapping {
            columns: [("text".to_owned(), "Question_2".to_owned())].into(),
            ..Mapping::default()
        };
        let told = resolved(&["id", "Question", "Question"], &mapping).unwrap();
        assert_eq!(told, ["id", "Question", "text"]);
    }

    #[test]
    fn what_a_person_says_counts_and_is_checked() {
        let mapping = |field: &str, column: &str| Mapping {
            columns: [(field.to_owned(), column.to_owned())].into(),
            keep: vec!["text".to_owned(), "notes".to_owned()],
            ..Mapping::default()
        };
        let kept = resolved(&["id", "Words", "Notes"], &mapping("text", "words")).unwrap();
        assert_eq!(kept, ["text", "Notes"]);
        let unknown = resolved(&["id"], &mapping("text", "Words")).unwrap_err();
        assert!(
            unknown.contains("no such column") && unknown.contains("\"id\""),
            "{unknown}"
        );
        assert!(
            resolved(&["id"], &mapping("words", "id"))
                .unwrap_err()
                .contains("no field")
        );
    }

    #[test]
    fn a_mapping_is_saved_and_read_again() {
        let mapping = Mapping {
            columns: [("text".to_owned(), "Question \"Text\"".to_owned())].into(),
            keep: vec!["id".to_owned(), "text".to_owned()],
            fill_down: vec!["area".to_owned()],
            header_row: Some(4),
            sheet: Some("Fragen".to_owned()),
            time_format: Some("%d/%m/%Y".to_owned()),
            time_zone: Some("Europe/Berlin".to_owned()),
        };
        assert_eq!(
            Mapping::parse(&mapping.to_text().unwrap()).unwrap(),
            mapping
        );
        assert_eq!(Mapping::parse("").unwrap(), Mapping::default());
        assert!(
            Mapping::parse("colums = 1")
                .unwrap_err()
                .to_string()
                .contains("colums")
        );
    }
}
