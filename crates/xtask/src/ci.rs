//! `cargo xtask ci`: everything that a change has to pass, the quickest first, the tests last.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::checks::contract::ContractArgs;
use crate::test::{TestArgs, cargo_has, succeed};
use crate::workspace::cargo;
use crate::{checks, licences, measure, test, workspace};

/// Runs the command.
///
/// # Errors
/// The first phase that fails.
pub fn run() -> Result<()> {
    let root = workspace::root()?;
    phase("formatting", || {
        cargo_runs(&root, &["fmt", "--all", "--", "--check"], &[])
    })?;
    phase("imports, files, unused dependencies", checks::run)?;
    phase("the contract", || {
        checks::contract::run(&ContractArgs::default())
    })?;
    phase("alert rules", checks::alerts::run)?;
    phase("licences", || licence_checks(&root))?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    phase("clippy", || cargo_runs(&root, &clippy, &[]))?;
    let strict = [("RUSTDOCFLAGS", "--deny warnings")];
    phase("docs", || {
        cargo_runs(&root, &["doc", "--workspace", "--no-deps"], &strict)
    })?;
    phase("files as customers have them", || measure::run("field"))?;
    phase("all tests", || test::run(&TestArgs::default()))
}

/// Names a phase, and says how long it took, however it ended.
fn phase(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n==> {name}");
    let begin = Instant::now();
    let outcome = work();
    let how = if outcome.is_ok() { "done" } else { "FAILED" };
    println!(
        "<== {name}: {how} in {:.0} s",
        begin.elapsed().as_secs_f64()
    );
    outcome.map_err(|error| error.context(name.to_owned()))
}

fn licence_checks(root: &Path) -> Result<()> {
    licences::run()?;
    if cargo_has("deny") {
        return cargo_runs(
            root,
            &["deny", "--offline", "check", "licenses", "bans"],
            &[],
        );
    }
    println!(
        "SKIPPED: cargo-deny is not installed; the checks above cover what deny.toml asks for"
    );
    Ok(())
}

fn cargo_runs(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = cargo();
    command
        .current_dir(root)
        .args(args)
        .envs(environment.iter().copied());
    succeed(&mut command, &format!("cargo {}", args[0]))
}
