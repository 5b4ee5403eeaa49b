//! What every source file looks like: it says what it is for, a person can read it in one go, and the
//! handlers of an RPC reach nothing without a caller's proof.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Package;

/// About 400 lines is the habit; this is where it ends.
const MOST_LINES: usize = 500;

/// Files that may be longer, each with its reason. The list may only shrink.
const LONGER: [&str; 0] = [];

/// Doors of the store and of tenants that background work uses, and a handler must not.
const WITHOUT_A_CALLER: [&str; 2] = [".maintenance(", "TenantContext::for_background_work("];

/// A line for each file that is too long or does not say what it is for.
///
/// # Errors
/// When a file cannot be read.
pub fn violations(root: &Path, members: &[Package]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in members {
        for file in rust_files(package)? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let name = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .display()
                .to_string();
            violations.extend(judge(&name, &text));
        }
    }
    Ok(violations)
}

/// Every Rust file of a package: sources, tests, build scripts.
///
/// # Errors
/// When a folder cannot be read.
pub fn rust_files(package: &Package) -> Result<Vec<PathBuf>> {
    let folder = package
        .manifest_path
        .parent()
        .context("a manifest has no folder")?;
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            // A folder with a manifest is a package of its own.
            let other =
                name.starts_with('.') || name == "target" || path.join("Cargo.toml").exists();
            if !other {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn judge(name: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if !text.starts_with("//!") {
        violations.push(format!(
            "{name} does not begin with a `//!` line that says what it is for"
        ));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES && !LONGER.contains(&name) {
        violations.push(format!(
            "{name} has {lines} lines; {MOST_LINES} are the most"
        ));
    }
    if text.contains("#[tonic::async_trait]") && name.starts_with("services/") {
        let found = WITHOUT_A_CALLER.iter().filter(|door| text.contains(*door));
        violations.extend(found.map(|door| {
            format!(
                "{name} implements RPCs and calls `{door}…)`: show the caller's context instead"
            )
        }));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for_and_ends_in_time() {
        assert!(judge("a.rs", "//! About a.\n").is_empty());
        assert_eq!(judge("a.rs", "fn main() {}\n").len(), 1);
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(
            judge("a.rs", &long),
            ["a.rs has 501 lines; 500 are the most"]
        );
    }

    #[test]
    fn handlers_show_whose_call_it_is() {
        let handlers = "//! RPCs.\n#[tonic::async_trait]\nstore.maintenance(Purpose::Jobs)";
        assert_eq!(judge("services/a/src/handlers.rs", handlers).len(), 1);
        let worker = "//! A worker.\nstore.maintenance(Purpose::Jobs)";
        assert!(judge("services/a/src/worker.rs", worker).is_empty());
    }
}
