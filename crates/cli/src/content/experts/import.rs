//! `tenantry experts import`: people from a file.

use std::path::Path;

use api::rules::{ExpertId, ExpertPatch};
use api::v1;
use serde::Serialize;
use tables::{Content, EXPERTS, Fields, Value, cells, source};

use super::{BATCH, upsert};
use crate::Context;
use crate::error::{CliError, Exit};
use crate::import::args::TableArgs;
use crate::output::{Row, note};

/// What `experts import --help` says after the options.
pub const HELP: &str = "The file is a workbook (XLSX), CSV or JSONL (gzip too; - is standard input) with
the fields id, display_name, profile, active and available, or usual other names of them (Email, Full
Name, Expertise). Of an expert that is there already only what the file names is changed.

Examples:
  tenantry experts import -t acme people.xlsx --dry-run
  tenantry experts import -t acme experts.csv --column id=Login
  cat experts.jsonl | tenantry experts import -t acme -";

/// So many bad rows are told one by one.
const TOLD: usize = 20;

/// What an import came to.
#[derive(Debug, Serialize)]
struct ImportView {
    file: String,
    dry_run: bool,
    rows: u64,
    changed: u64,
    unchanged: u64,
    rejected: Vec<BadRow>,
    notes: Vec<String>,
    file_problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct BadRow {
    line: u64,
    message: String,
}

impl Row for ImportView {
    const COLUMNS: &'static [&'static str] = &[
        "file",
        "rows",
        "changed",
        "unchanged",
        "rejected",
        "problem",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.file.clone(),
            self.rows.to_string(),
            self.changed.to_string(),
            self.unchanged.to_string(),
            self.rejected.len().to_string(),
            self.file_problem.clone().unwrap_or_default(),
        ]
    }
}

/// Reads the file and makes its experts known.
///
/// # Errors
/// What the person should be told; bad rows are no error.
pub async fn run(
    parent: &str,
    path: &Path,
    table: &TableArgs,
    dry_run: bool,
    context: &mut Context,
) -> Result<Exit, CliError> {
    let options = table.options(path)?;
    let mut file = tables::open(&options, &EXPERTS)?;
    table.save(&options.mapping, &file.columns)?;
    let client = match dry_run {
        true => None,
        false => Some(context.client().await?),
    };
    let mut view = ImportView {
        file: source::display_name(path),
        dry_run,
        rows: 0,
        changed: 0,
        unchanged: 0,
        rejected: Vec::new(),
        notes: Vec::new(),
        file_problem: None,
    };
    let mut batch: Vec<v1::Expert> = Vec::new();
    let mut good = 0_u64;
    loop {
        let record = file.next_record();
        let last = record.is_none();
        if let Some(record) = record {
            let expert = match record.content {
                Content::Heading(_) => continue,
                Content::Bad(issue) => Err(issue.message),
                Content::Fields(fields) => expert_of(&fields),
            };
            view.rows += 1;
            match expert {
                Ok(expert) => batch.push(expert),
                Err(message) => view.rejected.push(BadRow {
                    line: record.number,
                    message,
                }),
            }
        }
        if last || batch.len() == BATCH {
            good += batch.len() as u64;
            let full = std::mem::take(&mut batch);
            if let Some(client) = &client {
                view.changed += upsert(client, parent, full).await?;
            }
        }
        if last {
            break;
        }
    }
    if !dry_run {
        view.unchanged = good.saturating_sub(view.changed);
    }
    view.file_problem = file.problem();
    view.notes = file.notes();
    tell(&view, file.unit());
    let clean = view.rejected.is_empty() && view.file_problem.is_none();
    context.out.one(&view)?;
    Ok(if clean {
        Exit::Done
    } else {
        Exit::RowsRejected
    })
}

fn tell(view: &ImportView, unit: &str) {
    view.notes.iter().for_each(|one| note(one));
    for bad in view.rejected.iter().take(TOLD) {
        note(&format!("{unit} {}: {}", bad.line, bad.message));
    }
    if view.rejected.len() > TOLD {
        note(&format!(
            "… and {} more; -o json has all",
            view.rejected.len() - TOLD
        ));
    }
    if let Some(problem) = &view.file_problem {
        note(&format!("{}: {problem}", view.file));
    }
}

