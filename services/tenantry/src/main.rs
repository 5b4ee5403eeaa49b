//! The `tenantry` program.

use std::process::ExitCode;

use tenantry::cli::serve_args::ServeArgs;
use tenantry::cli::{self, Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::read();
    match cli.command {
        Command::Serve(args) => serve(args).await,
        _ => cli::run(cli).await,
    }
}

async fn serve(args: ServeArgs) -> ExitCode {
    use std::io::Write as _;
    match tenantry::serve::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
