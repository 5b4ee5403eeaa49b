//! One set of features for all builds: the demo and the measurements find built what tests built.
//!
//! Cargo settles a dependency's features over the packages that are built together. Where the server
//! and the measurements alone would get others than the whole workspace with its tests, that
//! dependency and all above it would be built a second time, which takes minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::workspace::{BENCHMARKS, SERVER, cargo};

/// Features by package and version.
type Features = BTreeMap<String, BTreeSet<String>>;

/// A line for each dependency that has other features in the two builds.
///
/// # Errors
/// When cargo cannot resolve the workspace.
pub fn violations(root: &Path) -> Result<Vec<String>> {
    let all = resolved(root, &["--workspace", "--edges", "normal,build,dev"])?;
    let some = ["--package", SERVER, "--package", BENCHMARKS];
    let some = resolved(root, &[&some[..], &["--edges", "normal,build"]].concat())?;
    Ok(differences(&all, &some))
}

fn differences(all: &Features, some: &Features) -> Vec<String> {
    let differs = |(package, features): (&String, &BTreeSet<String>)| {
        let wanted = all.get(package)?;
        (wanted != features).then(|| {
            let other: Vec<&str> = wanted
                .symmetric_difference(features)
                .map(String::as_str)
                .collect();
            format!(
                "{package} would be built again after tests, as it has other features there: {}",
                other.join(", ")
            )
        })
    };
    some.iter().filter_map(differs).collect()
}

fn resolved(root: &Path, selection: &[&str]) -> Result<Features> {
    let output = cargo()
        .current_dir(root)
        .args(["tree", "--prefix", "none", "--format", "{p}|{f}"])
        .args(selection)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed");
    Ok(read(&String::from_utf8(output.stdout)?))
}

/// A package is printed for the machine that builds and for the one it is built for; the second one
/// has the more features, and is not always printed apart.
fn read(tree: &str) -> Features {
    let mut found = Features::new();
    for line in tree.lines() {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        let features = features.trim_end_matches(" (*)").split(',');
        let features: BTreeSet<String> = features.map(str::to_owned).collect();
        let known = found.entry(package.to_owned()).or_default();
        if features.len() > known.len() {
            *known = features;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_with_other_features_is_told() {
        let all = read("log v0.4.35|std\nserde v1.0.1|default,derive,std\n");
        let same = read("serde v1.0.1|std\nserde v1.0.1|default,derive,std (*)\n");
        assert!(differences(&all, &same).is_empty());
        let other = read("serde v1.0.1|default,std\n");
        let told = differences(&all, &other);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("serde v1.0.1") && told[0].ends_with(": derive"));
    }
}
