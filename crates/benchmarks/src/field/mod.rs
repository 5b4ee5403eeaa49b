//! `cargo xtask field`: files as customers have them, through the command line, and what became of
//! each: how many rows went in, what was said, and whether a questionnaire came back with answers.
//!
//! A case is a folder with a `case.toml` and the files it names; `tests/field` has those of the
//! project. Workbooks are made of CSV files, so that a case can be read and changed as text.

mod answered;
mod case;
mod workbook;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use self::case::{Case, Run};
use crate::run::block_on;
use crate::server::{Programs, with_server};
use testkit::ServerProcess;

/// Arguments of `cargo xtask field`.
#[derive(Args, Debug, Default)]
pub struct FieldArgs {
    /// A folder of cases [default: tests/field]
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only cases whose folder's name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Runs the command.
///
/// # Errors
/// When the server cannot be started, a case cannot be read, or one does not hold.
pub fn run(args: &FieldArgs) -> Result<()> {
    let programs = Programs::find(false)?;
    let folder = args
        .cases
        .clone()
        .unwrap_or_else(|| programs.workspace.join("tests/field"));
    let cases = case::all(&folder, &args.only)?;
    ensure!(!cases.is_empty(), "{} has no cases", folder.display());
    block_on(with_server(&programs, async |server, _| {
        judge_all(&programs, server, &cases)
    }))
}

fn judge_all(programs: &Programs, server: &ServerProcess, cases: &[Case]) -> Result<()> {
    let mut failed = 0;
    for (number, case) in cases.iter().enumerate() {
        let tenant = format!("field-{number}");
        let verdict = hold(programs, server, case, &tenant);
        let (mark, why) = match &verdict {
            Ok(()) => ("ok  ", String::new()),
            Err(error) => ("FAIL", format!("\n       {error:#}")),
        };
        println!("{mark} {:18} {}{why}", case.name, case.about);
        failed += usize::from(verdict.is_err());
    }
    println!("{} of {} cases hold", cases.len() - failed, cases.len());
    ensure!(failed == 0, "{failed} cases do not hold");
    Ok(())
}

fn hold(programs: &Programs, server: &ServerProcess, case: &Case, tenant: &str) -> Result<()> {
    // A copy: the case's folder stays as it is.
    let folder = tempfile::tempdir()?;
    case.copy_to(folder.path())?;
    for book in &case.workbooks {
        workbook::make(folder.path(), book).with_context(|| book.file.clone())?;
    }
    let cli = Cli {
        program: &programs.server,
        server,
        folder: folder.path(),
    };
    let made = cli.run(&["tenants", "create", tenant, "--vertical", "field"])?;
    ensure!(made.status.success(), "no tenant: {}", said(&made));
    // Somebody to be recommended, also where the case names nobody.
    let history = programs.workspace.join("tests/field/history.jsonl");
    let history = history.display().to_string();
    let args = [
        "items",
        "ingest",
        "-t",
        tenant,
        &history,
        "--register-experts",
    ];
    let known = cli.run(&args)?;
    ensure!(known.status.success(), "no history: {}", said(&known));
    for run in &case.runs {
        check(&cli, run, tenant).with_context(|| format!("tenantry {}", run.args.join(" ")))?;
    }
    Ok(())
}

/// The command line, against the server, in the folder of the case.
struct Cli<'a> {
    program: &'a Path,
    server: &'a ServerProcess,
    folder: &'a Path,
}

impl Cli<'_> {
    fn run(&self, args: &[&str]) -> Result<Output> {
        Command::new(self.program)
            .args(args)
            .current_dir(self.folder)
            .env("TENANTRY_ENDPOINT", &self.server.endpoint)
            .env("TENANTRY_KEY", &self.server.operator_key)
            .output()
            .context("the command line cannot be started")
    }
}

fn check(cli: &Cli<'_>, run: &Run, tenant: &str) -> Result<()> {
    let args: Vec<&str> = run.args.iter().map(String::as_str).collect();
    let output = cli.run(&[&args[..], &["-t", tenant, "-o", "json"]].concat())?;
    let code = output.status.code();
    ensure!(
        code == Some(run.exit),
        "ended with {code:?} and not {}: {}",
        run.exit,
        said(&output)
    );
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for wanted in &run.says {
        ensure!(all.contains(wanted), "does not say {wanted:?}: {all}");
    }
    if run.accepted.is_some() || !run.reasons.is_empty() {
        check_summary(run, &output)?;
    }
    if let Some(wanted) = run.answered {
        answered::check(cli.folder, &run.args, wanted)?;
    }
    Ok(())
}

fn check_summary(run: &Run, output: &Output) -> Result<()> {
    let summary: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no summary: {}", said(output)))?;
    let count = |name: &str| summary[name].as_u64();
    let wanted = (run.accepted, Some(run.rejected));
    let found = (count("accepted"), count("rejected"));
    if found != wanted {
        bail!(
            "accepted and rejected {found:?} and not {wanted:?}: {} {}",
            summary["examples"],
            summary["notes"]
        );
    }
    for (reason, wanted) in &run.reasons {
        let found = summary["rejected_by_reason"][reason].as_u64();
        ensure!(
            found == Some(*wanted),
            "{reason}: {found:?} and not {wanted}"
        );
    }
    Ok(())
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.trim().to_owned()
}
