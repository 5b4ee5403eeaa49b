//! `tenantry models`: train, compare, promote, roll back; `registry` has the upkeep.

mod classification_view;
pub mod compare;
mod registry;
pub mod tasks;
pub mod view;

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{PageArgs, TenantArg};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::jobs::{self, JobView};
use crate::output::{Output, note};
use compare::CompareArgs;
use view::ModelView;

/// Train models, see what they are worth, decide which one serves.
#[derive(Debug, clap::Subcommand)]
pub enum ModelsCommand {
    /// Train a tenant's model, or a tier's; it serves only if it is proven better
    #[command(after_help = "The same dataset and seed give the same model.

Examples:
  tenantry models train --of global --wait
  tenantry models train --of verticals/healthcare --wait
  tenantry models train -t acme --wait
  tenantry models train -t acme --task intent --wait
  tenantry models train -t acme --search 16 --wait     # try settings, keep the best
  tenantry models train -t acme --dataset 3 --seed 7 --wait -o json")]
    Train(TrainArgs),
    /// List a tenant's model versions, newest first
    #[command(after_help = "Example:\n  tenantry models list -t acme")]
    List {
        #[command(flatten)]
        owner: OwnerArg,
        #[command(flatten)]
        task: TaskArg,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a version: its evaluation against the baselines, the verdict, where it comes from
    #[command(after_help = "Examples:
  tenantry models show -t acme 3
  tenantry models show tenants/acme/models/experts/versions/3 -o csv   # metrics by method")]
    Show(ModelArg),
    /// Compare two versions by what they did after their training: on new items, in front of people
    #[command(
        after_help = "Feedback and new items are what it knows. A canary makes both answer; a \
shadow computes the challenger beside the champion.

Examples:
  tenantry models compare -t acme
  tenantry models compare -t acme --baseline 3 --candidate 4 -o json"
    )]
    Compare(CompareArgs),
    /// Make a version serve, whatever the gate said
    #[command(after_help = "Example:\n  tenantry models promote -t acme 3 --reason 'pilot'")]
    Promote {
        #[command(flatten)]
        model: ModelArg,
        /// For the audit log
        #[arg(long)]
        reason: String,
        /// Make it the challenger, which a canary or a shadow tries, and not the champion
        #[arg(long)]
        challenger: bool,
    },
    /// Make the version before serve again, or the tier above if there was none
    #[command(
        after_help = "Example:\n  tenantry models rollback -t acme --reason 'worse on Mondays'"
    )]
    Rollback {
        #[command(flatten)]
        owner: OwnerArg,
        #[command(flatten)]
        task: TaskArg,
        /// For the audit log
        #[arg(long)]
        reason: String,
    },
    /// Train a version again from its lineage and compare the bytes; ends with code 9 when they differ
    #[command(after_help = "Nothing is registered, and nothing serves differently.

Examples:
  tenantry models reproduce -t acme 3
  tenantry models reproduce tenants/acme/models/experts/versions/3 -o json
  tenantry models reproduce --of verticals/healthcare 2")]
    Reproduce(ModelArg),
    /// Delete old versions that nothing needs; it also happens after each training
    #[command(
        after_help = "The champion, the challenger, versions that a policy pins or a roll-back returns \
to, the newest and the young stay.

