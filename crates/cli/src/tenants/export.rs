//! `tenantry tenants export`: everything a tenant has stored, as a stream of JSON lines.

use std::io::Write as _;
use std::path::PathBuf;

use api::v1;
use serde::Serialize;
use v1::export_tenant_response::Record;

use crate::client::Client;
use crate::content::experts::ExpertView;
use crate::content::items::ItemView;
use crate::error::{CliError, Exit};
use crate::output::{Output, note};
use crate::tenants::TenantView;

/// A kind of record that can be exported alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Experts, as `experts import` reads them.
    Experts,
    /// Items, as `items ingest` reads them.
    Items,
}

/// A line that says what it is.
#[derive(Serialize)]
struct Line<T> {
    record: &'static str,
    #[serde(flatten)]
    fields: T,
}

/// Writes the tenant's records to `to`, or to standard output.
///
/// # Errors
/// When the server refuses or breaks off, or when the file cannot be written.
pub async fn run(
    client: &Client,
    name: String,
    only: Option<Kind>,
    to: Option<PathBuf>,
    out: &mut Output,
) -> Result<(), CliError> {
    // A stream takes as long as it needs, so it has no deadline.
    let answer = client
        .tenants()
        .export_tenant(v1::ExportTenantRequest { name })
        .await;
    let mut records = client.answer(answer)?;
    let file = to
        .as_deref()
        .map(std::fs::File::create)
        .transpose()
        .map_err(|error| {
            CliError::usage(format!("the file for the export cannot be made: {error}"))
        })?;
    let mut file = file.map(std::io::BufWriter::new);
    let mut written = 0_u64;
    while let Some(answer) = records
        .message()
        .await
        .map_err(|status| client.explain(status))?
    {
        let Some(line) = answer.record.and_then(|record| line_of(record, only)) else {
            continue;
        };
        let line = line?;
        match &mut file {
            Some(file) => writeln!(file, "{line}")?,
            None => out.text(&format!("{line}\n"))?,
        }
        written += 1;
    }
    if let Some(mut file) = file {
        file.flush()?;
        let path = to.unwrap_or_default();
        note(&format!("{written} records written to {}", path.display()));
    }
    Ok(())
}

fn line_of(record: Record, only: Option<Kind>) -> Option<Result<String, CliError>> {
    let line = match (record, only) {
        (Record::Tenant(tenant), None) => serde_json::to_string(&Line {
            record: "tenant",
            fields: TenantView::from(tenant),
        }),
        (Record::Expert(expert), None) => serde_json::to_string(&Line {
            record: "expert",
            fields: ExpertView::from(expert),
        }),
        (Record::Item(item), None) => serde_json::to_string(&Line {
            record: "item",
            fields: ItemView::from(item),
        }),
        (Record::Expert(expert), Some(Kind::Experts)) => {
            serde_json::to_string(&ExpertView::from(expert))
        }
        (Record::Item(item), Some(Kind::Items)) => {
            serde_json::to_string(&ItemView::from(item).without_history())
        }
        _ => return None,
    };
    Some(line.map_err(|error| CliError::new(Exit::Unexpected, error.to_string())))
}
