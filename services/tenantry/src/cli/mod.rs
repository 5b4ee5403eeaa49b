//! The command line: noun then verb, all of it over gRPC.
//!
//! `args` and the types beside each noun say what can be typed; `client` connects; each noun's file
//! makes the call and turns the answer into a small view, whose JSON form is the stable interface
//! for scripts; `output` alone prints.

mod args;
mod audit;
mod classification_view;
mod classify;
mod client;
mod compare;
mod costs;
mod datasets;
mod error;
mod experts;
mod export;
mod feedback;
mod import;
mod index;
mod items;
mod jobs;
mod keys;
mod labels;
mod model_view;
mod models;
mod output;
mod people;
mod progress;
mod questionnaire;
mod recommend;
mod registry;
mod route;
mod routing;
pub mod serve_args;
mod similar;
mod tasks;
mod tenants;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use self::client::{Client, ConnectionArgs};
use self::error::{CliError, EXIT_CODES, Exit};
use self::output::{Output, OutputArgs};
use self::serve_args::ServeArgs;

/// Tenantry: the model that serves each customer best, and the command line to it.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, about, max_term_width = 100)]
#[command(after_help = format!("Examples:
  tenantry serve
  tenantry tenants create acme --name 'Acme Ltd' --vertical healthcare
  tenantry experts import -t acme experts.csv
  tenantry items ingest -t acme questions.jsonl.gz --wait-indexed
  tenantry models train -t acme --wait
  tenantry recommend -t acme 'Do you encrypt backups at rest?'

{EXIT_CODES}"))]
pub struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the services in this process
    #[command(after_help = "Examples:
  tenantry serve
  tenantry serve --config tenantry.toml --only router,ingest
  tenantry serve --listen 127.0.0.1:0 --address-file addresses.json")]
    Serve(ServeArgs),
    /// Onboard, look at, change, export and erase tenants
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Import, list, rename, merge and delete experts
    #[command(subcommand)]
    Experts(experts::ExpertsCommand),
    /// Ingest, look at and delete items; see rejected rows
    #[command(subcommand)]
    Items(items::ItemsCommand),
    /// Rename and merge labels
    #[command(subcommand)]
    Labels(labels::LabelsCommand),
    /// Pin and look at datasets
    #[command(subcommand)]
    Datasets(datasets::DatasetsCommand),
    /// Train models, see what they are worth, decide which one serves
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Ask who should answer a question, an item, or a whole questionnaire
    Recommend(recommend::RecommendArgs),
    /// Define what else is to be predicted of a text: labels, numbers
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// Ask a task about a text
    Classify(classify::ClassifyArgs),
    /// Find the items nearest to a text
    Similar(similar::SimilarArgs),
    /// Tell what became of an answer
    Feedback(feedback::FeedbackArgs),
    /// See which model would serve, and why
    Route(route::RouteArgs),
    /// See and set the policy that says which model answers
    #[command(subcommand)]
    Routing(routing::RoutingCommand),
    /// See what tenants cost and what they earn; set prices and budgets
    #[command(subcommand)]
    Costs(costs::CostsCommand),
    /// Look at long work, follow it, stop it
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Look at the index, or make it again
    #[command(subcommand)]
    Index(index::IndexCommand),
    /// See who did what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
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

/// Commands that call no server.
const WITHOUT_SERVER: [&str; 2] = ["serve", "completions"];
/// Of calling a server and printing what it says: as they are known inside, and as they are typed.
const CLIENT_OPTIONS: [(&str, &str); 5] = [
    ("endpoint", "endpoint"),
    ("key", "key"),
    ("key_file", "key-file"),
    ("timeout", "timeout"),
    ("output", "output"),
];

impl Cli {
    /// Reads the command line; ends the program where it asks for help or cannot be used.
    #[must_use]
    pub fn read() -> Self {
        let matches = Self::definition().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command line with the options of calling a server taken from commands that call none.
    fn definition() -> clap::Command {
        WITHOUT_SERVER
            .into_iter()
            .fold(Self::command(), |command, name| {
                command.mut_subcommand(name, |mut command| {
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
}

/// What the commands share: where to connect, where to print.
pub struct Context {
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

/// Runs any command but `serve`, prints what came of it, and says how the program ends.
pub async fn run(cli: Cli) -> ExitCode {
    let mut context = Context {
        connection: cli.connection,
        out: Output::stdout(&cli.output),
    };
    match dispatch(cli.command, &mut context).await {
        Ok(exit) => ExitCode::from(exit as u8),
        // `| head` has read enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&error.report());
            ExitCode::from(error.exit as u8)
        }
    }
}

async fn dispatch(command: Command, context: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::Serve(_) => Err(CliError::new(
            Exit::Unexpected,
            "serve is run by the program itself",
        )),
        Command::Tenants(command) => tenants::run(command, context).await,
        Command::Keys(command) => keys::run(command, context).await,
        Command::Experts(command) => experts::run(command, context).await,
        Command::Items(command) => items::run(command, context).await,
        Command::Labels(command) => labels::run(command, context).await,
        Command::Datasets(command) => datasets::run(command, context).await,
        Command::Models(command) => models::run(command, context).await,
        Command::Recommend(args) => recommend::run(args, context).await,
        Command::Tasks(command) => tasks::run(command, context).await,
        Command::Classify(args) => classify::run(args, context).await,
        Command::Similar(args) => similar::run(args, context).await,
        Command::Feedback(args) => feedback::run(args, context).await,
        Command::Route(args) => route::run(args, context).await,
        Command::Routing(command) => routing::run(command, context).await,
        Command::Costs(command) => costs::run(command, context).await,
        Command::Jobs(command) => jobs::run(command, context).await,
        Command::Index(command) => index::run(command, context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::definition(), "tenantry", &mut script);
            context.out.text(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests;