Examples:
  tenantry models prune -t acme --dry-run
  tenantry models prune -t acme --keep 3
  tenantry models prune --of global"
    )]
    Prune {
        #[command(flatten)]
        owner: OwnerArg,
        /// So many of the newest versions stay [default: the server's setting]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// List what searches tried, and how it did; the newest version's trials first
    #[command(after_help = "Examples:
  tenantry models trials -t acme
  tenantry models trials -t acme 7 -o csv
  tenantry models trials tenants/acme/models/intent/versions/2 -o json")]
    Trials {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        task: TaskArg,
        /// Only this version's: its number, or its whole name
        model: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
}

/// Whose models are meant.
#[derive(Debug, clap::Args)]
pub struct OwnerArg {
    #[command(flatten)]
    tenant: TenantArg,
    /// A tier in place of a tenant: `global` or `verticals/NAME` (operators only)
    #[arg(long, value_name = "TIER")]
    of: Option<String>,
}

impl OwnerArg {
    /// The owner's name.
    ///
    /// # Errors
    /// When none was given.
    pub fn parent(&self) -> Result<String, CliError> {
        self.of.clone().map_or_else(|| self.tenant.parent(), Ok)
    }

    fn name_of(&self, short: &str, collection: &str) -> Result<String, CliError> {
        if short.contains('/') {
            return Ok(short.to_owned());
        }
        Ok(format!("{}/{collection}/{short}", self.parent()?))
    }
}

/// What is predicted.
#[derive(Debug, clap::Args)]
pub struct TaskArg {
    /// What is predicted
    #[arg(long, default_value = "experts")]
    pub task: String,
}

/// Which model is meant.
#[derive(Debug, clap::Args)]
pub struct ModelArg {
    #[command(flatten)]
    owner: OwnerArg,
    #[command(flatten)]
    task: TaskArg,
    /// The version's number, or its whole name
    model: String,
}

impl ModelArg {
    /// The version's whole name.
    ///
    /// # Errors
    /// When it is short and no owner was given.
    pub fn name(&self) -> Result<String, CliError> {
        let collection = format!("models/{}/versions", self.task.task);
        self.owner.name_of(&self.model, &collection)
    }
}

/// Options of `models train`.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    #[command(flatten)]
    owner: OwnerArg,
    #[command(flatten)]
    task: TaskArg,
    /// The dataset's number [default: the items as they are now]
    #[arg(long, value_name = "N")]
    dataset: Option<String>,
    /// Of everything random; 0 is the default one
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Try so many settings first, on windows older than those the gate judges on, and take the best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    search: Option<u32>,
    /// Wait for the end, with live progress, and show the model
    #[arg(long)]
    wait: bool,
    /// Makes a repeat harmless [default: random]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// A retrain and what came of it.
#[derive(Debug, Serialize)]
struct TrainView {
    job: JobView,
    model: Option<ModelView>,
}

pub(super) const MISSING: &str = "`tenantry models list -t TENANT` shows the versions there are";

/// Runs a `models` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: ModelsCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    match command {
        ModelsCommand::Compare(args) => compare::run(&client, args, out).await?,
        ModelsCommand::Train(args) => return train(&client, args, out).await,
        ModelsCommand::Reproduce(model) => return registry::reproduce(&client, &model, out).await,
        ModelsCommand::Prune {
            owner,
            keep,
            dry_run,
        } => return registry::prune(&client, &owner, (keep, dry_run), out).await,
        ModelsCommand::Trials {
            tenant,
            task,
            model,
            page,
        } => {
            let query = registry::TrialsArgs::new(&tenant, task.task, model)?;
            registry::trials(&client, query, &page, out).await?;
        }
        ModelsCommand::List { owner, task, page } => {
            let models = list(&client, &owner.parent()?, &task.task, &page).await?;
            out.list(&models)?;
        }
        ModelsCommand::Show(model) => {
            let model = get(&client, model.name()?).await?;
            out.document(&model, model.methods(), |out| model.words(out))?;
        }
        ModelsCommand::Promote {
            model,
            reason,
            challenger,
        } => {
            let model = promote(&client, model.name()?, reason, challenger).await?;
            out.one(&model)?;
        }
        ModelsCommand::Rollback {
            owner,
            task,
            reason,
        } => {
            let (parent, task) = (owner.parent()?, task.task);
            let request = client.timed(v1::RollbackModelRequest {
                parent,
                task,
                reason,
            });
            let answer = client.answer(client.training().rollback_model(request).await)?;
            let champion = answer.champion.map(ModelView::from);
            if champion.is_none() {
                note("there is no champion now: the tier above serves");
            }
            let rows: &[ModelView] = champion.as_slice();
            out.document(&champion, rows, |out| out.table(rows))?;
        }
    }
    Ok(Exit::Done)
}

async fn list(
    client: &Client,
    parent: &str,
    task: &str,
    page: &PageArgs,
) -> Result<Vec<ModelView>, CliError> {
    let models = page
        .collect(async |page_size, page_token| {
            let request = v1::ListModelsRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
                task: task.to_owned(),
            };
            let answer = client.training().list_models(client.timed(request)).await;
            let answer = client.answer(answer)?;
            Ok((answer.models, answer.next_page_token))
        })
        .await?;
    Ok(models.into_iter().map(ModelView::from).collect())
}

async fn promote(
    client: &Client,
    name: String,
    reason: String,
    challenger: bool,
) -> Result<ModelView, CliError> {
    let alias = match challenger {
        true => v1::promote_model_request::Alias::Challenger,
        false => v1::promote_model_request::Alias::Champion,
    };
    let request = client.timed(v1::PromoteModelRequest {
        name,
        reason,
        alias: alias.into(),
    });
    let answer = client.answer(client.training().promote_model(request).await);
    let answer = answer.map_err(|error| error.when_missing(MISSING))?;
    Ok(ModelView::from(answer.model.unwrap_or_default()))
}

async fn train(client: &Client, args: TrainArgs, out: &mut Output) -> Result<Exit, CliError> {
    let dataset = args
        .dataset
        .map(|number| args.owner.name_of(&number, "datasets"));
    let request = v1::RetrainRequest {
        parent: args.owner.parent()?,
        task: args.task.task,
        dataset: dataset.transpose()?.unwrap_or_default(),
        request_id: args
            .request_id
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        seed: args.seed,
        search_trials: args.search.unwrap_or(0),
    };
    let answer = client.answer(client.training().retrain(client.timed(request)).await)?;
    let mut job = answer.job.unwrap_or_default();
    if args.wait {
        job = jobs::watch(client, &job.name).await?;
    } else {
        note(&format!("follow it with: tenantry jobs watch {}", job.name));
    }
    let exit = if args.wait {
        jobs::exit_of(&job)
    } else {
        Exit::Done
    };
    let name = job
        .outcome
        .get("model")
        .filter(|_| args.wait && exit == Exit::Done)
        .cloned();
    let mut model = None;
    if let Some(name) = name {
        model = Some(get(client, name).await?);
    }
    let view = TrainView {
        job: JobView::from(job),
        model,
    };
    out.document(&view, std::slice::from_ref(&view.job), |out| {
        match &view.model {
            Some(model) => model.words(out),
            None => out.table(std::slice::from_ref(&view.job)),
        }
    })?;
    Ok(exit)
}

async fn get(client: &Client, name: String) -> Result<ModelView, CliError> {
    let answer = client
        .training()
        .get_model(client.timed(v1::GetModelRequest { name }))
        .await;
    let answer = client
        .answer(answer)
        .map_err(|error| error.when_missing(MISSING))?;
    Ok(answer.model.unwrap_or_default().into())
}
