//! `tenantry jobs`: look at long work, follow it, stop it.

mod result;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::v1;
use serde::Serialize;
use tonic::{Code, Status};

use crate::Context;
use crate::args::{PageArgs, TenantArg, enum_name, filled, last, tenant_of};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::output::progress::Progress;
use crate::output::{Output, Row, note, short_time, time};

/// How long a watched job's server may be away before waiting ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// Look at jobs, follow them, stop them.
#[derive(Debug, clap::Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    #[command(after_help = "Examples:
  tenantry jobs list -t acme
  tenantry jobs list -t acme --kind retrain --state failed")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        /// Only jobs of this kind
        #[arg(long)]
        kind: Option<Kind>,
        /// Only jobs in this state
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one job
    #[command(after_help = "Example:\n  tenantry jobs show tenants/acme/jobs/j-42 -o json")]
    Show(JobArg),
    /// Follow a job until it ends
    #[command(
        after_help = "Ends with code 8 when the job fails or is cancelled. Ctrl-C stops \
watching, not the job.

Example:\n  tenantry jobs watch -t acme j-42 && tenantry models list -t acme"
    )]
    Watch(JobArg),
    /// Ask a job to stop; a waiting one stops at once
    #[command(after_help = "Example:\n  tenantry jobs cancel -t acme j-42")]
    Cancel(JobArg),
}

/// Which job is meant.
#[derive(Debug, clap::Args)]
pub struct JobArg {
    #[command(flatten)]
    tenant: TenantArg,
    /// The job's id, or its whole name
    job: String,
}

/// What a job does.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Kind {
    /// Embeds and indexes new items.
    IndexItems,
    /// Makes the vectors again.
    RebuildIndex,
    /// Trains a model.
    Retrain,
    /// Erases a tenant.
    EraseTenant,
    /// Trains the global model or a vertical's
    TrainTier,
    /// Weighs the champion on what is new
    CheckChampion,
    /// Trains a version again and compares
    ReproduceModel,
    /// Deletes versions that nothing needs
    PruneModels,
    /// Computes open items' answers before they are asked for
    Precompute,
    /// Switches to another embedding space
    SwitchSpace,
    /// Compares embedding spaces, where the platform chooses
    CompareSpaces,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum State {
    /// Waits for a worker.
    Queued,
    /// Is being done.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Stopped on request.
    Cancelled,
}

/// A job as it is printed.
#[derive(Debug, Serialize)]
pub struct JobView {
    /// Its name.
    pub name: String,
    kind: &'static str,
    state: &'static str,
    fraction: f32,
    step: String,
    attempts: u32,
    /// What came out.
    pub outcome: BTreeMap<String, String>,
    error: Option<String>,
    create_time: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

impl From<v1::Job> for JobView {
    fn from(job: v1::Job) -> Self {
        Self {
            kind: enum_name(job.kind, v1::job::Kind::short_name),
            state: enum_name(job.state, v1::job::State::short_name),
            create_time: time(job.create_time.as_ref()),
            start_time: time(job.start_time.as_ref()),
            end_time: time(job.end_time.as_ref()),
            name: job.name,
            fraction: job.fraction,
            step: job.step,
            attempts: job.attempts,
            outcome: job.outcome.into_iter().collect(),
            error: filled(job.error),
        }
    }
}

impl Row for JobView {
    const COLUMNS: &'static [&'static str] = &[
        "job", "kind", "state", "done", "step", "result", "created", "ended",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            last(&self.name).to_owned(),
            self.kind.to_owned(),
            self.state.to_owned(),
            format!("{:.0} %", self.fraction * 100.0),
            self.step.clone(),
            self.error
                .clone()
                .unwrap_or_else(|| result::words(&self.outcome)),
            short_time(self.create_time.as_ref()),
            short_time(self.end_time.as_ref()),
        ]
    }
}

/// Runs a `jobs` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: JobsCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    const MISSING: &str = "`tenantry jobs list -t TENANT` shows the jobs there are";
    match command {
        JobsCommand::List {
            tenant,
            kind,
            state,
            page,
        } => {
            list(&client, &tenant.parent()?, (kind, state), &page, out).await?;
        }
        JobsCommand::Show(job) => {
            let name = job.tenant.name_of(&job.job, "jobs")?;
            let answer = client
                .training()
                .get_job(client.timed(v1::GetJobRequest { name }))
                .await;
            let answer = client
                .answer(answer)
                .map_err(|error| error.when_missing(MISSING))?;
            out.one(&JobView::from(answer.job.unwrap_or_default()))?;
        }
        JobsCommand::Watch(job) => {
            let name = job.tenant.name_of(&job.job, "jobs")?;
            let ended = watch(&client, &name)
                .await
                .map_err(|e| e.when_missing(MISSING))?;
            let exit = exit_of(&ended);
            out.one(&JobView::from(ended))?;
            return Ok(exit);
        }
        JobsCommand::Cancel(job) => {
            let name = job.tenant.name_of(&job.job, "jobs")?;
            let request = client.timed(v1::CancelJobRequest { name });
            let answer = client.answer(client.training().cancel_job(request).await);
            let answer = answer.map_err(|error| error.when_missing(MISSING))?;
            out.one(&JobView::from(answer.job.unwrap_or_default()))?;
        }
    }
    Ok(Exit::Done)
}

