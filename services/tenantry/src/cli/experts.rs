//! `tenantry experts`: the people who can answer. How they change is in `people`.

use std::path::{Path, PathBuf};

use api::v1;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::args::{PageArgs, TenantArg};
use super::client::Client;
use super::error::{CliError, Exit};
use super::import::{self, Fields, Format};
use super::output::{Output, Row, note, short_time, time};
use super::people::{self, PeopleCommand};

/// The server takes 1,000 experts in one message; fewer keep the message small with long profiles.
const BATCH: usize = 250;
/// So many bad rows are told one by one.
const TOLD: usize = 20;

/// Import, list, rename, merge and delete experts.
#[derive(Debug, clap::Subcommand)]
pub enum ExpertsCommand {
    /// Create or change experts from a file
    #[command(
        after_help = "The file is JSONL or CSV (gzip too; - is standard input) with the \
fields id (or expert_id), display_name (or name), profile, active and available. Of an expert that is \
there already only what the file has a column for is changed; a cell that is empty clears it. Of a new \
one the last two are true where they are left out.

Examples:
  tenantry experts import -t acme experts.csv
  cat experts.jsonl | tenantry experts import -t acme -"
    )]
    Import {
        #[command(flatten)]
        tenant: TenantArg,
        /// The file; - is standard input
        file: PathBuf,
        /// How the rows are written [default: by name and content]
        #[arg(long)]
        format: Option<Format>,
    },
    /// List experts by id
    #[command(after_help = "Example:\n  tenantry experts list -t acme -o csv > experts.csv")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        page: PageArgs,
    },
    #[command(flatten)]
    People(PeopleCommand),
}

/// An expert as it is printed; `experts import` reads the same fields.
#[derive(Debug, Serialize)]
pub struct ExpertView {
    id: String,
    display_name: String,
    profile: String,
    active: bool,
    available: bool,
    update_time: Option<String>,
}

impl From<v1::Expert> for ExpertView {
    fn from(expert: v1::Expert) -> Self {
        Self {
            active: !expert.inactive.unwrap_or_default(),
            available: !expert.unavailable.unwrap_or_default(),
            update_time: time(expert.update_time.as_ref()),
            id: expert.expert_id,
            display_name: expert.display_name.unwrap_or_default(),
            profile: expert.profile.unwrap_or_default(),
        }
    }
}

impl Row for ExpertView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "display name",
        "active",
        "available",
        "profile",
        "updated",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.active.to_string(),
            self.available.to_string(),
            self.profile.clone(),
            short_time(self.update_time.as_ref()),
        ]
    }
}

/// What an import came to.
#[derive(Debug, Serialize)]
struct ImportView {
    file: String,
    rows: u64,
    changed: u64,
    unchanged: u64,
    rejected: Vec<BadRow>,
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

/// Runs an `experts` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: ExpertsCommand, context: &mut Context) -> Result<Exit, CliError> {
    match command {
        ExpertsCommand::Import {
            tenant,
            file,
            format,
        } => {
            let parent = tenant.parent()?;
            let client = context.client().await?;
            import_file(&client, &parent, &file, format, &mut context.out).await
        }
        ExpertsCommand::List { tenant, page } => {
            let parent = tenant.parent()?;
            let client = context.client().await?;
            let experts = list(&client, &parent, &page).await?;
            context.out.list(
                &experts
                    .into_iter()
                    .map(ExpertView::from)
                    .collect::<Vec<_>>(),
            )?;
            Ok(Exit::Done)
        }
        ExpertsCommand::People(command) => people::run(command, context).await,
    }
}

/// The tenant's experts.
///
/// # Errors
/// When the server refuses.
pub async fn list(
    client: &Client,
    parent: &str,
    page: &PageArgs,
) -> Result<Vec<v1::Expert>, CliError> {
    page.collect(async |page_size, page_token| {
        let parent = parent.to_owned();
        let request = v1::ListExpertsRequest {
            parent,
            page_size,
            page_token,
        };
        let answer = client.answer(client.ingest().list_experts(client.timed(request)).await)?;
        Ok((answer.experts, answer.next_page_token))
    })
    .await
}

/// Creates or changes experts, of those who are there only what is said of them; how many were new or
/// changed.
///
/// # Errors
/// When the server refuses.
pub async fn upsert(
    client: &Client,
    parent: &str,
    experts: Vec<v1::Expert>,
) -> Result<u64, CliError> {
    let mut changed = 0;
    for some in experts.chunks(BATCH) {
        let request = v1::BatchUpsertExpertsRequest {
            parent: parent.to_owned(),
            experts: some.to_vec(),
            update_mask: None,
        };
        let answer = client
            .ingest()
            .batch_upsert_experts(client.timed(request))
            .await;
        changed += client.answer(answer)?.changed;
    }
    Ok(changed)
}

