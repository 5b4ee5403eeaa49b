//! `tenantry costs export`: a month's priced usage as a file for other tools.

use std::io::Write as _;
use std::path::PathBuf;

use api::v1;
use v1::export_costs_request::Format as WireFormat;

use super::ScopeArgs;
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, note};

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// FinOps Open Cost and Usage Specification, as CSV
    Focus,
    /// The same as Parquet
    FocusParquet,
}

/// Options of `costs export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// The form of the file
    #[arg(long, value_enum, default_value = "focus")]
    format: ExportFormat,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `costs export`.
///
/// # Errors
/// What the person should be told.
pub async fn run(client: &Client, args: &ExportArgs, out: &mut Output) -> Result<(), CliError> {
    let format = match args.format {
        ExportFormat::Focus => WireFormat::FocusCsv,
        ExportFormat::FocusParquet => WireFormat::FocusParquet,
    };
    if args.out.is_none() && args.format == ExportFormat::FocusParquet && out.is_terminal() {
        return Err(CliError::usage("Parquet is nothing to read on a terminal")
            .hint("name a file with --out FILE"));
    }
    let file = args.out.as_deref().map(std::fs::File::create).transpose();
    let file = file.map_err(|error| {
        CliError::usage(format!("the file for the export cannot be made: {error}"))
    })?;
    let mut file = file.map(std::io::BufWriter::new);
    let mut written = 0;
    let mut write = |bytes: &[u8]| -> Result<(), CliError> {
        written += bytes.len();
        match &mut file {
            Some(file) => Ok(file.write_all(bytes)?),
            None => out.bytes(bytes),
        }
    };
    stream(client, &args.scope, format, &mut write).await?;
    if let Some(mut file) = file {
        file.flush()?;
        let path = args.out.clone().unwrap_or_default();
        note(&format!("{written} bytes written to {}", path.display()));
    }
    Ok(())
}

/// Hands on the bytes of an export as they come.
///
/// # Errors
/// What the person should be told.
pub async fn stream(
    client: &Client,
    scope: &ScopeArgs,
    format: WireFormat,
    write: &mut impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let request = v1::ExportCostsRequest {
        parent: scope.parent(),
        month: scope.month(),
        format: format.into(),
    };
    // A stream takes as long as it needs, so it has no deadline.
    let answer = client.costs().export_costs(request).await;
    let mut parts = client.answer(answer)?;
    while let Some(part) = parts
        .message()
        .await
        .map_err(|status| client.explain(status))?
    {
        write(&part.data)?;
    }
    Ok(())
}
