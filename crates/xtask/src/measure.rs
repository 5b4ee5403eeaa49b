//! `cargo xtask demo|quality|quality-labels|field|bench`: builds the server and the measurements in
//! one go, gets the embedding model meanwhile, and hands the arguments on.
//!
//! So this program stays small: on a fresh machine it is there in seconds, and the one long build
//! starts at once.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use crate::setup;
use crate::test::succeed;
use crate::workspace::{self, Build};

/// The arguments of a measurement; it lists them itself with `--help`.
#[derive(Args, Debug, Default)]
pub struct HandedOn {
    /// Handed on; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Becomes the measurement `name`, which a signal then reaches as it would this program.
///
/// # Errors
/// When the model is not to be had, or the build fails.
pub fn become_it(name: &str, handed: &HandedOn) -> Result<()> {
    Err(ready(name, handed)?.exec()).context("cannot run the measurements")
}

/// Runs the measurement `name` to its end.
///
/// # Errors
/// As of [`become_it`], and when it fails.
pub fn run(name: &str) -> Result<()> {
    succeed(&mut ready(name, &HandedOn::default())?, name)
}

fn ready(name: &str, handed: &HandedOn) -> Result<Command> {
    let root = workspace::root()?;
    let has = |flag: &str| handed.args.iter().any(|arg| arg == flag);
    // What is measured in time is optimized unless it is only tried.
    let release = has("--release") || (name == "bench" && !has("--dev"));
    println!("Building the server; the first time takes some minutes.");
    let (assets, programs) = thread::scope(|scope| {
        let assets = scope.spawn(|| {
            // Told at once: the build goes on for minutes.
            setup::ensure(true).inspect_err(|error| eprintln!("error: {error:#}"))
        });
        let programs = workspace::build(&root, Build::Programs { release });
        (assets.join(), programs)
    });
    let assets = assets.map_err(|_| anyhow!("the setup of the model panicked"))??;
    let programs = programs?;
    setup::distill(&programs.server, &assets, false)?;
    let mut command = workspace::detached(&programs.benchmarks);
    command
        .arg(name)
        .args(&handed.args)
        .env("TENANTRY_BIN", programs.server)
        .env("TENANTRY_MODEL_DIR", assets.model_dir)
        .env("ORT_DYLIB_PATH", assets.onnxruntime);
    Ok(command)
}
