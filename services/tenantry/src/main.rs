//! The `tenantry` program.

use std::process::ExitCode;

use tenantry::program::{Command, Program};
use tenantry::serve_args::ServeArgs;

#[tokio::main]
async fn main() -> ExitCode {
    let Program { options, command } = Program::read();
    match command {
        Command::Serve(args) => serve(args).await,
        Command::Client(command) => cli::run(*command, options, Program::definition()).await,
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
