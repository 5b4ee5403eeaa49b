//! `docs/reasons.md`: written by hand, and complete.

use std::collections::BTreeSet;

use super::{page, quoted, sources};

/// Where the reason of an error is named, and how far behind that its code may stand.
const PLACES: [(&str, usize); 5] = [
    ("ServiceError::new(", 120),
    ("Self::new(ErrorKind", 80),
    ("refused(", 60),
    ("let reason = ", 40),
    ("let (reason, remedy) = ", 320),
];

#[test]
fn the_page_of_reasons_names_each_one_and_no_other() {
    let page = page("reasons.md");
    let (errors, routes) = page.split_once("## Reasons of a route").unwrap();
    let documented = |text: &str| -> BTreeSet<String> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
            .collect()
    };
    let mut named = BTreeSet::new();
    for text in sources() {
        for (place, reach) in PLACES {
            for (at, _) in text.match_indices(place) {
                let end = text.ceil_char_boundary((at + reach).min(text.len()));
                named.extend(codes(&text[at..end]));
            }
        }
        for body in text.split("fn reason(&self) -> &'static str {").skip(1) {
            let body = body.split_once("\n    }").map_or(body, |(body, _)| body);
            named.extend(codes(body));
        }
    }
    assert_same(&named, &documented(errors), "errors");
    let routes_named = sources().iter().find_map(|text| {
        let (_, body) = text.split_once("pub fn code(self) -> &'static str {")?;
        let codes: BTreeSet<_> = codes(body.split_once("\n    }")?.0).collect();
        codes.contains("PROVEN_BETTER").then_some(codes)
    });
    assert_same(&routes_named.unwrap(), &documented(routes), "routes");
}

fn assert_same(named: &BTreeSet<String>, documented: &BTreeSet<String>, of: &str) {
    let missing: Vec<_> = named.difference(documented).collect();
    assert!(
        missing.is_empty(),
        "docs/reasons.md ({of}) says nothing of {missing:?}"
    );
    let unknown: Vec<_> = documented.difference(named).collect();
    assert!(
        unknown.is_empty(),
        "docs/reasons.md ({of}) has {unknown:?}, which is never sent"
    );
}

/// The quoted codes in a piece of source.
fn codes(text: &str) -> impl Iterator<Item = String> {
    let is_code = |text: &&str| {
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        text.len() > 3 && text.chars().all(allowed)
    };
    quoted(text).filter(is_code).map(str::to_owned)
}
