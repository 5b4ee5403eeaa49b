//! `tenantry audit`: the record of administrative acts.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{PageArgs, tenant_name};
use crate::error::{CliError, Exit};
use crate::output::{Row, short_time, time};

/// See who did what.
#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// List administrative acts, newest first
    #[command(after_help = "Examples:
  tenantry audit list -t acme
  tenantry audit list --all --limit 20      # every tenant's (operator)")]
    List {
        /// The tenant
        #[arg(
            short,
            long,
            value_name = "TENANT",
            env = "TENANTRY_TENANT",
            required_unless_present = "all"
        )]
        tenant: Option<String>,
        /// Every tenant's acts
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        page: PageArgs,
    },
}

#[derive(Debug, Serialize)]
struct AuditView {
    sequence: i64,
    time: Option<String>,
    actor: String,
    action: String,
    resource: String,
    detail: String,
}

impl Row for AuditView {
    const COLUMNS: &'static [&'static str] =
        &["sequence", "time", "actor", "action", "resource", "detail"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.sequence.to_string(),
            short_time(self.time.as_ref()),
            self.actor.clone(),
            self.action.clone(),
            self.resource.clone(),
            self.detail.clone(),
        ]
    }
}

/// Runs an `audit` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: AuditCommand, context: &mut Context) -> Result<Exit, CliError> {
    let AuditCommand::List { tenant, all, page } = command;
    let parent = tenant
        .filter(|_| !all)
        .map(|tenant| tenant_name(&tenant))
        .unwrap_or_default();
    let client = context.client().await?;
    let events = page
        .collect(async |page_size, page_token| {
            let parent = parent.clone();
            let request = v1::ListAuditEventsRequest {
                parent,
                page_size,
                page_token,
            };
            let answer = client
                .tenants()
                .list_audit_events(client.timed(request))
                .await;
            let answer = client.answer(answer)?;
            Ok((answer.audit_events, answer.next_page_token))
        })
        .await?;
    let views = events.into_iter().map(|event| AuditView {
        time: time(event.time.as_ref()),
        sequence: event.sequence,
        actor: event.actor,
        action: event.action,
        resource: event.resource,
        detail: event.detail,
    });
    context.out.list(&views.collect::<Vec<_>>())?;
    Ok(Exit::Done)
}
