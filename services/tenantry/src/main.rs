//! The `tenantry` program.

use std::process::ExitCode;

use tenantry::program::{Command, Program};

#[tokio::main]
async fn main() -> ExitCode {
    let Program { options, command } = Program::read();
    match command {
        Command::Serve(args) => ended(tenantry::serve::run(args).await),
        Command::Distill(args) => ended(tenantry::distill::run(&args)),
        Command::Client(command) => cli::run(*command, options, Program::definition()).await,
    }
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    use std::io::Write as _;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
