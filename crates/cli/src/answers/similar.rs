//! `tenantry similar`: a tenant's items nearest to a text.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{TenantArg, item_id};
use crate::error::{CliError, Exit};
use crate::output::{Row, short_time, time};

/// Options of `similar`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tenantry similar -t acme 'encryption of backups' --top-k 20")]
pub struct SimilarArgs {
    /// The text
    text: String,
    #[command(flatten)]
    tenant: TenantArg,
    /// How many items
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(i32).range(1..=100))]
    top_k: i32,
}

#[derive(Debug, Serialize)]
struct SimilarView {
    item: String,
    similarity: f64,
    lexical_score: f64,
    experts: Vec<String>,
    at: Option<String>,
    text: String,
    /// By meaning only its beginning was compared.
    truncated: bool,
}

impl Row for SimilarView {
    const COLUMNS: &'static [&'static str] = &[
        "item",
        "similarity",
        "lexical_score",
        "experts",
        "at",
        "text",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            item_id(&self.item),
            format!("{:.3}", self.similarity),
            format!("{:.2}", self.lexical_score),
            self.experts.join(";"),
            short_time(self.at.as_ref()),
            self.text.clone(),
        ]
    }
}

/// Runs `similar`.
///
/// # Errors
/// What the person should be told.
pub async fn run(args: SimilarArgs, context: &mut Context) -> Result<Exit, CliError> {
    let parent = args.tenant.parent()?;
    let client = context.client().await?;
    let request = v1::FindSimilarItemsRequest {
        parent,
        text: args.text,
        top_k: args.top_k,
    };
    let answer = client
        .router()
        .find_similar_items(client.timed(request))
        .await;
    let items = client
        .answer(answer)?
        .items
        .into_iter()
        .map(|item| SimilarView {
            at: time(item.occur_time.as_ref()),
            item: item.item,
            similarity: item.similarity,
            lexical_score: item.lexical_score,
            experts: item.experts,
            text: item.text,
            truncated: item.truncated,
        });
    context.out.list(&items.collect::<Vec<_>>())?;
    Ok(Exit::Done)
}