async fn import_file(
    client: &Client,
    parent: &str,
    path: &Path,
    format: Option<Format>,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let mut file = import::open(path, format, None)?;
    let mut view = ImportView {
        file: import::source::display_name(path),
        rows: 0,
        changed: 0,
        unchanged: 0,
        rejected: Vec::new(),
        file_problem: None,
    };
    let mut batch: Vec<v1::Expert> = Vec::new();
    let mut good = 0_u64;
    while let Some(record) = file.records.next_record() {
        view.rows += 1;
        match record
            .fields
            .map_err(|issue| issue.message)
            .and_then(|fields| expert_of(&fields))
        {
            Ok(expert) => batch.push(expert),
            Err(message) => view.rejected.push(BadRow {
                line: record.number,
                message,
            }),
        }
        if batch.len() == BATCH {
            good += BATCH as u64;
            view.changed += upsert(client, parent, std::mem::take(&mut batch)).await?;
        }
    }
    good += batch.len() as u64;
    view.changed += upsert(client, parent, batch).await?;
    view.unchanged = good.saturating_sub(view.changed);
    view.file_problem = file.records.problem();
    for bad in view.rejected.iter().take(TOLD) {
        note(&format!(
            "{} {}: {}",
            file.records.unit(),
            bad.line,
            bad.message
        ));
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
    let clean = view.rejected.is_empty() && view.file_problem.is_none();
    out.one(&view)?;
    Ok(if clean {
        Exit::Done
    } else {
        Exit::RowsRejected
    })
}

/// What a row says of an expert, or what is wrong with the row. What it has no field for is not said.
fn expert_of(fields: &Fields) -> Result<v1::Expert, String> {
    let expert_id = text(fields, ["id", "expert_id"])?.unwrap_or_default();
    domain::ExpertId::parse(expert_id.as_str())
        .map_err(|error| format!("`id` cannot be used: {error}"))?;
    let expert = v1::Expert {
        expert_id,
        display_name: text(fields, ["display_name", "name"])?,
        profile: text(fields, ["profile", "profile"])?,
        inactive: truth(fields, "active")?.map(|active| !active),
        unavailable: truth(fields, "available")?.map(|available| !available),
        update_time: None,
    };
    // One bad expert would make the server refuse all those sent with it.
    domain::ExpertPatch::try_from(expert.clone()).map_err(|violation| violation.to_string())?;
    Ok(expert)
}

/// The field by one of its names; none where the row has neither.
fn text(fields: &Fields, names: [&str; 2]) -> Result<Option<String>, String> {
    match names.into_iter().find_map(|name| field(fields, name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(format!("`{}` is not a text", names[0])),
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    let named = fields
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value)
}

/// Whether the row says yes; none where it says nothing. An empty cell is what is usual: true.
fn truth(fields: &Fields, name: &str) -> Result<Option<bool>, String> {
    match field(fields, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "" | "true" | "yes" | "y" | "1" => Ok(Some(true)),
            "false" | "no" | "n" | "0" => Ok(Some(false)),
            other => Err(format!("`{name}` is {other:?}; write true or false")),
        },
        Some(_) => Err(format!("`{name}` is not true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expert(json: &str) -> Result<v1::Expert, String> {
        expert_of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn rows_become_experts() {
        let anna = expert(r#"{"expert_id": "anna", "name": "Anna", "active": "no"}"#).unwrap();
        assert_eq!(
            (anna.expert_id.as_str(), anna.display_name.as_deref()),
            ("anna", Some("Anna"))
        );
        assert_eq!(anna.inactive, Some(true));
    }

    #[test]
    fn what_a_row_has_no_field_for_is_not_said() {
        let away = expert(r#"{"ID": "e1", "available": "no", "profile": ""}"#).unwrap();
        assert_eq!((away.display_name, away.inactive), (None, None));
        assert_eq!(away.unavailable, Some(true));
        assert_eq!(away.profile.as_deref(), Some(""), "an empty cell clears");
        let null = expert(r#"{"id": "e1", "profile": null, "active": null}"#).unwrap();
        assert_eq!((null.profile, null.inactive), (None, None));
    }

    #[test]
    fn bad_rows_say_why() {
        assert!(expert(r#"{"name": "Anna"}"#).unwrap_err().contains("empty"));
        let bell = expert("{\"id\": \"a\\u0007b\"}").unwrap_err();
        assert!(bell.contains("U+0007"), "{bell}");
        assert!(
            expert(r#"{"id": "a", "available": "maybe"}"#)
                .unwrap_err()
                .contains("true or false")
        );
        let long = format!(r#"{{"id": "a", "profile": "{}"}}"#, "x".repeat(5_000));
        assert!(expert(&long).unwrap_err().contains("profile"));
    }
}