/// What a row says of an expert, or what is wrong with the row. What it has no field for is not said.
fn expert_of(fields: &Fields) -> Result<v1::Expert, String> {
    let text = |name: &str| -> Result<Option<String>, String> {
        // What our own files are called from before: any case, and `expert_id`.
        let found = fields.get(name).or_else(|| {
            let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
            fields.iter().find(same).map(|(_, value)| value)
        });
        match found {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.scalar() {
                Some(text) if cells::error(&text).is_some() => Err(format!(
                    "`{name}` is the error {} of the spreadsheet",
                    text.trim()
                )),
                Some(text) => Ok(Some(text.trim().to_owned())),
                None => Err(format!("`{name}` is not a text")),
            },
        }
    };
    let display_name = text("display_name")?
        .or(text("name")?)
        .filter(|name| !name.is_empty());
    let id = text("id")?
        .or(text("expert_id")?)
        .filter(|id| !id.is_empty());
    let expert_id = id.or_else(|| display_name.clone()).unwrap_or_default();
    ExpertId::parse(expert_id.as_str()).map_err(|error| format!("`id` cannot be used: {error}"))?;
    let expert = v1::Expert {
        profile: text("profile")?,
        inactive: truth(fields, "active")?.map(|active| !active),
        unavailable: truth(fields, "available")?.map(|available| !available),
        display_name,
        expert_id,
        update_time: None,
    };
    // One bad expert would make the server refuse all those sent with it.
    ExpertPatch::try_from(expert.clone()).map_err(|violation| violation.to_string())?;
    Ok(expert)
}

/// True, false, or nothing said.
fn truth(fields: &Fields, name: &str) -> Result<Option<bool>, String> {
    let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
    match fields.iter().find(same).map(|(_, value)| value) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Truth(truth)) => Ok(Some(*truth)),
        Some(value) => match value
            .scalar()
            .unwrap_or_default()
            .trim()
            .to_lowercase()
            .as_str()
        {
            "" => Ok(None),
            "true" | "yes" | "y" | "1" | "x" | "wahr" | "ja" | "vrai" | "oui" => Ok(Some(true)),
            "false" | "no" | "n" | "0" | "falsch" | "nein" | "faux" | "non" => Ok(Some(false)),
            other => Err(format!("`{name}` is {other:?}; write true or false")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expert(json: &str) -> Result<v1::Expert, String> {
        expert_of(&tables::jsonl::object(json).unwrap())
    }

    #[test]
    fn a_row_becomes_an_expert() {
        let anna = expert(r#"{"expert_id": "anna", "name": "Anna", "active": "no"}"#).unwrap();
        assert_eq!(
            (anna.expert_id.as_str(), anna.display_name.as_deref()),
            ("anna", Some("Anna"))
        );
        assert_eq!((anna.inactive, anna.unavailable), (Some(true), None));
        assert_eq!(expert(r#"{"id": 7}"#).unwrap().expert_id, "7");
    }

    #[test]
    fn what_a_row_has_no_field_for_is_not_said() {
        let away = expert(r#"{"id": "e1", "available": "no"}"#).unwrap();
        assert_eq!((away.display_name, away.profile), (None, None));
        assert_eq!((away.inactive, away.unavailable), (None, Some(true)));
    }

    #[test]
    fn bad_rows_say_why() {
        assert!(expert("{}").unwrap_err().contains("empty"));
        assert!(
            expert(r#"{"id": "a", "available": "maybe"}"#)
                .unwrap_err()
                .contains("true or false")
        );
        assert!(
            expert(r##"{"id": "#REF!"}"##)
                .unwrap_err()
                .contains("#REF!")
        );
        let long = format!(r#"{{"id": "a", "profile": "{}"}}"#, "x".repeat(5_000));
        assert!(expert(&long).unwrap_err().contains("profile"));
    }
}
