//! A job's outcome in words: what a person reads in a list of jobs.

use std::collections::BTreeMap;

use crate::args::last;

/// The keys that [`words`] has sentences for, in the order they are told.
const MODEL: [&str; 3] = ["model", "verdict", "reason"];

/// The outcome as a sentence: first the model that was made and what was decided of it, then the
/// rest.
#[must_use]
pub fn words(outcome: &BTreeMap<String, String>) -> String {
    let [model, verdict, reason] = MODEL.map(|key| outcome.get(key));
    let version = model.map(|name| format!("version {}", last(name)));
    let verdict = verdict.map(|verdict| match verdict.as_str() {
        "PROMOTE" => "promoted".to_owned(),
        "KEEP" => "not promoted".to_owned(),
        other => plain(other),
    });
    let made: Vec<String> = version.into_iter().chain(verdict).collect();
    let made = Some(made.join(" ")).filter(|made| !made.is_empty());
    let rest = outcome
        .iter()
        .filter(|(key, _)| !MODEL.contains(&key.as_str()))
        .map(|(key, value)| match value.as_str() {
            "true" => format!("{}: yes", plain(key)),
            "false" => format!("{}: no", plain(key)),
            value => format!("{}: {value}", plain(key)),
        });
    let parts: Vec<String> = made
        .into_iter()
        .chain(reason.cloned())
        .chain(rest)
        .collect();
    parts.join("; ")
}

/// A key or a code as words.
fn plain(key: &str) -> String {
    key.replace('_', " ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        words(&pairs.collect())
    }

    #[test]
    fn a_retrain_tells_its_version_what_was_decided_and_why() {
        let trained = told(&[
            ("dataset", "4"),
            ("model", "tenants/acme/models/experts/versions/3"),
            ("reason", "MRR +0.031 on 96 questions"),
            ("serves", "true"),
            ("verdict", "PROMOTE"),
        ]);
        assert_eq!(
            trained,
            "version 3 promoted; MRR +0.031 on 96 questions; dataset: 4; serves: yes"
        );
        assert_eq!(
            told(&[("verdict", "INSUFFICIENT_DATA"), ("reason", "12 questions")]),
            "insufficient data; 12 questions"
        );
    }

    #[test]
    fn other_jobs_tell_what_they_counted() {
        assert_eq!(told(&[("indexed_items", "120")]), "indexed items: 120");
        assert_eq!(told(&[]), "");
    }
}
