//! The licences of everything that is built into the product, against a list of permissive ones.
//!
//! cargo-deny checks the same where it is installed; this needs nothing but the lock file, so that
//! every machine and every run of CI checks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Result, ensure};

use crate::workspace::{self, Metadata, Package};

/// Licences that ask for a notice at most. `deny.toml` has the same list; a test compares them.
const ALLOWED: [&str; 10] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Packages whose manifest names no licence, with the one of their licence file.
const WITHOUT_EXPRESSION: [(&str, &str); 0] = [];

/// Runs the check.
///
/// # Errors
/// When a package has a licence that is not on the list, or none.
pub fn run() -> Result<()> {
    let metadata = workspace::graph(&workspace::root()?)?;
    let built = built(&metadata);
    let mut violations = Vec::new();
    for package in &built {
        let listed = WITHOUT_EXPRESSION
            .iter()
            .find(|(name, _)| *name == package.name);
        let licence = package
            .license
            .as_deref()
            .or(listed.map(|(_, licence)| *licence));
        match licence {
            Some(licence) if allowed(licence) => {}
            Some(licence) => violations.push(format!("{} is under {licence}", package.name)),
            None => violations.push(format!("{} names no licence", package.name)),
        }
    }
    for violation in &violations {
        println!("violation: {violation}");
    }
    ensure!(
        violations.is_empty(),
        "{} packages have no permissive licence",
        violations.len()
    );
    println!("{} packages have permissive licences", built.len());
    Ok(())
}

/// Every package that takes part in building the members, tests left out.
fn built(metadata: &Metadata) -> Vec<&Package> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let edges: BTreeMap<&str, Vec<&str>> = nodes
        .map(|node| {
            let used = node.deps.iter().filter(|edge| {
                edge.dep_kinds
                    .iter()
                    .any(|kind| kind.kind.as_deref() != Some("dev"))
            });
            (
                node.id.as_str(),
                used.map(|edge| edge.pkg.as_str()).collect(),
            )
        })
        .collect();
    let mut queue: VecDeque<&str> = metadata
        .workspace_members
        .iter()
        .map(String::as_str)
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop_front() {
        if seen.insert(id) {
            queue.extend(edges.get(id).into_iter().flatten());
        }
    }
    metadata
        .packages
        .iter()
        .filter(|package| seen.contains(package.id.as_str()))
        .collect()
}

/// Whether an SPDX expression can be met with allowed licences. `A/B` is the old way to write
/// `A OR B`; an exception (`WITH`) only ever grants more.
fn allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    // What is left over was not understood, and so is not allowed.
    either(&mut words) && words.is_empty()
}

fn either(words: &mut &[&str]) -> bool {
    let mut met = both(words);
    while take(words, "OR") {
        // Evaluated whatever is met already, to move on behind it.
        met |= both(words);
    }
    met
}

fn both(words: &mut &[&str]) -> bool {
    let mut met = one(words);
    while take(words, "AND") {
        met &= one(words);
    }
    met
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let met = either(words);
        return take(words, ")") && met;
    }
    let Some((licence, rest)) = words.split_first() else {
        return false;
    };
    *words = rest;
    if take(words, "WITH") {
        *words = words.get(1..).unwrap_or_default();
    }
    ALLOWED.contains(licence)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case(word));
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        for met in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "(MIT OR GPL-2.0-only) AND ISC",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-2.0-only OR (MIT AND BSD-3-Clause)",
        ] {
            assert!(allowed(met), "{met}");
        }
        for unmet in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "",
            "MIT MIT",
            "(MIT",
            "AND MIT",
        ] {
            assert!(!allowed(unmet), "{unmet}");
        }
    }

    #[test]
    fn cargo_deny_has_the_same_list() {
        let deny: toml::Table = include_str!("../../../deny.toml").parse().unwrap();
        let list = deny["licenses"]["allow"].as_array().unwrap();
        let list: Vec<_> = list
            .iter()
            .map(|licence| licence.as_str().unwrap())
            .collect();
        assert_eq!(list, ALLOWED);
    }
}
