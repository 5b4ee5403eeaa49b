//! `tenantry experts rename | merge | unmerge | merges | delete`: people change.

use api::v1;
use serde::Serialize;
use v1::expert_merge::State;

use crate::Context;
use crate::args::{PageArgs, TenantArg, enum_name};
use crate::error::{CliError, Exit};
use crate::output::{Row, short_time, time};

/// Rename, merge and delete experts.
#[derive(Debug, clap::Subcommand)]
pub enum PeopleCommand {
    /// Give an expert another id; items and feedback follow
    #[command(after_help = "Examples:
  tenantry experts rename -t acme anna.berg@acme.com anna.kaya@acme.com
  tenantry experts rename -t acme 'Özlem K.' 'Özlem Kaya'")]
    Rename {
        #[command(flatten)]
        tenant: TenantArg,
        /// The expert's id
        expert: String,
        /// The id from now on
        new: String,
    },
    /// Make experts one; items, feedback and profiles follow. `unmerge` takes it back
    #[command(after_help = "Examples:
  tenantry experts merge -t acme a.berg anna.b --into anna.berg
  tenantry experts merge -t acme 'Anna Berg (old)' --into 'Anna Berg' -o json")]
    Merge {
        #[command(flatten)]
        tenant: TenantArg,
        /// Who become one with the other
        #[arg(required = true)]
        experts: Vec<String>,
        /// Who stays
        #[arg(long, value_name = "EXPERT")]
        into: String,
    },
    /// Take a merge or a renaming back
    #[command(after_help = "Examples:
  tenantry experts merges -t acme
  tenantry experts unmerge -t acme 3")]
    Unmerge {
        #[command(flatten)]
        tenant: TenantArg,
        /// The merge's id; `merge`, `rename` and `merges` say it
        merge: String,
    },
    /// List merges and renamings, newest first
    #[command(after_help = "Example:\n  tenantry experts merges -t acme --limit 20")]
    Merges {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Take experts off the list: they are never recommended again
    #[command(
        after_help = "What they answered stays and is learned from; --from-items takes them out \
of items too, and an item with nobody left is open again.

Examples:
  tenantry experts delete -t acme bob
  tenantry experts delete -t acme bob eve --from-items"
    )]
    Delete {
        #[command(flatten)]
        tenant: TenantArg,
        /// The experts' ids
        #[arg(required = true)]
        experts: Vec<String>,
        /// Take them out of the items that they answered too
        #[arg(long)]
        from_items: bool,
    },
}

#[derive(Debug, Serialize)]
struct MergeView {
    merge: String,
    from: String,
    into: String,
    state: &'static str,
    items: u64,
    feedback: u64,
    renamed: bool,
    create_time: Option<String>,
}

impl From<v1::ExpertMerge> for MergeView {
    fn from(merge: v1::ExpertMerge) -> Self {
        Self {
            state: enum_name(merge.state, |state: &State| match state {
                State::Unspecified => "UNSPECIFIED",
                State::Running => "RUNNING",
                State::Done => "DONE",
                State::Undoing => "UNDOING",
                State::Undone => "UNDONE",
            }),
            merge: merge.merge_id,
            from: merge.from_expert_id,
            into: merge.into_expert_id,
            items: merge.items,
            feedback: merge.feedback,
            renamed: merge.renamed,
            create_time: time(merge.create_time.as_ref()),
        }
    }
}

impl Row for MergeView {
    const COLUMNS: &'static [&'static str] = &[
        "merge", "from", "into", "state", "items", "feedback", "time",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.merge.clone(),
            self.from.clone(),
            self.into.clone(),
            self.state.to_owned(),
            self.items.to_string(),
            self.feedback.to_string(),
            short_time(self.create_time.as_ref()),
        ]
    }
}

#[derive(Debug, Serialize)]
struct DeletedView {
    deleted: u64,
    items: u64,
    watermark: u64,
}

impl Row for DeletedView {
    const COLUMNS: &'static [&'static str] = &["deleted", "items changed", "watermark"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.deleted.to_string(),
            self.items.to_string(),
            self.watermark.to_string(),
        ]
    }
}

/// Runs one of these commands.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: PeopleCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let known = "`tenantry experts list` shows those there are";
    match command {
        PeopleCommand::Rename {
            tenant,
            expert,
            new,
        } => {
            let request = client.timed(v1::RenameExpertRequest {
                parent: tenant.parent()?,
                expert_id: expert,
                new_expert_id: new,
            });
            let answer = client.answer(client.ingest().rename_expert(request).await);
            let merge = answer.map_err(|e| e.when_missing(known))?.merge;
            context
                .out
                .one(&MergeView::from(merge.unwrap_or_default()))?;
        }
        PeopleCommand::Merge {
            tenant,
            experts,
            into,
        } => {
            let request = client.timed(v1::MergeExpertsRequest {
                parent: tenant.parent()?,
                expert_ids: experts,
                into_expert_id: into,
            });
            let answer = client.answer(client.ingest().merge_experts(request).await);
            let merges = answer.map_err(|e| e.when_missing(known))?.merges;
            let merges: Vec<MergeView> = merges.into_iter().map(Into::into).collect();
            context.out.list(&merges)?;
        }
        PeopleCommand::Unmerge { tenant, merge } => {
            let request = client.timed(v1::UndoMergeRequest {
                parent: tenant.parent()?,
                merge_id: merge,
            });
            let answer = client.answer(client.ingest().undo_merge(request).await);
            let answer = answer
                .map_err(|e| e.when_missing("`tenantry experts merges` shows those there are"))?;
            let mut view = MergeView::from(answer.merge.unwrap_or_default());
            view.items = answer.items;
            context.out.one(&view)?;
        }
        PeopleCommand::Merges { tenant, page } => {
            let parent = tenant.parent()?;
            let merges = page
                .collect(async |page_size, page_token| {
                    let request = v1::ListMergesRequest {
                        parent: parent.clone(),
                        page_size,
                        page_token,
                    };
                    let answer = client.ingest().list_merges(client.timed(request)).await;
                    let answer = client.answer(answer)?;
                    Ok((answer.merges, answer.next_page_token))
                })
                .await?;
            let merges: Vec<MergeView> = merges.into_iter().map(Into::into).collect();
            context.out.list(&merges)?;
        }
        PeopleCommand::Delete {
            tenant,
            experts,
            from_items,
        } => {
            let request = client.timed(v1::BatchDeleteExpertsRequest {
                parent: tenant.parent()?,
                expert_ids: experts,
                from_items,
            });
            let answer = client.answer(client.ingest().batch_delete_experts(request).await)?;
            context.out.one(&DeletedView {
                deleted: answer.deleted,
                items: answer.items,
                watermark: answer.watermark,
            })?;
        }
    }
    Ok(Exit::Done)
}
