//! The folders of `src` import downwards only: what a folder may name is listed here, from the bottom up.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each folder (and the one file beside them), with those below it that it imports. A folder may name only
/// folders of earlier lines, so there is no circle.
const FOLDERS: [(&str, &[&str]); 9] = [
    ("parallel", &[]),
    ("layout", &[]),
    ("text", &["layout"]),
    ("solvers", &["layout"]),
    ("history", &["parallel", "layout", "text"]),
    (
        "ranking",
        &["parallel", "layout", "text", "solvers", "history"],
    ),
    ("evaluation", &["parallel", "history", "ranking"]),
    ("training", &["history", "ranking", "evaluation"]),
    (
        "classification",
        &["parallel", "text", "solvers", "evaluation", "training"],
    ),
];

/// The files below a folder, or the file of that name.
fn sources(folder: &str) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = src.join(format!("{folder}.rs"));
    if file.exists() {
        return vec![fs::read_to_string(file).unwrap()];
    }
    let files = fs::read_dir(src.join(folder)).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let sources = files.filter(|file| file.extension().is_some_and(|name| name == "rs"));
    sources
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// What the source names of the crate's root, by the first part of each path. Nested braces directly after
/// `crate::` are named as `{`, which is in no list.
fn named(source: &str) -> impl Iterator<Item = &str> {
    let code = source.lines().filter(|line| !line.trim().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            match end {
                Some(0) => &rest[..1],
                end => &rest[..end.unwrap_or(rest.len())],
            }
        })
}

#[test]
fn folders_import_downwards_only() {
    for (place, (folder, allowed)) in FOLDERS.iter().enumerate() {
        let below: Vec<&str> = FOLDERS[..place].iter().map(|(name, _)| *name).collect();
        assert!(
            allowed.iter().all(|name| below.contains(name)),
            "{folder} is listed above what it may import"
        );
        let sources = sources(folder);
        let found: BTreeSet<&str> = sources.iter().flat_map(|source| named(source)).collect();
        let may: BTreeSet<&str> = allowed.iter().copied().chain([*folder]).collect();
        let wrong: Vec<&&str> = found.difference(&may).collect();
        assert!(wrong.is_empty(), "{folder} names {wrong:?} of the root");
        let unused: Vec<&&str> = may
            .difference(&found)
            .filter(|name| *name != folder)
            .collect();
        assert!(unused.is_empty(), "{folder} does not import {unused:?}");
        let around = sources
            .iter()
            .any(|source| source.contains("super::super::super"));
        assert!(!around, "{folder} reaches the root by another way");
    }
}

#[test]
fn every_folder_is_listed() {
    let root = include_str!("../src/lib.rs");
    let declared = root.lines().filter_map(|line| {
        line.trim_start_matches("pub ")
            .strip_prefix("mod ")?
            .strip_suffix(';')
    });
    let listed: BTreeSet<&str> = FOLDERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared.collect::<BTreeSet<&str>>(), listed);
}
