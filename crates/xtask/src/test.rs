//! `cargo xtask test`: every test of the workspace, on any machine that can build it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::setup::{self, Assets};
use crate::workspace::{self, Build, cargo};

/// Where the shared data lies beside a checkout.
const SHARED_DATA: &str = "../shared/data";
/// Names that folder to tests.
const DATA_VARIABLE: &str = "TENANTRY_TEST_DATA";
/// Where Debian keeps the programs of a PostgreSQL server.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Arguments of `cargo xtask test`.
#[derive(Args, Debug, Default)]
pub struct TestArgs {
    /// Passed on to the test runner, for example a filter; doc tests are left out then.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// What `cargo test` counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs the command.
///
/// # Errors
/// When something does not build, or a test fails.
pub fn run(args: &TestArgs) -> Result<()> {
    let root = workspace::root()?;
    let assets = setup::ensure(true)?;
    if let Err(error) = setup::ensure_all_models() {
        println!(
            "SKIPPED: tests on two embedding models, as the second is not to be had: {error:#}"
        );
    }
    let server = workspace::build(&root, Build::Everything)?.server;
    setup::distill(&server, &assets, false)?;
    let environment = environment(&root, &assets, server);
    let with_nextest = cargo_has("nextest");
    tell_what_is_skipped(&root, with_nextest);
    // Before the rest, so that the last thing to read is the summary of all tests.
    if args.args.is_empty() {
        println!("==> doc tests");
        let mut doc = in_workspace(&root, &environment);
        succeed(doc.args(["test", "--doc", "--workspace"]), "doc tests")?;
    }
    println!("==> tests");
    let mut tests = in_workspace(&root, &environment);
    if with_nextest {
        // The same targets that were built above, in one process a test.
        tests
            .args(["nextest", "run", "--workspace", "--no-fail-fast"])
            .args(&args.args);
        return succeed(&mut tests, "tests");
    }
    tests.args([
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--no-fail-fast",
    ]);
    count_tests(tests.args(&args.args))
}

/// Whether `cargo <name>` is there.
#[must_use]
pub fn cargo_has(name: &str) -> bool {
    let version = cargo()
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {what}"))?;
    ensure!(status.success(), "{what} failed ({status})");
    Ok(())
}

fn environment(root: &Path, assets: &Assets, server: PathBuf) -> Vec<(&'static str, PathBuf)> {
    let mut environment = vec![
        ("TENANTRY_MODEL_DIR", assets.model_dir.clone()),
        ("ORT_DYLIB_PATH", assets.onnxruntime.clone()),
        ("TENANTRY_BIN", server),
    ];
    environment.extend(data_dir(root).map(|folder| (DATA_VARIABLE, folder)));
    environment
}

fn data_dir(root: &Path) -> Option<PathBuf> {
    let named = env::var_os(DATA_VARIABLE).map(PathBuf::from);
    named
        .or_else(|| root.join(SHARED_DATA).canonicalize().ok())
        .filter(|folder| folder.is_dir())
}

/// A test that does not run says nothing: so this does, where everyone sees it.
fn tell_what_is_skipped(root: &Path, with_nextest: bool) {
    if data_dir(root).is_none() {
        println!("SKIPPED: tests on the shared data, as {SHARED_DATA} is not there");
    }
    if !has_postgresql() && env::var_os("TENANTRY_TEST_POSTGRES_URL").is_none() {
        println!("SKIPPED: tests on PostgreSQL, as no `initdb` is installed (Debian: postgresql)");
    }
    if env::var_os("TENANTRY_TEST_QDRANT_URL").is_none() {
        println!("SKIPPED: tests on a Qdrant cluster, as TENANTRY_TEST_QDRANT_URL is not set");
    }
    if !with_nextest {
        println!("cargo-nextest is not installed: `cargo test` runs the same tests, more slowly");
    }
}

fn has_postgresql() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir(POSTGRESQL)
        .into_iter()
        .flatten()
        .flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    env::split_paths(&path)
        .chain(debian)
        .any(|folder| folder.join("initdb").is_file())
}

fn in_workspace(root: &Path, environment: &[(&'static str, PathBuf)]) -> Command {
    let mut command = cargo();
    command
        .current_dir(root)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs `cargo test`, and adds up what its many programs counted.
fn count_tests(command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut counts = Counts::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        counts.add(&line);
        println!("{line}");
    }
    let status = child.wait()?;
    let Counts {
        passed,
        failed,
        skipped,
    } = counts;
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    ensure!(status.success(), "tests failed ({status})");
    Ok(())
}

impl Counts {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else {
            return;
        };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|number| number.parse::<u64>().ok());
            match (number, words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                (Some(number), Some("ignored")) => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_many_programs_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; finished in 0.01s",
        ] {
            counts.add(line);
        }
        assert_eq!(
            counts,
            Counts {
                passed: 5,
                failed: 5,
                skipped: 1
            }
        );
    }
}
