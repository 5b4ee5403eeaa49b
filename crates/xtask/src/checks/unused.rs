//! Dependencies that are named and never used.
//!
//! Works on the text of the sources, so it needs no network and no second build: a crate whose name
//! occurs in no code of its package is reported. What is used by generated code only is listed here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::files::rust_files;
use crate::workspace::{Dependency, Package};

/// Used in ways that no source shows.
const USED_UNSEEN: [(&str, &str); 3] = [
    // The generated code of the contract names them.
    ("tenantry-api", "prost"),
    ("tenantry-api", "prost-types"),
    ("tenantry-api", "tonic-prost"),
];

/// A line for each dependency that can go.
///
/// # Errors
/// When a source or a manifest cannot be read.
pub fn violations(root: &Path, members: &[Package]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in members {
        let mut words = BTreeSet::new();
        for file in rust_files(package)? {
            words.extend(identifiers(&fs::read_to_string(file)?));
        }
        violations.extend(unused(package, &words));
    }
    violations.extend(shared_unused(root, members)?);
    Ok(violations)
}

fn unused(package: &Package, words: &BTreeSet<String>) -> Vec<String> {
    let Package {
        name, dependencies, ..
    } = package;
    let unseen = |named: &&Dependency| {
        let known = USED_UNSEEN.contains(&(name.as_str(), named.name.as_str()));
        !known && !words.contains(&crate_name(named))
    };
    let line = |named: &Dependency| format!("{name} names {} and does not use it", named.name);
    dependencies.iter().filter(unseen).map(line).collect()
}

/// Versions that the workspace sets and no member asks for.
fn shared_unused(root: &Path, members: &[Package]) -> Result<Vec<String>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse().context("the workspace's Cargo.toml")?;
    let shared = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table)
        .context("the workspace sets no dependencies")?;
    let asked: BTreeSet<&str> = members
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|named| named.rename.as_deref().unwrap_or(&named.name))
        .collect();
    let unasked = shared.keys().filter(|name| !asked.contains(name.as_str()));
    Ok(unasked
        .map(|name| format!("the workspace sets {name} and no package asks for it"))
        .collect())
}

fn crate_name(named: &Dependency) -> String {
    named
        .rename
        .as_ref()
        .unwrap_or(&named.name)
        .replace('-', "_")
}

/// The identifiers of the code, without those of comments.
fn identifiers(source: &str) -> BTreeSet<String> {
    let code = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let separates = |letter: char| !letter.is_alphanumeric() && letter != '_';
    code.flat_map(|line| line.split(separates))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_in_a_comment_is_not_used() {
        let words = identifiers("// uses serde_json\nuse tonic::Status; // and uuid\n");
        let named = |name: &str, rename: Option<&str>| Dependency {
            name: name.to_owned(),
            rename: rename.map(str::to_owned),
            kind: None,
        };
        let package = Package {
            id: String::new(),
            name: "tenantry-example".to_owned(),
            license: None,
            manifest_path: "Cargo.toml".into(),
            dependencies: vec![
                named("tonic", None),
                named("serde-json", None),
                named("uuid", None),
                named("tenantry-storage", Some("storage")),
            ],
        };
        let found = unused(&package, &words);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|line| !line.contains("tonic")));
    }
}
