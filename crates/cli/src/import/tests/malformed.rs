//! The malformed files of the project's data.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::super::*;
use super::read as read_all;

#[derive(serde::Deserialize)]
struct Expected {
    file: String,
    rows: usize,
    bad_lines: BTreeSet<u64>,
}

/// The malformed files: exactly the lines that `expected.json` names are rejected, or taken with a
/// remark; with everything asked for, all of them are rejected but for rows that only end early.
#[test]
fn the_malformed_files_lose_exactly_their_bad_rows() {
    // The variable may name the server's data folder instead: then the usual place is looked at.
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let places = std::env::var_os("TENANTRY_TEST_DATA")
        .map(PathBuf::from)
        .into_iter();
    let mut folders = places.chain([usual]).map(|place| place.join("dirty"));
    let Some((folder, expected)) = folders.find_map(|folder| {
        let expected = std::fs::read(folder.join("expected.json")).ok()?;
        Some((folder, expected))
    }) else {
        let said =
            "SKIPPED: the malformed files were not found; TENANTRY_TEST_DATA names their place";
        writeln!(std::io::stderr(), "{said}").unwrap();
        return;
    };
    let expected: Vec<Expected> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() > 10);
    for Expected {
        file,
        rows,
        bad_lines,
    } in expected
    {
        let mut options = super::options(&folder.join(&file));
        options.rules.require = Require::Usual;
        options.rules.conflicts = ConflictPolicy::Reject;
        let strict = read_all(&options);
        let rejected: BTreeSet<u64> = strict.rejected.iter().map(|(line, _)| *line).collect();
        let told: BTreeSet<u64> = strict.remarks.iter().map(|(line, _)| *line).collect();
        let found: BTreeSet<u64> = rejected.union(&told).copied().collect();
        assert_eq!(found, bad_lines, "{file}: {:#?}", strict.rejected);
        options.rules = super::rules();
        let read = read_all(&options);
        let rejected = read.rejected.iter().map(|(line, _)| *line);
        let told = read.remarks.iter().map(|(line, _)| *line);
        assert_eq!(
            rejected.chain(told).collect::<BTreeSet<_>>(),
            bad_lines,
            "{file}"
        );
        for (line, row) in &read.rejected {
            assert!(
                row.message.len() > 20 && !row.reason.is_empty(),
                "{file}:{line}: {row:?}"
            );
        }
        let broken = ["truncated", "crc_error", "trailing_garbage"];
        let is_broken = broken.iter().any(|name| file.starts_with(name));
        assert_eq!(
            read.problem.is_some(),
            is_broken,
            "{file}: {:?}",
            read.problem
        );
        // A line with two objects counts once.
        let lines = read.items.iter().map(|(line, _)| *line);
        let lines: BTreeSet<u64> = lines
            .chain(read.rejected.iter().map(|(line, _)| *line))
            .collect();
        let found = lines.len();
        if file.starts_with("truncated") {
            assert!(found > 40 && found < rows, "{file}: {found}");
        } else {
            assert!(
                found + 2 >= rows && found <= rows,
                "{file}: {found} of {rows} rows"
            );
        }
    }
}
