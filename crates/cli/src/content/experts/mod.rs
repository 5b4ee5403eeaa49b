//! `tenantry experts`: the people who can answer. How they change is in `people`.

mod import;

use std::path::PathBuf;

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{PageArgs, TenantArg};
use crate::client::Client;
use crate::content::people::{self, PeopleCommand};
use crate::error::{CliError, Exit};
use crate::import::args::TableArgs;
use crate::output::{Row, short_time, time};

/// The server takes 1,000 experts in one message; fewer keep the message small with long profiles.
const BATCH: usize = 250;

/// Import, list, rename, merge and delete experts.
#[derive(Debug, clap::Subcommand)]
pub enum ExpertsCommand {
    /// Create or change experts from a file
    #[command(after_help = import::HELP)]
    Import {
        #[command(flatten)]
        tenant: TenantArg,
        /// The file; - is standard input
        file: PathBuf,
        /// Read and check only: say what would be rejected, and send nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        table: Box<TableArgs>,
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

/// Runs an `experts` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: ExpertsCommand, context: &mut Context) -> Result<Exit, CliError> {
    match command {
        ExpertsCommand::Import {
            tenant,
            file,
            dry_run,
            table,
        } => {
            let parent = tenant.parent()?;
            import::run(&parent, &file, &table, dry_run, context).await
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
