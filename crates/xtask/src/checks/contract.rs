//! `cargo xtask check-contract`: the style and the format of the proto files, and that nothing in them
//! breaks a client of the contract that was accepted last.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::setup;
use crate::test::succeed;
use crate::workspace;

/// The accepted contract as `buf` keeps it: without comments, in the folder of the proto files.
const ACCEPTED: &str = "contract.binpb";

/// Arguments of `cargo xtask check-contract`.
#[derive(Args, Debug, Default)]
pub struct ContractArgs {
    /// Accept the proto files as they are: later changes are held against them. What this breaks is
    /// listed first
    #[arg(long)]
    accept: bool,
}

/// Runs the command.
///
/// # Errors
/// When a rule of style is broken, a file is not formatted, or a client would break; `buf` names the
/// line.
pub fn run(args: &ContractArgs) -> Result<()> {
    let folder = workspace::root()?.join("proto");
    let program = setup::ensure_buf()?;
    let buf = |arguments: &[&str]| buf(&program, &folder, arguments);
    buf(&["lint"]).context("the contract breaks a rule of proto/buf.yaml")?;
    buf(&["format", "--diff", "--exit-code"])
        .context("the proto files are not formatted: run `buf format -w` in proto/")?;
    let same = buf(&["breaking", "--against", ACCEPTED]);
    if !args.accept {
        same.context(
            "the contract breaks clients of the accepted one; where that is meant, \
             `cargo xtask check-contract --accept` accepts it",
        )?;
        println!("the contract is clean and breaks no client");
        return Ok(());
    }
    if same.is_err() {
        println!("the lines above break clients of the contract that was accepted before");
    }
    buf(&["build", "--exclude-source-info", "--output", ACCEPTED])?;
    println!("accepted: commit proto/{ACCEPTED}");
    Ok(())
}

fn buf(program: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments);
    succeed(&mut command, &format!("buf {}", arguments[0]))
}
