//! `tenantry items ingest`: a file's rows, streamed in.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::rules::RequestId;
use api::v1;
use chrono::{DateTime, Utc};
use tables::times::{TimeFormat, TimeRules, zone};
use tables::{FileError, source};

use super::send::{Event, Sender, reader_thread};
use super::summary::{DRY_RUN_EXAMPLES, Example, FIRST_ROWS, FirstRow, Summary};
use crate::Context;
use crate::args::{TenantArg, last};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::import::args::TableArgs;
use crate::import::batch::{Batches, MAX_BATCH_ROWS, prefix_of};
use crate::import::{
    ConflictPolicy, DuplicatePolicy, Filter, ItemFile, ReadOptions, Require, RowRules, TypePolicy,
};
use crate::output::note;
use crate::output::progress::Progress;

/// What `items ingest --help` says after the options.
pub const HELP: &str =
    "The file is a workbook (XLSX), CSV or JSONL, plain or gzip, in any usual encoding; - is standard
input. Columns are known by the field's name or a usual other one (Question Text, Original ID, SME …):
  text                 the question; needed in each row
  id                   the question's id; a file without one gets ids made of the texts
  answer, area         texts
  expert               who answered; `also` or `experts` lists more of them
  labels, label        a list, a text
  at                   when it happened: any form that can only mean one thing
  attributes           an object; any other column is an attribute of its name
In CSV and workbooks, `also`, `experts` and `labels` are separated by ; or |, with quotes around a
value that has one in it. A row without an expert (empty, N/A, TBD, -) is an open question.

Rows that cannot be taken go to the tenant's quarantine with the reason, and the rest is ingested:
the code is then 7. Running the same command on the same file again does no harm: what was
acknowledged is answered as before. What was guessed is told; --dry-run tells it beforehand.

Examples:
  tenantry items ingest -t acme questions.xlsx --register-experts
  tenantry items ingest -t acme history.csv --where split=train,valid --wait-indexed
  tenantry items ingest -t acme history.csv --dry-run          # what would be taken, and how?
  tenantry items ingest -t acme caiq.xlsx --column text=\"Question Text\" --save-mapping caiq.toml
  tenantry items ingest -t acme caiq-2.xlsx --mapping caiq.toml
  zstdcat big.jsonl.zst | tenantry items ingest -t acme - --format jsonl";

/// The index is asked so often whether it has caught up.
const POLL: Duration = Duration::from_millis(250);

/// Options of `items ingest`.
#[derive(Debug, clap::Args)]
pub struct IngestArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// The file; - is standard input
    file: PathBuf,
    /// Read and check only: say what would be rejected, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Register experts that are named by rows and not known yet, with their id as name
    #[arg(long)]
    register_experts: bool,
    /// Wait until the items can be found
    #[arg(long)]
    wait_indexed: bool,
    /// Rows in one message
    #[arg(long, value_name = "ROWS", default_value_t = 200,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// What the batches' names begin with [default: from the file's name and content]
    #[arg(long, value_name = "PREFIX")]
    request_prefix: Option<String>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    rows: RowArgs,
}

