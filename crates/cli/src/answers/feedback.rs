//! `tenantry feedback`: what a person did with an answer.

use api::v1;
use serde::Serialize;
use v1::send_feedback_request::Verdict;

use crate::Context;
use crate::args::TenantArg;
use crate::error::{CliError, Exit};
use crate::output::Row;

/// Options of `feedback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry feedback -t acme --request r-1 --accepted anna
  tenantry feedback -t acme --request r-1 --rejected bob
  tenantry feedback -t acme --request r-1 --rejected bob --reassigned-to anna
  tenantry feedback correct-label -t acme intent --request r-1 --label refund
  tenantry feedback withdraw-correction -t acme intent --request r-1")]
#[command(subcommand_negates_reqs = true)]
#[group(id = "verdict", required = true, multiple = true,
        args = ["accepted", "rejected", "reassigned_to"])]
pub struct FeedbackArgs {
    #[command(flatten)]
    tenant: TenantArg,
    #[command(subcommand)]
    command: Option<FeedbackCommand>,
    /// The answer's request id; `recommend` says it
    #[arg(long, value_name = "ID", required = true)]
    request: Option<String>,
    /// This expert took the question
    #[arg(long, value_name = "EXPERT", conflicts_with_all = ["rejected", "reassigned_to"])]
    accepted: Option<String>,
    /// This expert was wrong for it
    #[arg(long, value_name = "EXPERT")]
    rejected: Option<String>,
    /// Somebody else took it
    #[arg(long, value_name = "EXPERT")]
    reassigned_to: Option<String>,
}

/// Feedback on what is no recommendation.
#[derive(Debug, clap::Subcommand)]
enum FeedbackCommand {
    /// Tell what `classify` should have answered; it counts as an example from then on
    #[command(after_help = "Examples:
  tenantry feedback correct-label -t acme intent --request r-1 --label refund
  tenantry feedback correct-label -t acme effort --request r-2 --value 3")]
    CorrectLabel(CorrectArgs),
    /// Take a correction back: it counts no more
    #[command(after_help = "Example:
  tenantry feedback withdraw-correction -t acme intent --request r-1")]
    WithdrawCorrection(WithdrawArgs),
}

/// Options of `feedback withdraw-correction`.
#[derive(Debug, clap::Args)]
pub struct WithdrawArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task's id
    task: String,
    /// The request id of the answer that was corrected
    #[arg(long, value_name = "ID")]
    request: String,
}

#[derive(Debug, Serialize)]
struct WithdrawnView {
    request_id: String,
    task: String,
    /// There was a correction.
    withdrawn: bool,
}

impl Row for WithdrawnView {
    const COLUMNS: &'static [&'static str] = &["request", "task", "withdrawn"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.request_id.clone(),
            self.task.clone(),
            self.withdrawn.to_string(),
        ]
    }
}

/// Options of `feedback correct-label`.
#[derive(Debug, clap::Args)]
#[group(id = "right", required = true, args = ["labels", "value"])]
pub struct CorrectArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task's id
    task: String,
    /// The answer's request id; `classify` says it
    #[arg(long, value_name = "ID")]
    request: String,
    /// The right label; more than once where several are right
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// The right number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    value: Option<f64>,
}

#[derive(Debug, Serialize)]
struct CorrectionView {
    request_id: String,
    task: String,
    /// The answer had been right.
    confirmed: bool,
}

impl Row for CorrectionView {
    const COLUMNS: &'static [&'static str] = &["request", "task", "confirmed"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.request_id.clone(),
            self.task.clone(),
            self.confirmed.to_string(),
        ]
    }
}

#[derive(Debug, Serialize)]
struct FeedbackView {
    request_id: String,
    verdict: &'static str,
    /// Where the expert stood in the answer; 0 when it was not in it.
    rank: u32,
    /// The item that the tenant's models learn from; absent when nobody took the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
}

impl Row for FeedbackView {
    const COLUMNS: &'static [&'static str] = &["request", "verdict", "rank", "learned as"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.request_id.clone(),
            self.verdict.to_owned(),
            self.rank.to_string(),
            self.item.clone().unwrap_or_default(),
        ]
    }
}

/// Runs `feedback`.
///
/// # Errors
/// What the person should be told.
pub async fn run(args: FeedbackArgs, context: &mut Context) -> Result<Exit, CliError> {
    match args.command {
        Some(FeedbackCommand::CorrectLabel(args)) => return correct(args, context).await,
        Some(FeedbackCommand::WithdrawCorrection(args)) => return withdraw(args, context).await,
        None => {}
    }
    // clap has asked for it.
    let request_id = args.request.unwrap_or_default();
    let parent = args.tenant.parent()?;
    let verdict = if args.accepted.is_some() {
        Verdict::Accepted
    } else if args.reassigned_to.is_some() {
        Verdict::Reassigned
    } else {
        Verdict::Rejected
    };
    let client = context.client().await?;
    let request = v1::SendFeedbackRequest {
        parent,
        request_id: request_id.clone(),
        verdict: verdict.into(),
        expert_id: args.accepted.or(args.rejected).unwrap_or_default(),
        reassigned_to: args.reassigned_to.unwrap_or_default(),
    };
    let answer = client.answer(client.router().send_feedback(client.timed(request)).await);
    let answer = answer.map_err(|error| {
        error.when_missing("the request id is in the answer of `tenantry recommend`")
    })?;
    let verdict = verdict.short_name();
    context.out.one(&FeedbackView {
        request_id,
        verdict,
        rank: answer.rank,
        item: Some(answer.item).filter(|item| !item.is_empty()),
    })?;
    Ok(Exit::Done)
}

async fn correct(args: CorrectArgs, context: &mut Context) -> Result<Exit, CliError> {
    let parent = args.tenant.parent()?;
    let client = context.client().await?;
    let request = client.timed(v1::CorrectLabelRequest {
        parent,
        task: args.task.clone(),
        request_id: args.request.clone(),
        labels: args.labels,
        value: args.value,
    });
    let answer = client.answer(client.router().correct_label(request).await);
    let answer = answer.map_err(|error| {
        error.when_missing("the request id is in the answer of `tenantry classify`")
    })?;
    context.out.one(&CorrectionView {
        request_id: args.request,
        task: args.task,
        confirmed: answer.confirmed,
    })?;
    Ok(Exit::Done)
}

async fn withdraw(args: WithdrawArgs, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let request = client.timed(v1::WithdrawCorrectionRequest {
        parent: args.tenant.parent()?,
        task: args.task.clone(),
        request_id: args.request.clone(),
    });
    let answer = client.answer(client.router().withdraw_correction(request).await);
    let answer = answer
        .map_err(|error| error.when_missing("`tenantry tasks list` shows those there are"))?;
    context.out.one(&WithdrawnView {
        request_id: args.request,
        task: args.task,
        withdrawn: answer.withdrawn,
    })?;
    Ok(Exit::Done)
}
