//! Developer commands of the workspace: `cargo xtask <command>`.
//!
//! One file a command: the arguments and a `run` function live there, and this file only lists them.

// A command line talks to its user on standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod checks;
mod ci;
mod licences;
mod measure;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Developer commands of Tenantry",
    bin_name = "cargo xtask"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the embedding model and the ONNX Runtime library into the cache folder, and make the static model.
    Setup(setup::SetupArgs),
    /// Show the whole of Tenantry on three sample customers, or on a folder of data.
    #[command(disable_help_flag = true)]
    Demo(measure::HandedOn),
    /// Run every test.
    Test(test::TestArgs),
    /// Measure how well experts are named, tenant by tenant and method by method.
    #[command(disable_help_flag = true)]
    Quality(measure::HandedOn),
    /// Measure how well tasks that tenants define are answered: labels and numbers.
    #[command(disable_help_flag = true)]
    QualityLabels(measure::HandedOn),
    /// Try files as customers have them, and say what became of each.
    #[command(disable_help_flag = true)]
    Field(measure::HandedOn),
    /// Measure what clients wait for, from one question against its embedding to twice what a server can do.
    #[command(disable_help_flag = true)]
    Bench(measure::HandedOn),
    /// Check who imports whom, what source files look like, and that no dependency is unused.
    CheckImports,
    /// Check the contract in proto/: its style, its format, and that it breaks no client.
    CheckContract(checks::contract::ContractArgs),
    /// Check the alert rules for Prometheus, and that each one fires when it should.
    CheckAlerts,
    /// Check that the reference pages under docs/ say what the code says.
    CheckReference(checks::reference::ReferenceArgs),
    /// Check the licences of everything that is built in.
    Licences,
    /// Everything that a change has to pass.
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Setup(args) => setup::run(&args),
        Command::Demo(args) => measure::become_it("demo", &args),
        Command::Test(args) => test::run(&args),
        Command::Quality(args) => measure::become_it("quality", &args),
        Command::QualityLabels(args) => measure::become_it("quality-labels", &args),
        Command::Field(args) => measure::become_it("field", &args),
        Command::Bench(args) => measure::become_it("bench", &args),
        Command::CheckImports => checks::run(),
        Command::CheckContract(args) => checks::contract::run(&args),
        Command::CheckAlerts => checks::alerts::run(),
        Command::CheckReference(args) => checks::reference::run(&args),
        Command::Licences => licences::run(),
        Command::Ci => ci::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
