//! Names the build: the version, and the commit where git knows it.

#![allow(clippy::print_stdout, reason = "how a build script speaks")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Grows with each commit, and lies elsewhere in a worktree.
    if let Some(log) = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) => format!("{version}+{commit}"),
        None => version.to_owned(),
    };
    println!("cargo:rustc-env=TENANTRY_BUILD={build}");
}

/// What git says; none where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