/// What is asked of the rows.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rows")]
struct RowArgs {
    /// How times are written: a form such as '%d/%m/%Y %H:%M', or unix, unix-ms, unix-us, unix-ns,
    /// excel [default: forms that can only mean one thing]
    #[arg(long, value_name = "FORM")]
    time_format: Option<TimeFormat>,
    /// The zone of times that name none, such as Europe/Berlin [default: UTC, and told]
    #[arg(long, value_name = "ZONE", value_parser = zone_name)]
    time_zone: Option<String>,
    /// Keep only rows whose field has one of the values; may be given more than once
    #[arg(long = "where", value_name = "FIELD=V1,V2")]
    filters: Vec<Filter>,
    /// Fields that each row must have beside text: a list; `usual` for those that nine of ten of the
    /// first 1,000 rows have; `auto` takes rows without them, and remarks them
    #[arg(long, value_name = "FIELDS", default_value = "auto")]
    require: String,
    /// The same id again in the file: reject the row, or take it as a new revision
    #[arg(long, default_value = "reject")]
    duplicates: DuplicatePolicy,
    /// The same text under another id with other experts, or at the same moment: keep both and
    /// remark it, or reject the row
    #[arg(long, default_value = "keep")]
    conflicts: ConflictPolicy,
    /// Types of values: those the file's rows have, or any scalar for a text
    #[arg(long, default_value = "auto")]
    types: TypePolicy,
    /// Rows without a time get the file's order, a second apart, ending at this time: `now` or
    /// RFC 3339 [default: when the file was changed last, if none of its rows has a time]
    #[arg(long, value_name = "TIME", value_parser = end_time)]
    at: Option<DateTime<Utc>>,
}

/// Runs `items ingest`.
///
/// # Errors
/// What the person should be told; rejected rows are no error.
pub async fn run(args: IngestArgs, context: &mut Context) -> Result<Exit, CliError> {
    let started = Instant::now();
    let parent = if args.dry_run {
        args.tenant.parent().unwrap_or_default()
    } else {
        args.tenant.parent()?
    };
    let options = args.rows.options(args.table.options(&args.file)?)?;
    let mapping = options.table.mapping.clone();
    let most_rows = usize::from(args.batch).min(MAX_BATCH_ROWS);
    let prefix = match args.request_prefix {
        Some(prefix) => checked_prefix(prefix)?,
        None => {
            prefix_of(&options, most_rows).map_err(|error| FileError::open(&args.file, &error))?
        }
    };
    // Reading the first rows may wait for a pipe, which must not block the runtime.
    let file = tokio::task::spawn_blocking(move || ItemFile::open(&options))
        .await
        .map_err(|error| CliError::new(Exit::Unexpected, error.to_string()))??;
    let mut summary = Summary {
        file: source::display_name(&args.file),
        tenant: last(&parent).to_owned(),
        request_prefix: prefix.clone(),
        dry_run: args.dry_run,
        ..Summary::default()
    };
    args.table.save(&mapping, file.columns())?;
    let size = file.size();
    let batches = Batches::new(file, parent.clone(), prefix, most_rows);
    if args.dry_run {
        check_only(batches, &mut summary);
    } else {
        let client = context.client().await?;
        let events = reader_thread(batches);
        let mut sender = Sender::new(&client, &parent, &mut summary, Progress::of_file(size));
        if args.register_experts {
            sender.register_experts().await?;
        }
        let sent = sender.run(events).await;
        if let Err(error) = sent {
            // What the server refuses before it took anything says enough by itself.
            let told = summary.batches > 0 || error.exit == Exit::Unreachable;
            return Err(if told {
                error.hint(summary.how_to_go_on())
            } else {
                error
            });
        }
        if args.wait_indexed && !summary.interrupted && summary.batches > 0 {
            summary.indexed = wait_indexed(&client, &parent, summary.watermark).await?;
        }
    }
    summary.duration_seconds = started.elapsed().as_secs_f64();
    if summary.rejected > 0 && !args.dry_run {
        let Summary {
            tenant,
            request_prefix,
            ..
        } = &summary;
        summary.rejections_command = Some(format!(
            "tenantry items rejections -t {tenant} --batch {request_prefix}"
        ));
    }
    context
        .out
        .document(&summary, std::slice::from_ref(&summary), |_| {
            summary.words()
        })?;
    if summary.interrupted {
        note(&summary.how_to_go_on());
    }
    Ok(summary.exit())
}