/// Prints a job that was just started, after waiting for its end if that was asked for.
///
/// # Errors
/// When the job cannot be followed or printed.
pub async fn started(
    client: &Client,
    job: Option<v1::Job>,
    wait: bool,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let job = job.unwrap_or_default();
    if !wait {
        let name = job.name.clone();
        out.one(&JobView::from(job))?;
        note(&format!("follow it with: tenantry jobs watch {name}"));
        return Ok(Exit::Done);
    }
    let ended = watch(client, &job.name).await?;
    let exit = exit_of(&ended);
    out.one(&JobView::from(ended))?;
    Ok(exit)
}

/// The exit code that a job's end means.
#[must_use]
pub fn exit_of(job: &v1::Job) -> Exit {
    if job.state() == v1::job::State::Succeeded {
        Exit::Done
    } else {
        Exit::JobFailed
    }
}

/// Follows a job until it ends, with live progress; connects again when the stream breaks.
///
/// # Errors
/// When the job cannot be watched, the server stays away, or Ctrl-C is pressed.
pub async fn watch(client: &Client, name: &str) -> Result<v1::Job, CliError> {
    let mut progress = Progress::of_job();
    let mut heard = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        let before = heard;
        let status = tokio::select! {
            ended = follow(client, name, &mut progress, &mut heard) => match ended {
                Ok(Some(job)) => return Ok(job),
                Ok(None) => Status::unavailable("the server ended the stream before the job"),
                Err(status) => status,
            },
            _ = tokio::signal::ctrl_c() => return Err(interrupted(name)),
        };
        if !passes(&status) || heard.elapsed() > PATIENCE {
            return Err(client.explain(status));
        }
        if heard != before {
            pause = Duration::from_millis(250);
        } else if pause < Duration::from_secs(1) {
            progress.say("the server is away; waiting for it");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            _ = tokio::signal::ctrl_c() => return Err(interrupted(name)),
        }
    }
}

/// Whether trying again can help: the server was restarted, or the connection broke.
#[must_use]
pub fn passes(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted => true,
        // What the HTTP/2 layer says when a connection is torn down under a stream.
        Code::Unknown | Code::Internal | Code::Cancelled => {
            let message = status.message();
            [
                "transport",
                "h2 protocol",
                "connection",
                "broken pipe",
                "error reading a body",
            ]
            .iter()
            .any(|sign| message.contains(sign))
        }
        _ => false,
    }
}

async fn follow(
    client: &Client,
    name: &str,
    progress: &mut Progress,
    heard: &mut Instant,
) -> Result<Option<v1::Job>, Status> {
    let request = v1::WatchJobRequest {
        name: name.to_owned(),
    };
    let mut states = client.training().watch_job(request).await?.into_inner();
    while let Some(state) = states.message().await? {
        *heard = Instant::now();
        let Some(job) = state.job else { continue };
        if job.state().is_final() {
            return Ok(Some(job));
        }
        let step = match job.step.as_str() {
            "" if job.state() == v1::job::State::Queued => "waits for a worker",
            "" => "at work",
            step => step,
        };
        progress.at(job.fraction, step);
    }
    Ok(None)
}

fn interrupted(name: &str) -> CliError {
    CliError::new(Exit::Interrupted, "stopped watching; the job goes on").hint(format!(
        "watch it again with `tenantry jobs watch {name}`, or stop it with `tenantry jobs cancel \
         {name}` (tenant {})",
        tenant_of(name)
    ))
}

async fn list(
    client: &Client,
    parent: &str,
    (kind, state): (Option<Kind>, Option<State>),
    page: &PageArgs,
    out: &mut Output,
) -> Result<(), CliError> {
    let kind = kind.map_or(v1::job::Kind::Unspecified, |kind| match kind {
        Kind::IndexItems => v1::job::Kind::IndexItems,
        Kind::RebuildIndex => v1::job::Kind::RebuildIndex,
        Kind::Retrain => v1::job::Kind::Retrain,
        Kind::EraseTenant => v1::job::Kind::EraseTenant,
        Kind::TrainTier => v1::job::Kind::TrainTier,
        Kind::CheckChampion => v1::job::Kind::CheckChampion,
        Kind::ReproduceModel => v1::job::Kind::ReproduceModel,
        Kind::PruneModels => v1::job::Kind::PruneModels,
        Kind::Precompute => v1::job::Kind::Precompute,
        Kind::SwitchSpace => v1::job::Kind::SwitchSpace,
        Kind::CompareSpaces => v1::job::Kind::CompareSpaces,
    });
    let state = state.map_or(v1::job::State::Unspecified, |state| match state {
        State::Queued => v1::job::State::Queued,
        State::Running => v1::job::State::Running,
        State::Succeeded => v1::job::State::Succeeded,
        State::Failed => v1::job::State::Failed,
        State::Cancelled => v1::job::State::Cancelled,
    });
    let jobs = page
        .collect(async |page_size, page_token| {
            let request = v1::ListJobsRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
                kind: kind.into(),
                state: state.into(),
            };
            let answer = client.training().list_jobs(client.timed(request)).await;
            let answer = client.answer(answer)?;
            Ok((answer.jobs, answer.next_page_token))
        })
        .await?;
    out.list(&jobs.into_iter().map(JobView::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
