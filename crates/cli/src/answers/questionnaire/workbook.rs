//! Writes answers to a workbook: into a copy of the customer's own, or a new one.

use std::collections::BTreeMap;
use std::path::Path;

use tables::answers::{Cell, Columns, beside, new_workbook};
use tables::{Fields, Value, lists};

use super::QuestionView;
use super::file::Questionnaire;
use crate::error::{CliError, Exit};
use crate::output::note;

/// The heads of what is added.
const HEADS: [&str; 5] = [
    "Recommended expert",
    "Probability",
    "Other recommendations",
    "Request ID",
    "Problem",
];

/// Only workbooks are written.
///
/// # Errors
/// When the file is called otherwise.
pub fn check(out: Option<&Path>) -> Result<(), CliError> {
    let is_workbook = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| {
            extension.eq_ignore_ascii_case("xlsx") || extension.eq_ignore_ascii_case("xlsm")
        })
    };
    match out {
        Some(path) if !is_workbook(path) => Err(CliError::usage(
            "--out writes a workbook; name it something.xlsx",
        )
        .hint("for CSV redirect the output: -o csv > answers.csv (--spreadsheet for Excel)")),
        _ => Ok(()),
    }
}

/// Writes the answers beside the questions.
///
/// # Errors
/// When the customer's workbook cannot be edited, or the file cannot be written.
pub fn write(
    out: &Path,
    original: &Path,
    read: &Questionnaire,
    views: &[QuestionView],
) -> Result<(), CliError> {
    let bytes = match &read.sheet {
        Some((sheet, header_row)) => {
            let original = std::fs::read(original).map_err(|error| {
                CliError::usage(format!(
                    "the workbook cannot be read a second time: {error}"
                ))
                .hint("--out needs a file that can be read twice, and no pipe")
            })?;
            let numbers = read.lines.iter().map(|(number, _)| *number);
            let answered = numbers.zip(views).filter(|(_, view)| !view.heading);
            let columns = Columns {
                heads: HEADS.map(str::to_owned).to_vec(),
                header_row: *header_row,
                rows: answered
                    .map(|(number, view)| (number, answer_cells(view)))
                    .collect::<BTreeMap<_, _>>(),
            };
            beside(&original, sheet, &columns)?
        }
        None => made(read, views)?,
    };
    std::fs::write(out, bytes)
        .map_err(|error| CliError::new(Exit::Usage, format!("{}: {error}", out.display())))?;
    note(&format!("the answers are in {}", out.display()));
    Ok(())
}

/// A new workbook: the file's columns as they were, and the answers.
fn made(read: &Questionnaire, views: &[QuestionView]) -> Result<Vec<u8>, CliError> {
    let kept: Vec<_> = read.columns.iter().filter(|column| column.kept).collect();
    let keys: Vec<&str> = match kept.as_slice() {
        [] => vec!["id", "text", "area"],
        kept => kept.iter().map(|column| column.key()).collect(),
    };
    let names = match kept.as_slice() {
        [] => keys.iter().map(|key| (*key).to_owned()).collect(),
        kept => kept.iter().map(|column| column.name.clone()).collect(),
    };
    let heads: Vec<String> = [names, HEADS.map(str::to_owned).to_vec()].concat();
    let rows = read.fields.iter().zip(views).map(|(fields, view)| {
        if view.heading {
            return vec![Cell::Text(view.text.clone())];
        }
        let own = keys.iter().map(|key| own_cell(fields, key));
        own.chain(answer_cells(view)).collect()
    });
    Ok(new_workbook(&heads, &rows.collect::<Vec<_>>())?)
}

fn own_cell(fields: &Fields, key: &str) -> Cell {
    let text = match fields.get(key) {
        Some(Value::List(values)) => {
            let values: Vec<_> = values.iter().filter_map(Value::scalar).collect();
            lists::join(&values, ';', &tables::named::LIST_SEPARATORS)
        }
        Some(value) => value.scalar().unwrap_or_default(),
        None => String::new(),
    };
    Cell::Text(text)
}

fn answer_cells(view: &QuestionView) -> Vec<Cell> {
    let first = view.recommendations.first();
    let expert = first.map(|one| one.expert_id.clone()).unwrap_or_default();
    let probability = first.filter(|one| one.probability > 0.0).map_or_else(
        || Cell::Text(String::new()),
        // Four digits, as everywhere: a calibrated probability has no more to say.
        |one| Cell::Number((one.probability * 10_000.0).round() / 10_000.0),
    );
    vec![
        Cell::Text(expert),
        probability,
        Cell::Text(view.others()),
        Cell::Text(view.request_id.clone().unwrap_or_default()),
        Cell::Text(view.problem()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_head_of_ours_is_taken_for_a_field_when_the_workbook_is_read_again() {
        for head in HEADS {
            assert!(!tables::ITEMS.knows(head), "{head}");
        }
    }
}