impl RowArgs {
    fn options(self, mut table: tables::Options) -> Result<ReadOptions, CliError> {
        let require = match self.require.as_str() {
            "auto" => Require::Auto,
            "usual" => Require::Usual,
            list => {
                let fields = list
                    .split(',')
                    .map(str::trim)
                    .filter(|field| !field.is_empty());
                Require::Fields(fields.map(str::to_owned).collect())
            }
        };
        let mapping = &mut table.mapping;
        if let Some(format) = &self.time_format {
            mapping.time_format = Some(format.to_string());
        }
        mapping.time_zone = self.time_zone.or(mapping.time_zone.take());
        let told = |error: String| CliError::usage(error);
        let times = TimeRules {
            format: mapping
                .time_format
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(told)?,
            zone: mapping
                .time_zone
                .as_deref()
                .map(zone)
                .transpose()
                .map_err(told)?,
            order: None,
        };
        Ok(ReadOptions {
            table,
            rules: RowRules {
                require,
                duplicates: self.duplicates,
                conflicts: self.conflicts,
                types: self.types,
                filters: self.filters,
                times,
            },
            at: self.at,
        })
    }
}

fn zone_name(name: &str) -> Result<String, String> {
    zone(name).map(|zone| zone.name().to_owned())
}

impl Summary {
    /// What was acknowledged when it stopped, and how to go on.
    fn how_to_go_on(&self) -> String {
        if self.batches == 0 {
            return "nothing was acknowledged; run the same command again".to_owned();
        }
        let Self {
            batches,
            acknowledged_line,
            request_prefix,
            ..
        } = self;
        let again = if self.file == "standard input" {
            format!("send the same rows again with --request-prefix {request_prefix}")
        } else {
            "run the same command again".to_owned()
        };
        format!(
            "{batches} batches were acknowledged, up to row {acknowledged_line}, and are kept; to \
             go on, {again}: what is stored is not stored twice"
        )
    }
}

/// Reads the file to its end and counts what would happen.
fn check_only(mut batches: Batches, summary: &mut Summary) {
    for batch in &mut batches {
        for row in batch.request.rows {
            match row.row {
                Some(v1::ingest_row::Row::Unreadable(bad)) => summary.reject(
                    Example {
                        line: row.line,
                        id: bad.item_id,
                        reason: bad.reason,
                        message: bad.message,
                    },
                    DRY_RUN_EXAMPLES,
                ),
                Some(v1::ingest_row::Row::Item(item)) => {
                    summary.accepted += 1;
                    if summary.first_rows.len() < FIRST_ROWS {
                        summary.first_rows.push(FirstRow::of(row.line, item));
                    }
                }
                None => {}
            }
        }
    }
    Event::End(Box::new(batches.finish())).tell(summary);
}

async fn wait_indexed(client: &Client, parent: &str, watermark: u64) -> Result<bool, CliError> {
    let mut progress = Progress::waiting();
    loop {
        let request = v1::GetIndexStatusRequest {
            parent: parent.to_owned(),
        };
        let answer = client
            .ingest()
            .get_index_status(client.timed(request))
            .await;
        let status = client.answer(answer)?;
        if status.indexed_watermark >= watermark {
            return Ok(true);
        }
        progress.read(
            0,
            &format!(
                "the index is at {} of {watermark}",
                status.indexed_watermark
            ),
        );
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = tokio::signal::ctrl_c() => {
                progress.finish();
                note("stopped waiting; indexing goes on");
                return Ok(false);
            }
        }
    }
}

fn checked_prefix(prefix: String) -> Result<String, CliError> {
    // The batch number follows it, and the whole has to be a request id.
    RequestId::parse(format!("{prefix}-1234567890"))
        .map_err(|error| CliError::usage(format!("--request-prefix cannot be used: {error}")))?;
    Ok(prefix)
}

#[expect(
    clippy::disallowed_methods,
    reason = "`now` on a command line is the machine's"
)]
fn end_time(text: &str) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        return Ok(Utc::now());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| "write `now`, or a time like 2024-05-01T09:00:00Z".to_owned())
}
