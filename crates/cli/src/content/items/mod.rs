//! `tenantry items`: a tenant's content, and the rows that could not become content.

mod ingest;
mod open;
mod send;
mod summary;

use std::collections::BTreeMap;

use api::v1;
use serde::Serialize;
use tables::lists;
use tables::named::LIST_SEPARATORS;

use crate::Context;
use crate::args::{PageArgs, TenantArg, filled};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::output::{Output, Row, note, short_time, time};
pub use ingest::IngestArgs;

/// The server takes so many ids in one message.
const DELETE_BATCH: usize = 1_000;

/// Ingest, look at and delete items.
#[derive(Debug, clap::Subcommand)]
pub enum ItemsCommand {
    /// Stream a file of items in
    #[command(after_help = ingest::HELP)]
    Ingest(Box<IngestArgs>),
    /// List items by id
    #[command(after_help = "Examples:
  tenantry items list -t acme --area security --limit 20
  tenantry items list -t acme --expert anna -o json | jq -r '.[].text'
  tenantry items list -t acme --open")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        /// Only items of this area
        #[arg(long, default_value = "")]
        area: String,
        /// Only items that this expert answered
        #[arg(long, default_value = "")]
        expert: String,
        /// Only items that nobody has answered yet, newest first, with the experts that were
        /// computed for them ahead
        #[arg(long, conflicts_with_all = ["area", "expert"])]
        open: bool,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one item's latest revision
    #[command(after_help = "Example:\n  tenantry items show -t acme q-17")]
    Show {
        #[command(flatten)]
        tenant: TenantArg,
        /// The item's id, or its whole name
        item: String,
    },
    /// Delete items; unknown ids are passed over
    #[command(after_help = "Example:\n  tenantry items delete -t acme q-17 q-18")]
    Delete {
        #[command(flatten)]
        tenant: TenantArg,
        /// The items' ids
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Show rows that were rejected, and why
    #[command(after_help = "Examples:
  tenantry items rejections -t acme
  tenantry items rejections -t acme --batch questions-0123456789ab --limit 0 -o csv")]
    Rejections {
        #[command(flatten)]
        tenant: TenantArg,
        /// Only rows of batches whose name begins so; `items ingest` says it
        #[arg(long, value_name = "PREFIX", default_value = "")]
        batch: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

/// An item as it is printed; `items ingest` reads the same fields.
#[derive(Debug, Serialize)]
pub struct ItemView {
    id: String,
    text: String,
    answer: Option<String>,
    area: Option<String>,
    labels: Vec<String>,
    attributes: BTreeMap<String, String>,
    experts: Vec<String>,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingest_time: Option<String>,
}

impl ItemView {
    /// What the item says, without its place in the store.
    #[must_use]
    pub fn without_history(self) -> Self {
        Self {
            name: None,
            revision: None,
            ingest_time: None,
            ..self
        }
    }
}

impl From<v1::Item> for ItemView {
    fn from(item: v1::Item) -> Self {
        Self {
            at: time(item.occur_time.as_ref()),
            ingest_time: time(item.ingest_time.as_ref()),
            revision: Some(item.revision),
            id: item.item_id,
            text: item.text,
            answer: filled(item.answer),
            area: filled(item.area),
            labels: item.labels,
            attributes: item.attributes.into_iter().collect(),
            experts: item.experts,
            name: filled(item.name),
        }
    }
}

impl Row for ItemView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "revision",
        "area",
        "experts",
        "labels",
        "at",
        "text",
        "answer",
        "attributes",
    ];
    fn csv_cells(&self) -> Vec<String> {
        let list = |values: &[String]| lists::join(values, ';', &LIST_SEPARATORS);
        let mut cells = self.cells();
        // `items ingest` reads them again as they are.
        cells[3] = list(&self.experts);
        cells[4] = list(&self.labels);
        cells[5] = self.at.clone().unwrap_or_default();
        cells
    }
    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.revision
                .map(|revision| revision.to_string())
                .unwrap_or_default(),
            self.area.clone().unwrap_or_default(),
            self.experts.join(";"),
            self.labels.join(";"),
            short_time(self.at.as_ref()),
            self.text.clone(),
            self.answer.clone().unwrap_or_default(),
            match self.attributes.is_empty() {
                true => String::new(),
                // Texts by texts are always JSON.
                false => serde_json::to_string(&self.attributes).unwrap_or_default(),
            },
        ]
    }
}

/// A rejected row as it is printed.
#[derive(Debug, Serialize)]
struct RejectionView {
    batch: String,
    line: u64,
    id: Option<String>,
    reason: String,
    field: Option<String>,
    message: String,
    excerpt: String,
    time: Option<String>,
}

