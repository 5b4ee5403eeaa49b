//! What can be typed: the server's own command, and those of a client.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use cli::{ClientOptions, EXIT_CODES};

use crate::distill::DistillArgs;
use crate::serve_args::ServeArgs;

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
pub struct Program {
    /// Of calling a server.
    #[command(flatten)]
    pub options: ClientOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The nouns, and what runs on this machine.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the services in this process
    #[command(after_help = "Examples:
  tenantry serve
  tenantry serve --config tenantry.toml --only router,ingest
  tenantry serve --listen 127.0.0.1:0 --address-file addresses.json")]
    Serve(ServeArgs),
    /// Make the token vectors of the static embedding model from the one that is installed
    #[command(
        after_help = "Takes some ten seconds, once for each machine; or once for all of them, when its \
        folder is copied to each.

Examples:
  tenantry distill
  tenantry distill --force"
    )]
    Distill(DistillArgs),
    /// Call a server.
    #[command(flatten)]
    Client(Box<cli::Command>),
}

impl Program {
    /// Reads the command line; ends the program where it asks for help or cannot be used.
    #[must_use]
    pub fn read() -> Self {
        let matches = Self::definition().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// All that can be typed.
    #[must_use]
    pub fn definition() -> clap::Command {
        cli::without_client_options(Self::command(), &["serve", "distill", "completions"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Program, clap::Error> {
        let matches = Program::definition().try_get_matches_from(line.split(' '))?;
        Program::from_arg_matches(&matches)
    }

    #[test]
    fn the_definition_is_consistent_and_help_names_each_exit_code() {
        Program::definition().debug_assert();
        let help = Program::definition().render_long_help().to_string();
        for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8 ", "130 "] {
            assert!(help.contains(&format!("\n  {code}")), "{code}: {help}");
        }
    }

    #[test]
    fn serve_stands_beside_the_commands_of_a_client_and_takes_none_of_their_options() {
        assert!(parse("tenantry serve --listen 127.0.0.1:0 --only router,ingest").is_ok());
        assert!(parse("tenantry tenants list -o json").is_ok());
        assert!(parse("tenantry serve --endpoint http://h:1").is_err());
    }
}
