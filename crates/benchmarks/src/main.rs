//! Measurements and the demo, each against a server of its own: what `cargo xtask` hands on to.
//!
//! One file or folder a command: the arguments and a `run` function live there, and this file only
//! lists them.

// A command line talks to its user on standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod demo;
mod echo;
mod field;
mod latency;
mod letor;
mod load;
mod metrics;
mod quality;
mod quality_labels;
mod run;
mod scenario;
mod server;
mod split;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Measurements of Tenantry, and the demo",
    bin_name = "cargo xtask"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole of Tenantry on three sample customers, or on a folder of data.
    Demo(demo::DemoArgs),
    /// Measure how well experts are named, tenant by tenant and method by method.
    Quality(quality::QualityArgs),
    /// Measure how well tasks that tenants define are answered: labels and numbers.
    QualityLabels(quality_labels::QualityLabelsArgs),
    /// Try files as customers have them, and say what became of each.
    Field(field::FieldArgs),
    /// Measure what clients wait for, from one question against its embedding to twice what a server can do.
    Bench(bench::BenchArgs),
    /// What `bench` compares the server with.
    #[command(hide = true)]
    Echo(echo::EchoArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Quality(args) => quality::run(&args),
        Command::QualityLabels(args) => quality_labels::run(&args),
        Command::Field(args) => field::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Echo(args) => echo::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