impl From<v1::Rejection> for RejectionView {
    fn from(rejection: v1::Rejection) -> Self {
        let row = rejection.row.unwrap_or_default();
        Self {
            batch: rejection.request_id,
            line: row.line,
            id: filled(row.item_id),
            reason: row.reason,
            field: filled(row.field),
            message: row.message,
            excerpt: rejection.excerpt,
            time: time(rejection.time.as_ref()),
        }
    }
}

impl Row for RejectionView {
    const COLUMNS: &'static [&'static str] = &[
        "batch", "line", "id", "reason", "message", "excerpt", "time",
    ];
    const WHOLE: &'static [&'static str] = &["message"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.batch.clone(),
            self.line.to_string(),
            self.id.clone().unwrap_or_default(),
            self.reason.clone(),
            self.message.clone(),
            self.excerpt.clone(),
            short_time(self.time.as_ref()),
        ]
    }
}

/// How many items a deletion found.
#[derive(Debug, Serialize)]
struct DeletedView {
    deleted: u64,
    watermark: u64,
}

impl Row for DeletedView {
    const COLUMNS: &'static [&'static str] = &["deleted", "watermark"];
    fn cells(&self) -> Vec<String> {
        vec![self.deleted.to_string(), self.watermark.to_string()]
    }
}

/// Runs an `items` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: ItemsCommand, context: &mut Context) -> Result<Exit, CliError> {
    match command {
        ItemsCommand::Ingest(args) => return ingest::run(*args, context).await,
        ItemsCommand::List {
            tenant,
            area,
            expert,
            open,
            page,
        } => {
            let parent = tenant.parent()?;
            let client = context.client().await?;
            if open {
                context
                    .out
                    .list(&open::list(&client, &parent, &page).await?)?;
                return Ok(Exit::Done);
            }
            let items = list(&client, &parent, (&area, &expert), &page).await?;
            context.out.list(&items)?;
        }
        ItemsCommand::Show { tenant, item } => {
            let name = tenant.name_of(&item, "items")?;
            let client = context.client().await?;
            let request = client.timed(v1::GetItemRequest { name });
            let answer = client.answer(client.ingest().get_item(request).await)?;
            context
                .out
                .one(&ItemView::from(answer.item.unwrap_or_default()))?;
        }
        ItemsCommand::Delete { tenant, items } => {
            let parent = tenant.parent()?;
            let client = context.client().await?;
            delete(&client, &parent, &items, &mut context.out).await?;
        }
        ItemsCommand::Rejections {
            tenant,
            batch,
            page,
        } => {
            let parent = tenant.parent()?;
            let client = context.client().await?;
            rejections(&client, &parent, &batch, &page, &mut context.out).await?;
        }
    }
    Ok(Exit::Done)
}

async fn list(
    client: &Client,
    parent: &str,
    (area, expert): (&str, &str),
    page: &PageArgs,
) -> Result<Vec<ItemView>, CliError> {
    let items = page
        .collect(async |page_size, page_token| {
            let request = v1::ListItemsRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
                area: area.to_owned(),
                expert: expert.to_owned(),
            };
            let answer = client.answer(client.ingest().list_items(client.timed(request)).await)?;
            Ok((answer.items, answer.next_page_token))
        })
        .await?;
    Ok(items.into_iter().map(ItemView::from).collect())
}

async fn delete(
    client: &Client,
    parent: &str,
    items: &[String],
    out: &mut Output,
) -> Result<(), CliError> {
    let mut view = DeletedView {
        deleted: 0,
        watermark: 0,
    };
    for some in items.chunks(DELETE_BATCH) {
        let request = v1::BatchDeleteItemsRequest {
            parent: parent.to_owned(),
            item_ids: some.to_vec(),
        };
        let answer = client
            .ingest()
            .batch_delete_items(client.timed(request))
            .await;
        let answer = client.answer(answer)?;
        view.deleted += answer.deleted;
        view.watermark = answer.watermark;
    }
    out.one(&view)
}

async fn rejections(
    client: &Client,
    parent: &str,
    batch: &str,
    page: &PageArgs,
    out: &mut Output,
) -> Result<(), CliError> {
    let mut total = 0;
    let rows = page
        .collect(async |page_size, page_token| {
            let request = v1::ListRejectionsRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
                request_id_prefix: batch.to_owned(),
            };
            let answer = client.ingest().list_rejections(client.timed(request)).await;
            let answer = client.answer(answer)?;
            total = answer.total;
            Ok((answer.rejections, answer.next_page_token))
        })
        .await?;
    let rows: Vec<_> = rows.into_iter().map(RejectionView::from).collect();
    out.list(&rows)?;
    note(&format!(
        "{} shown; {total} rows are in the tenant's quarantine",
        rows.len()
    ));
    Ok(())
}

#[cfg(test)]
mod round_trip_tests;
