//! `cargo xtask check-reference`: the reference pages under `docs/` say what the code says.

use anyhow::Result;
use clap::Args;

use crate::test::succeed;
use crate::workspace::{self, cargo};

/// Arguments of `cargo xtask check-reference`.
#[derive(Args, Debug, Default)]
pub struct ReferenceArgs {
    /// Write the generated pages (configuration, metrics, permissions) again
    #[arg(long)]
    accept: bool,
}

/// Runs the command.
///
/// # Errors
/// When a page is stale; the test names it.
pub fn run(args: &ReferenceArgs) -> Result<()> {
    let mut command = cargo();
    command.current_dir(workspace::root()?).args([
        "test",
        "--package",
        "tenantry-server",
        "--lib",
        "reference",
    ]);
    if args.accept {
        command.env("TENANTRY_ACCEPT_REFERENCE", "1");
    }
    succeed(&mut command, "cargo test")
}
