//! The workspace as cargo sees it: where it is, its packages, and how its programs are built.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The server's package and program.
pub const SERVER: &str = "tenantry";
/// The package and program of the measurements and the demo.
pub const BENCHMARKS: &str = "tenantry-benchmarks";

/// What is built before the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The server and the measurements.
    Programs {
        /// Optimized, and not in the development profile.
        release: bool,
    },
    /// Every target with the features that tests see, so that tests find all of it built.
    Everything,
}

/// What was built.
#[derive(Debug)]
pub struct Programs {
    /// `tenantry`.
    pub server: PathBuf,
    /// The measurements.
    pub benchmarks: PathBuf,
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
    /// `None` for normal, else `dev` or `build`.
    pub kind: Option<String>,
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
/// When that is not a workspace.
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
    detached(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program that is told nothing about the package of this one.
#[must_use]
pub fn detached(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
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

/// Builds, and returns the executables.
///
/// # Errors
/// When the build fails.
pub fn build(root: &Path, what: Build) -> Result<Programs> {
    let mut command = cargo();
    command
        .current_dir(root)
        .args(["build", "--message-format=json-render-diagnostics"]);
    match what {
        // Cargo settles features over what is built together: a check holds that these two have the
        // ones that a build of everything has, so that tests find all of it built.
        Build::Programs { release } => {
            command.args(["--package", SERVER, "--package", BENCHMARKS]);
            command.args(release.then_some("--release"))
        }
        Build::Everything => command.args(["--workspace", "--all-targets"]),
    };
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo build")?;
    let output = child.stdout.take().context("cargo build has no output")?;
    let mut built = BTreeMap::new();
    for line in BufReader::new(output).lines() {
        built.extend(executable(&line?));
    }
    if !child.wait()?.success() {
        bail!(
            "the build failed after {:.0} s",
            begin.elapsed().as_secs_f64()
        );
    }
    let mut take = |name: &str| {
        let found = built.remove(name);
        found.with_context(|| format!("cargo built no `{name}`: is it a program of the workspace?"))
    };
    Ok(Programs {
        server: take(SERVER)?,
        benchmarks: take(BENCHMARKS)?,
    })
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

/// A program's name and path, where the message tells of one that is not a test.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    // Other messages have other fields.
    let artifact = serde_json::from_str::<Artifact>(message).ok()?;
    let is_program =
        artifact.target.kind.iter().any(|kind| kind == "bin") && !artifact.profile.test;
    let path = artifact.executable.filter(|_| is_program)?;
    Some((artifact.target.name, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_program_and_not_its_test_harness() {
        let message = |test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"tenantry","kind":["bin"]}},
                    "profile":{{"test":{test}}},"executable":"/t/debug/tenantry"}}"#
            )
        };
        assert_eq!(
            executable(&message(false)),
            Some(("tenantry".to_owned(), "/t/debug/tenantry".into()))
        );
        assert_eq!(executable(&message(true)), None);
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
    }
}
