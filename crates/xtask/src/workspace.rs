//! The workspace as cargo sees it: where it is, its packages, and how its programs are built.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The server's package and program.
const SERVER: &str = "tenantry";

/// What is built before the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The server alone, in the development profile.
    Server,
    /// The server alone, optimized.
    ReleaseServer,
    /// Every target with the features that tests see, so that tests find all of it built.
    Everything,
}

/// What `cargo metadata` tells.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Members only, or every package of the lock file.
    pub packages: Vec<Package>,
    /// Package ids of the members.
    pub workspace_members: Vec<String>,
    /// The resolved graph; absent when only members were asked for.
    pub resolve: Option<Resolve>,
}

/// One package.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Opaque and unique.
    pub id: String,
    /// As in its manifest.
    pub name: String,
    /// An SPDX expression, where the manifest has one.
    pub license: Option<String>,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What the manifest names, whether it is used on this platform or not.
    pub dependencies: Vec<Dependency>,
}

/// One dependency as a manifest names it.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// What the code calls it, when that is not the package's name.
    pub rename: Option<String>,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub struct Resolve {
    /// One a package.
    pub nodes: Vec<Node>,
}

/// A package in the resolved graph.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// The package.
    pub id: String,
    /// What it depends on.
    pub deps: Vec<Edge>,
}

/// One resolved dependency.
#[derive(Debug, Deserialize)]
pub struct Edge {
    /// The package it leads to.
    pub pkg: String,
    /// Why: normal, dev or build.
    pub dep_kinds: Vec<EdgeKind>,
}

/// Why one package depends on another.
#[derive(Debug, Deserialize)]
pub struct EdgeKind {
    /// `None` for normal, else `dev` or `build`.
    pub kind: Option<String>,
}

/// The folder of the workspace that the caller stands in.
///
/// # Errors
/// When that is no workspace.
pub fn root() -> Result<PathBuf> {
    // Asked at run time: a path fixed at build time would be wrong in a clone that shares the
    // target folder of another one.
    let output = cargo()
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "run this inside the workspace");
    let manifest = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    Ok(manifest
        .parent()
        .context("the workspace has no folder")?
        .to_owned())
}

/// The cargo that started this program, or the one on the path.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` tells this program about its own package. Build scripts that look at such variables
    // (that of `ring`, on which half of the rest depends) would run anew after each build by hand.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Reads the members' manifests only.
///
/// # Errors
/// When a manifest is broken.
pub fn members(root: &Path) -> Result<Metadata> {
    metadata(root, &["--no-deps"])
}

/// Reads every package of the lock file, and the graph between them.
///
/// # Errors
/// When a manifest is broken, or the lock file does not fit.
pub fn graph(root: &Path) -> Result<Metadata> {
    metadata(root, &[])
}

/// Builds, and returns the server's executable.
///
/// # Errors
/// When the build fails.
pub fn build(root: &Path, what: Build) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .current_dir(root)
        .args(["build", "--message-format=json-render-diagnostics"]);
    match what {
        // Cargo settles features over what is built together. With this package beside it the server
        // gets those that a build of everything has, and most of it is not built again for tests.
        Build::Server => command.args(["--package", SERVER, "--package", env!("CARGO_PKG_NAME")]),
        Build::ReleaseServer => command.args(["--package", SERVER, "--release"]),
        Build::Everything => command.args(["--workspace", "--all-targets"]),
    };
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo build")?;
    let output = child.stdout.take().context("cargo build has no output")?;
    let mut executable = None;
    for line in BufReader::new(output).lines() {
        executable = server_executable(&line?).or(executable);
    }
    if !child.wait()?.success() {
        bail!(
            "the build failed after {:.0} s",
            begin.elapsed().as_secs_f64()
        );
    }
    executable.context("cargo built no server: is `tenantry` still a program of the workspace?")
}

fn metadata(root: &Path, extra: &[&str]) -> Result<Metadata> {
    let output = cargo()
        .current_dir(root)
        .args(["metadata", "--format-version", "1"])
        .args(extra)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed");
    serde_json::from_slice(&output.stdout).context("cargo metadata wrote something unknown")
}

/// The part of cargo's build messages that names an executable.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

fn server_executable(message: &str) -> Option<PathBuf> {
    // Other messages have other fields.
    let artifact = serde_json::from_str::<Artifact>(message).ok()?;
    let is_server = artifact.target.name == SERVER
        && artifact.target.kind.iter().any(|kind| kind == "bin")
        && !artifact.profile.test;
    artifact.executable.filter(|_| is_server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_server_and_not_its_test_harness() {
        let message = |test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"tenantry","kind":["bin"]}},
                    "profile":{{"test":{test}}},"executable":"/t/debug/tenantry"}}"#
            )
        };
        assert_eq!(
            server_executable(&message(false)),
            Some("/t/debug/tenantry".into())
        );
        assert_eq!(server_executable(&message(true)), None);
        assert_eq!(
            server_executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
    }
}
