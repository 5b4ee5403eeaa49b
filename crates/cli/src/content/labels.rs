//! `tenantry labels`: labels get another name.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::TenantArg;
use crate::error::{CliError, Exit};
use crate::output::Row;

/// Rename and merge labels.
#[derive(Debug, clap::Subcommand)]
pub enum LabelsCommand {
    /// Give a label another name, in items, corrections and tasks
    #[command(
        after_help = "With --task it is a label of that task, changed where the task's items say it \
(labels with its prefix, areas, an attribute); without, one of the items' labels as it stands there. \
Case does not count. Retrain the task afterwards.

Examples:
  tenantry labels rename -t acme --task intent refund 'money back'
  tenantry labels rename -t acme 'topic:sso' 'topic:single sign-on'"
    )]
    Rename {
        #[command(flatten)]
        scope: Scope,
        /// The label
        label: String,
        /// Its name from now on
        new: String,
    },
    /// Make labels one, in items, corrections and tasks
    #[command(after_help = "Retrain the task afterwards.

Examples:
  tenantry labels merge -t acme --task intent refund reimbursement --into 'money back'
  tenantry labels merge -t acme urgent Dringend --into urgent")]
    Merge {
        #[command(flatten)]
        scope: Scope,
        /// The labels
        #[arg(required = true)]
        labels: Vec<String>,
        /// What they are called from now on
        #[arg(long, value_name = "LABEL")]
        into: String,
    },
}

/// Whose labels are meant.
#[derive(Debug, clap::Args)]
pub struct Scope {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task's id; without it, items' labels as they stand there
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
}

#[derive(Debug, Serialize)]
struct RelabelView {
    label: String,
    items: u64,
    corrections: u64,
    tasks: Vec<String>,
    watermark: u64,
}

impl Row for RelabelView {
    const COLUMNS: &'static [&'static str] = &[
        "label",
        "items changed",
        "corrections changed",
        "tasks",
        "watermark",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.label.clone(),
            self.items.to_string(),
            self.corrections.to_string(),
            self.tasks.join(";"),
            self.watermark.to_string(),
        ]
    }
}

/// Runs a `labels` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: LabelsCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let known = "`tenantry tasks list` shows the tasks there are";
    let view = match command {
        LabelsCommand::Rename { scope, label, new } => {
            let request = client.timed(v1::RenameLabelRequest {
                parent: scope.tenant.parent()?,
                task: scope.task.unwrap_or_default(),
                label,
                new_label: new.clone(),
            });
            let answer = client.answer(client.ingest().rename_label(request).await);
            let answer = answer.map_err(|e| e.when_missing(known))?;
            RelabelView {
                label: new,
                items: answer.items,
                corrections: answer.corrections,
                tasks: answer.tasks,
                watermark: answer.watermark,
            }
        }
        LabelsCommand::Merge {
            scope,
            labels,
            into,
        } => {
            let request = client.timed(v1::MergeLabelsRequest {
                parent: scope.tenant.parent()?,
                task: scope.task.unwrap_or_default(),
                labels,
                into_label: into.clone(),
            });
            let answer = client.answer(client.ingest().merge_labels(request).await);
            let answer = answer.map_err(|e| e.when_missing(known))?;
            RelabelView {
                label: into,
                items: answer.items,
                corrections: answer.corrections,
                tasks: answer.tasks,
                watermark: answer.watermark,
            }
        }
    };
    context.out.one(&view)?;
    Ok(Exit::Done)
}
