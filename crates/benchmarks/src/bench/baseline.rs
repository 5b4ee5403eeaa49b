//! Two reports held against each other: what got worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A figure that is worse by more than this share is told: one run on a quiet machine differs from the next by
/// as much.
const TOLERATED: f64 = 0.15;
/// Names of figures of which more is worse.
const LESS_IS_BETTER: [&str; 15] = [
    "p50",
    "p90",
    "p95",
    "p99",
    "call_p50",
    "call_p90",
    "call_p99",
    "server_p50",
    "searchable_p50",
    "searchable_p95",
    "call_to_embedding",
    "server_to_embedding",
    "item_cpu",
    "retrain_seconds",
    "cold",
];
/// How names of figures end of which less is worse.
const MORE_IS_BETTER: &str = "_per_second";
/// What was asked of the server is no figure of its own.
const ASKED: [&str; 2] = ["asked_per_second", "questions_per_second"];

/// A figure that got worse.
#[derive(Debug, PartialEq)]
pub struct Worse {
    /// Where it stands in the report.
    pub figure: String,
    /// What it was.
    pub before: f64,
    /// What it is.
    pub now: f64,
}

/// The figures of `now` that are worse than those of the report in `file`.
///
/// # Errors
/// The file cannot be read, or is no report.
pub fn worse_than(file: &Path, now: &Value) -> Result<Vec<Worse>> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let before: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no report of `bench --json`", file.display()))?;
    Ok(worse(&before, now))
}

fn worse(before: &Value, now: &Value) -> Vec<Worse> {
    let before = figures(before);
    let found = figures(now).into_iter().filter_map(|(figure, now)| {
        let before = *before.get(&figure)?;
        let name = figure.rsplit('/').next()?;
        let is_worse = match name.ends_with(MORE_IS_BETTER) {
            true => now < before * (1.0 - TOLERATED),
            false => now > before * (1.0 + TOLERATED),
        };
        is_worse.then_some(Worse {
            figure,
            before,
            now,
        })
    });
    found.collect()
}

/// The figures that have a better and a worse, by where they stand.
fn figures(report: &Value) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    collect(report, String::new(), &mut found);
    found
}

fn collect(value: &Value, path: String, found: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(value, format!("{path}/{name}"), found);
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                let name = entry.get("what").and_then(Value::as_str);
                let name = name.map_or_else(|| at.to_string(), str::to_owned);
                collect(entry, format!("{path}/{name}"), found);
            }
        }
        Value::Number(number) => {
            let name = path.rsplit('/').next().unwrap_or_default();
            let counts = LESS_IS_BETTER.contains(&name)
                || (name.ends_with(MORE_IS_BETTER) && !ASKED.contains(&name));
            if let Some(number) = number.as_f64().filter(|_| counts) {
                found.insert(path, number);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_got_worse_is_named_and_nothing_else() {
        let report = |p50: f64, answered: f64, items: u64| {
            json!({ "sweep": { "items": items, "series": [
                { "what": "recommend", "lone": { "p50": p50, "answered_per_second": answered } },
            ] } })
        };
        let before = report(1.0, 1_000.0, 10);
        assert_eq!(worse(&before, &report(1.1, 950.0, 99)), []);
        assert_eq!(worse(&before, &report(0.2, 9_000.0, 10)), []);
        let found = worse(&before, &report(1.3, 700.0, 10));
        let named: Vec<&str> = found.iter().map(|one| one.figure.as_str()).collect();
        let lone = "/sweep/series/recommend/lone";
        assert_eq!(
            named,
            [format!("{lone}/answered_per_second"), format!("{lone}/p50")]
        );
    }

    #[test]
    fn a_series_that_is_new_is_not_worse() {
        let before = json!({ "calls": null });
        assert_eq!(worse(&before, &json!({ "calls": { "p50": 3.0 } })), []);
    }
}
