//! The command line of a client: noun then verb, all of it over gRPC.
//!
//! `args` and the types beside each noun say what can be typed; `client` connects; each noun's file
//! makes the call and turns the answer into a small view, whose JSON form is the stable interface
//! for scripts; `output` alone prints. `import` reads files of items as customers write them. A
//! program mounts [`Command`] and [`ClientOptions`] beside commands of its own, and calls [`run`].

mod answers;
mod args;
mod client;
mod content;
mod costs;
mod error;
mod import;
mod jobs;
mod models;
mod output;
mod tenants;

use std::process::ExitCode;

use clap::Subcommand;
use clap_complete::Shell;

use client::{Client, ConnectionArgs};
use error::{CliError, Exit};
use output::{Output, OutputArgs};

pub use error::EXIT_CODES;

/// Of calling a server and printing what it says.
#[derive(Debug, clap::Args)]
pub struct ClientOptions {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Onboard, look at, change, export and erase tenants
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(tenants::keys::KeysCommand),
    /// Import, list, rename, merge and delete experts
    #[command(subcommand)]
    Experts(content::experts::ExpertsCommand),
    /// Ingest, look at and delete items; see rejected rows
    #[command(subcommand)]
    Items(content::items::ItemsCommand),
    /// Rename and merge labels
    #[command(subcommand)]
    Labels(content::labels::LabelsCommand),
    /// Pin and look at datasets
    #[command(subcommand)]
    Datasets(content::datasets::DatasetsCommand),
    /// Train models, see what they are worth, decide which one serves
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Ask who should answer a question, an item, or a whole questionnaire
    Recommend(answers::recommend::RecommendArgs),
    /// Define what else is to be predicted of a text: labels, numbers
    #[command(subcommand)]
    Tasks(models::tasks::TasksCommand),
    /// Ask a task about a text
    Classify(answers::classify::ClassifyArgs),
    /// Find the items nearest to a text
    Similar(answers::similar::SimilarArgs),
    /// Tell what became of an answer
    Feedback(answers::feedback::FeedbackArgs),
    /// See which model would serve, and why
    Route(answers::route::RouteArgs),
    /// See and set the policy that says which model answers
    #[command(subcommand)]
    Routing(answers::routing::RoutingCommand),
    /// See what tenants cost and what they earn; set prices and budgets
    #[command(subcommand)]
    Costs(costs::CostsCommand),
    /// Look at long work, follow it, stop it
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Look at the index, or make it again
    #[command(subcommand)]
    Index(content::index::IndexCommand),
    /// See who did what
    #[command(subcommand)]
    Audit(tenants::audit::AuditCommand),
    /// Write shell completions
    #[command(after_help = "Examples:
  tenantry completions bash > /etc/bash_completion.d/tenantry
  tenantry completions zsh > ~/.zfunc/_tenantry
  tenantry completions fish > ~/.config/fish/completions/tenantry.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The options of [`ClientOptions`]: as they are known inside, and as they are typed.
const CLIENT_OPTIONS: [(&str, &str); 5] = [
    ("endpoint", "endpoint"),
    ("key", "key"),
    ("key_file", "key-file"),
    ("timeout", "timeout"),
    ("output", "output"),
];

/// The program's definition, with the options of calling a server taken from its commands `names`,
/// which call none.
#[must_use]
pub fn without_client_options(program: clap::Command, names: &[&str]) -> clap::Command {
    names.iter().fold(program, |program, name| {
        program.mut_subcommand(*name, |mut command| {
            for (id, long) in CLIENT_OPTIONS {
                // A hidden option of the same name keeps the global one out.
                let refuse = |_: &str| Err::<String, _>("this command calls no server");
                let hidden = clap::Arg::new(id).long(long);
                command = command.arg(hidden.hide(true).value_parser(refuse));
            }
            command
        })
    })
}

/// What the commands share: where to connect, where to print.
struct Context {
    connection: ConnectionArgs,
    out: Output,
}

impl Context {
    /// Connects to the server that was named.
    ///
    /// # Errors
    /// When the key cannot be read or nobody answers.
    pub async fn client(&self) -> Result<Client, CliError> {
        Client::connect(&self.connection).await
    }
}

/// Runs a command, prints what came of it, and says how the program ends. Completions are those of
/// the whole `program`.
pub async fn run(command: Command, options: ClientOptions, program: clap::Command) -> ExitCode {
    let mut context = Context {
        connection: options.connection,
        out: Output::stdout(&options.output),
    };
    match dispatch(command, &mut context, program).await {
        Ok(exit) => ExitCode::from(exit as u8),
        // `| head` has read enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&error.report());
            ExitCode::from(error.exit as u8)
        }
    }
}

async fn dispatch(
    command: Command,
    context: &mut Context,
    mut program: clap::Command,
) -> Result<Exit, CliError> {
    match command {
        Command::Tenants(command) => tenants::run(command, context).await,
        Command::Keys(command) => tenants::keys::run(command, context).await,
        Command::Experts(command) => content::experts::run(command, context).await,
        Command::Items(command) => content::items::run(command, context).await,
        Command::Labels(command) => content::labels::run(command, context).await,
        Command::Datasets(command) => content::datasets::run(command, context).await,
        Command::Models(command) => models::run(command, context).await,
        Command::Recommend(args) => answers::recommend::run(args, context).await,
        Command::Tasks(command) => models::tasks::run(command, context).await,
        Command::Classify(args) => answers::classify::run(args, context).await,
        Command::Similar(args) => answers::similar::run(args, context).await,
        Command::Feedback(args) => answers::feedback::run(args, context).await,
        Command::Route(args) => answers::route::run(args, context).await,
        Command::Routing(command) => answers::routing::run(command, context).await,
        Command::Costs(command) => costs::run(command, context).await,
        Command::Jobs(command) => jobs::run(command, context).await,
        Command::Index(command) => content::index::run(command, context).await,
        Command::Audit(command) => tenants::audit::run(command, context).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program, "tenantry", &mut script);
            context.out.text(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests;
