//! `tenantry index`: how far the index is, and making it again.

use api::v1;
use serde::Serialize;

use crate::args::TenantArg;
use crate::error::{CliError, Exit};
use crate::output::Row;
use crate::{Context, jobs};

/// Look at the index, or make it again from the database.
#[derive(Debug, clap::Subcommand)]
pub enum IndexCommand {
    /// Show how far the index is behind the items
    #[command(after_help = "Example:\n  tenantry index status -t acme")]
    Status {
        #[command(flatten)]
        tenant: TenantArg,
    },
    /// Drop the tenant's vectors and make them again from the database
    #[command(after_help = "Example:\n  tenantry index rebuild -t acme --wait")]
    Rebuild {
        #[command(flatten)]
        tenant: TenantArg,
        /// Wait for the end, with live progress
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Debug, Serialize)]
struct IndexView {
    watermark: u64,
    indexed_watermark: u64,
    behind: u64,
    items: u64,
    indexed_items: u64,
    space: String,
}

impl Row for IndexView {
    const COLUMNS: &'static [&'static str] = &[
        "watermark",
        "indexed watermark",
        "behind",
        "items",
        "indexed items",
        "space",
    ];
    fn cells(&self) -> Vec<String> {
        let numbers = [
            self.watermark,
            self.indexed_watermark,
            self.behind,
            self.items,
            self.indexed_items,
        ];
        let mut cells: Vec<String> = numbers.iter().map(u64::to_string).collect();
        cells.push(self.space.clone());
        cells
    }
}

/// Runs an `index` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: IndexCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    match command {
        IndexCommand::Status { tenant } => {
            let request = client.timed(v1::GetIndexStatusRequest {
                parent: tenant.parent()?,
            });
            let status = client.answer(client.ingest().get_index_status(request).await)?;
            context.out.one(&IndexView {
                watermark: status.watermark,
                indexed_watermark: status.indexed_watermark,
                behind: status.watermark.saturating_sub(status.indexed_watermark),
                items: status.items,
                indexed_items: status.indexed_items,
                space: status.space,
            })?;
            Ok(Exit::Done)
        }
        IndexCommand::Rebuild { tenant, wait } => {
            let request = client.timed(v1::RebuildIndexRequest {
                parent: tenant.parent()?,
            });
            let answer = client.answer(client.ingest().rebuild_index(request).await)?;
            jobs::started(&client, answer.job, wait, &mut context.out).await
        }
    }
}
